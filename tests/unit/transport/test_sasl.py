"""The SASL layer without sockets: bytes worked out by hand, both ends against each other, and nonsense."""

from __future__ import annotations

import random

import pytest

from gateway.transport.sasl import AMQP_HEADER, SASL_HEADER, Claim, Outcome, SaslClient, SaslError, SaslServer


def client(user: str | None = None, password: str | None = None, *, external: bool = False) -> SaslClient:
    return SaslClient(hostname="h", user=user, password=password, external=external)


def meet(server: SaslServer, connecting: SaslClient, *, step: int = 1000) -> None:
    """Carry bytes between both, `step` at a time, until neither has any; the server says OK to any claim."""
    to_server, to_client, answered = connecting.start(), b"", False
    while to_server or to_client:
        while to_server:
            part, to_server = to_server[:step], to_server[step:]
            to_client += server.feed(part)
        if server.claim is not None and not answered:
            answered = True
            to_client += server.outcome(Outcome.OK)
        while to_client:
            part, to_client = to_client[:step], to_client[step:]
            to_server += connecting.feed(part)


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize(
    ("connecting", "claim"),
    [
        (("m1", "pässword"), Claim("PLAIN", "m1", "pässword")),
        ((None, None), Claim("ANONYMOUS")),
    ],
)
def test_both_ends(connecting: tuple[str | None, str | None], claim: Claim, step: int) -> None:
    server = SaslServer(["PLAIN", "ANONYMOUS"], bare=False)
    peer = client(*connecting)
    meet(server, peer, step=step)
    assert server.claim == claim
    assert peer.done


def test_external() -> None:
    server = SaslServer(["EXTERNAL"], bare=False)
    meet(server, client(external=True))
    assert server.claim == Claim("EXTERNAL")


def test_the_bytes() -> None:
    """sasl-mechanisms (0x40) with an array of two symbols; sasl-init (0x41); sasl-outcome (0x44) with code auth."""
    server = SaslServer(["PLAIN", "ANONYMOUS"], bare=False)
    # 8 of frame header, 3 of descriptor, c0 with 1 of size and 1 of count, f0 with 4 + 4 + 1 + (1 + 5) + (1 + 9): 0x28.
    assert server.feed(SASL_HEADER) == SASL_HEADER + bytes.fromhex(
        "00000028 02010000 005340 c01b01 f0 00000015 00000002 a3 05 504c41494e 09 414e4f4e594d4f5553"
    )
    assert (
        server.feed(bytes.fromhex("0000001d 02010000 005341 c0 10 02 a3 05 504c41494e a0 06 00 6d 00 70 77 21")) == b""
    )
    assert server.claim == Claim("PLAIN", "m", "pw!")
    assert server.outcome(Outcome.AUTH) == bytes.fromhex("00000010 02010000 005344 c0 03 01 50 01")


def test_a_claim_does_not_show_its_password() -> None:
    assert "secret" not in repr(Claim("PLAIN", "m", "secret"))


def test_what_follows_the_layer_is_kept() -> None:
    server = SaslServer(["ANONYMOUS"], bare=False)
    init = bytes.fromhex("00000019 02010000 005341 c0 0c 01 a3 09 414e4f4e594d4f5553")
    server.feed(SASL_HEADER + init + AMQP_HEADER + b"open")
    assert server.claim == Claim("ANONYMOUS")
    assert server.rest == AMQP_HEADER + b"open"


def test_plain_in_two_steps() -> None:
    """Without an initial response the server asks with an empty challenge (0x42), and gets a response (0x43)."""
    server = SaslServer(["PLAIN"], bare=False)
    server.feed(SASL_HEADER)
    reply = server.feed(bytes.fromhex("00000016 02010000 005341 c0 09 02 a3 05 504c41494e 40"))
    assert reply == bytes.fromhex("00000010 02010000 005342 c0 03 01 a0 00")
    assert server.claim is None
    server.feed(bytes.fromhex("00000014 02010000 005343 c0 07 01 a0 04 00 6d 00 70"))
    assert server.claim == Claim("PLAIN", "m", "p")


@pytest.mark.parametrize("response", [b"", b"\0m", b"\0m\0p\0x", b"\0\xff\0p", b"other\0m\0p"])
def test_plain_responses_that_prove_nothing(response: bytes) -> None:
    server = SaslServer(["PLAIN"], bare=False)
    body = (
        b"\x00\x53\x41\xc0" + bytes((len(response) + 10, 2)) + b"\xa3\x05PLAIN\xa0" + bytes((len(response),)) + response
    )
    server.feed(SASL_HEADER + (8 + len(body)).to_bytes(4) + b"\x02\x01\x00\x00" + body)
    assert server.claim is not None
    assert server.claim.password is None


def test_a_mechanism_that_was_not_offered_is_a_claim_of_nothing() -> None:
    server = SaslServer(["PLAIN"], bare=False)
    server.feed(SASL_HEADER + bytes.fromhex("00000019 02010000 005341 c0 0c 01 a3 09 414e4f4e594d4f5553"))
    assert server.claim == Claim("ANONYMOUS")


def test_skipping_the_layer() -> None:
    server = SaslServer(["ANONYMOUS"], bare=True)
    assert server.feed(AMQP_HEADER + b"open") == b""
    assert server.claim == Claim(None)
    assert server.rest == AMQP_HEADER + b"open"
    assert server.outcome(Outcome.OK) == b""
    with pytest.raises(SaslError, match="SASL header"):
        SaslServer(["PLAIN"], bare=False).feed(AMQP_HEADER)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        SASL_HEADER + b"\xff\xff\xff\xff\x02\x01\x00\x00",
        SASL_HEADER + b"\x00\x00\x00\x04\x02\x01\x00\x00",
        SASL_HEADER + b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x41\x45",
        SASL_HEADER + b"\x00\x00\x00\x0c\x02\x01\x00\x00\x00\x53\x44\x45",
        SASL_HEADER + b"\x00\x00\x00\x09\x02\x01\x00\x00\x40",
    ],
)
def test_garbage(data: bytes) -> None:
    with pytest.raises(SaslError):
        SaslServer(["PLAIN"], bare=False).feed(data)


def test_damage_raises_nothing_else() -> None:
    rng = random.Random(3)
    init = SASL_HEADER + bytes.fromhex("0000001d 02010000 005341 c0 10 02 a3 05 504c41494e a0 06 00 6d 00 70 77 21")
    for _ in range(3000):
        damaged = bytearray(init)
        damaged[rng.randrange(8, len(init))] = rng.randrange(256)
        server = SaslServer(["PLAIN"], bare=False)
        try:
            server.feed(bytes(damaged))
        except SaslError:
            continue


def test_the_client_says_why() -> None:
    server = SaslServer(["EXTERNAL"], bare=False)
    peer = client("m", "p")
    with pytest.raises(SaslError, match=r"offers \['EXTERNAL'\], not PLAIN"):
        peer.feed(server.feed(peer.start()))
    server = SaslServer(["PLAIN"], bare=False)
    peer = client("m", "p")
    server.feed(peer.feed(server.feed(peer.start())))
    with pytest.raises(SaslError, match="user or password refused"):
        peer.feed(server.outcome(Outcome.AUTH))
    with pytest.raises(SaslError, match=r"AMQP 1\.0 SASL"):
        client().feed(b"AMQP\x00\x00\x09\x01")  # a broker that speaks 0-9-1 alone
