"""An MQTT session against a peer that says exactly the bytes written here (MQTT 3.1.1 and 5): what no broker does on
demand, and what is on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.transport.mqtt import Options, PublishRefused, Session, session

WELCOME = {"3.1.1": b"\x20\x02\x00\x00", "5": b"\x20\x03\x00\x00\x00"}
VERSIONS = pytest.mark.parametrize("version", ["3.1.1", "5"])


class Peer:
    """The broker's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """The next packet, whole."""
        head = await self._reader.readexactly(2)
        length, more = head[1] & 127, 1
        while head[-1] > 127:
            head += await self._reader.readexactly(1)
            length |= (head[-1] & 127) << (7 * more)
            more += 1
        return head + await self._reader.readexactly(length)

    async def some(self) -> bytes:
        """What comes at once."""
        return await self._reader.read(1 << 16)

    async def rest(self) -> bytes:
        """All that still comes until the other side closes."""
        return await self._reader.read()

    def say(self, data: bytes) -> None:
        self._writer.write(data)


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def broker(script: Script) -> AsyncIterator[int]:
    """Its port. The script's own failures are failures of the test; it must come to its end."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(Peer(reader, writer))
            done.set_result(None)
        except (AssertionError, OSError, EOFError, pytest.fail.Exception) as error:
            done.set_exception(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(10):
            await done


@asynccontextmanager
async def connected(port: int, **options: Any) -> AsyncIterator[Session]:
    given: dict[str, Any] = {"client_id": "me", "close_timeout_s": 0.5, **options}
    async with asyncio.timeout(10), session(Options(host="127.0.0.1", port=port, **given), name="plant") as made:
        yield made


async def why(port: int, *filters: str, **options: Any) -> str:
    """Why a session cannot be had, or ends."""

    async def read() -> None:
        async with connected(port, **options) as made:
            if filters:
                await made.subscribe(filters, 1)
            async for _ in made.inbox:
                pass

    with pytest.raises(NotConnected) as caught:
        await read()
    return str(caught.value)


# Connecting


async def test_what_connect_says() -> None:
    """3.1.1, clause 3.1: a persistent session, user, password, keep-alive in whole seconds; then DISCONNECT."""

    async def script(peer: Peer) -> None:
        hello = b"\x00\x04MQTT\x04\xc0\x00\x02\x00\x02me\x00\x01u\x00\x06secret"
        assert await peer.read() == bytes([0x10, len(hello)]) + hello
        peer.say(b"\x20\x02\x01\x00")
        assert await peer.rest() == b"\xe0\x00"

    async with broker(script) as port, connected(port, user="u", password=lambda: "secret", keepalive_s=1.5) as made:
        notice = await anext(made.inbox)
        assert isinstance(notice, Notice)
        assert notice.kind is NoticeKind.SESSION_KEPT


async def test_what_connect_says_in_mqtt_5() -> None:
    """Clause 3.1.2.11: session expiry interval 0x11, receive maximum 0x21."""

    async def script(peer: Peer) -> None:
        hello = b"\x00\x04MQTT\x05\x00\x00\x1e\x08\x11\x00\x00\x0e\x10\x21\x00\x07\x00\x02me"
        assert await peer.read() == bytes([0x10, len(hello)]) + hello
        peer.say(WELCOME["5"])
        assert await peer.rest() == b"\xe0\x00"

    async with broker(script) as port, connected(port, version="5", session_expiry_s=3600, receive_maximum=7):
        pass


@VERSIONS
async def test_clean_session(version: str) -> None:
    async def script(peer: Peer) -> None:
        assert (await peer.read())[9] == 0x02
        peer.say(WELCOME[version])
        assert await peer.rest() == b"\xe0\x00"

    async with broker(script) as port, connected(port, version=version, clean=True, client_id=""):
        pass


@pytest.mark.parametrize(
    ("version", "answer", "words"),
    [
        ("3.1.1", b"\x20\x02\x00\x01", "does not speak MQTT 3.1.1; set another `version`"),
        ("3.1.1", b"\x20\x02\x00\x02", "rejects client id 'me'; set another `client_id`"),
        ("3.1.1", b"\x20\x02\x00\x03", "not available"),
        ("3.1.1", b"\x20\x02\x00\x04", "wrong user name or password (without a user name)"),
        ("3.1.1", b"\x20\x02\x00\x05", "not authorised"),
        ("3.1.1", b"\x20\x02\x00\x2a", "refuses the connection"),
        ("5", b"\x20\x02\x00\x01", "does not speak MQTT 5; set another `version`"),
        ("5", b"\x20\x03\x00\x84\x00", "does not speak MQTT 5; set another `version`"),
        ("5", b"\x20\x03\x00\x85\x00", "rejects client id 'me'"),
        ("5", b"\x20\x03\x00\x86\x00", "wrong user name or password"),
        ("5", b"\x20\x0a\x00\x89\x07\x1f\x00\x04full", "too busy ('full')"),
        ("5", b"\x20\x03\x00\x8a\x00", "has banned client id 'me'"),
        ("5", b"\x20\x0b\x00\x9d\x08\x1c\x00\x05there", "Server moved ('there')"),
    ],
)
async def test_refusals(version: str, answer: bytes, words: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(answer)
        assert await peer.rest() == b""

    async with broker(script) as port:
        told = await why(port, version=version)
    assert told.startswith(f"MQTT broker 127.0.0.1:{port}: ")
    assert words in told


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00", b"\x20\x01\x00", b"\x30\xff\xff\xff\xff\xff"]
)
async def test_a_peer_that_speaks_something_else(answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(answer)

    async with broker(script) as port:
        told = await why(port, connect_timeout_s=5)
    assert "MQTT" in told.removeprefix("MQTT broker")


async def test_a_peer_that_does_not_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        assert await peer.rest() == b""

    async with broker(script) as port:
        assert "no answer within 0.1 s" in await why(port, connect_timeout_s=0.1)


# Subscribing


@pytest.mark.parametrize(
    ("version", "codes", "words"),
    [
        ("3.1.1", b"\x01\x80", "refuses a subscription to 'secret/b'"),
        ("3.1.1", b"\x00\x01", "grants topic 'a/#' only with QoS 0"),
        ("5", b"\x01\x87", "not authorised to subscribe to 'secret/b'"),
        ("5", b"\x9e\x01", "refuses a subscription to 'a/#'"),
    ],
)
async def test_subscriptions_that_are_not_granted(version: str, codes: bytes, words: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME[version])
        wanted = await peer.read()
        none = b"\x00" if version == "5" else b""
        how = b"\x11" if version == "5" else b"\x01"  # 5: retained messages only to a new subscription
        assert wanted[4:] == none + b"\x00\x03a/#" + how + b"\x00\x08secret/b" + how
        body = wanted[2:4] + none + codes
        peer.say(bytes([0x90, len(body)]) + body)
        await peer.rest()

    async with broker(script) as port:
        assert words in await why(port, "a/#", "secret/b", version=version)


async def test_subscription_without_an_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME["3.1.1"])
        await peer.rest()

    async with broker(script) as port:
        assert "no answer to SUBSCRIBE within 0.2 s" in await why(port, "a/#", connect_timeout_s=0.2)


# Receiving


@VERSIONS
async def test_acknowledgements_leave_together_and_only_when_told(version: str) -> None:
    none = b"\x00" if version == "5" else b""
    length = len(none) + 5
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME[version])
        peer.say(b"".join(bytes([0x32, length]) + b"\x00\x01t\x00" + bytes([n]) + none for n in range(1, 6)))
        peer.say(bytes([0x3A, length]) + b"\x00\x01t\x00\x09" + none)  # DUP
        assert await peer.some() == b"".join(b"\x40\x02\x00" + bytes([n]) for n in (1, 2, 3, 4))
        seen.set()
        assert await peer.rest() == b"\x40\x02\x00\x09" + b"\xe0\x00"

    async with broker(script) as port, connected(port, version=version, clean=True) as made:
        got = [await anext(made.inbox) for _ in range(6)]
        assert all(isinstance(each, Delivery) for each in got)
        deliveries = [each for each in got if isinstance(each, Delivery)]
        assert [each.frame.redelivered for each in deliveries] == [False] * 5 + [True]
        for each in deliveries[:4]:
            each.ack()
        await seen.wait()
        deliveries[5].ack()
    deliveries[4].ack()


@VERSIONS
async def test_a_session_with_qos_2_in_it_is_worked_off(version: str) -> None:
    """PUBREC is the acknowledgement of ownership; PUBREL is answered at once."""
    none = b"\x00" if version == "5" else b""

    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME[version])
        peer.say(bytes([0x34, 6 + len(none)]) + b"\x00\x01t\x00\x05" + none + b"X")
        assert await peer.read() == b"\x50\x02\x00\x05"
        peer.say(b"\x62\x02\x00\x05")
        assert await peer.read() == b"\x70\x02\x00\x05"

    async with broker(script) as port, connected(port, version=version, clean=True) as made:
        delivery = await anext(made.inbox)
        assert isinstance(delivery, Delivery)
        assert delivery.frame.payload == b"X"
        delivery.ack()
        with pytest.raises(NotConnected):
            await anext(made.inbox)


async def test_the_broker_decides_on_the_keep_alive() -> None:
    """MQTT 5, clause 3.2.2.3.14. The ping comes from a timer of half a second; ours would be half an hour."""

    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(b"\x20\x06\x00\x00\x03\x13\x00\x01")
        assert await peer.read() == b"\xc0\x00"
        peer.say(b"\xd0\x00")
        assert await peer.read() == b"\xc0\x00"
        await peer.rest()

    async with broker(script) as port:
        assert "silent for" in await why(port, version="5", keepalive_s=3600)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\xe0\x01\x8e", "another client has connected with client id 'me'; each needs its own"),
        (b"\xe0\x02\x8b\x00", "is shutting down"),
        (b"\xe0\x09\x98\x07\x1f\x00\x04why!", "closed the connection: Administrative action ('why!')"),
        (b"\xe0\x00", "closed the connection"),
    ],
)
async def test_dismissals_of_mqtt_5(said: bytes, words: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME["5"])
        peer.say(said)
        assert await peer.rest() == b""

    async with broker(script) as port:
        assert words in await why(port, version="5")


@pytest.mark.parametrize("said", [b"\xf0\x00", b"\x40\x01\x00", b"\x36\x05\x00\x01t\x00\x01", b"\x90\x00"])
async def test_nonsense_ends_the_connection(said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME["3.1.1"] + said)
        await peer.rest()

    async with broker(script) as port:
        assert "no MQTT 3.1.1" in await why(port)


# Publishing


async def test_publish_waits_for_its_own_acknowledgement() -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME["3.1.1"])
        one, two = await peer.read(), await peer.read()
        assert one == b"\x32\x07\x00\x01t\x00\x01" + b"ab"
        assert two == b"\x33\x06\x00\x01t\x00\x02" + b"c"
        peer.say(b"\x40\x02\x00\x02")
        assert await peer.read() == b"\x30\x06\x00\x01t" + b"now"
        peer.say(b"\x40\x02\x00\x01")
        assert await peer.rest() == b"\xe0\x00"

    async with broker(script) as port, connected(port, clean=True) as made:
        one = asyncio.create_task(made.publish("t", b"ab"), name="one")
        two = asyncio.create_task(made.publish("t", b"c", retain=True), name="two")
        await two
        assert not one.done()
        await made.publish("t", b"now", qos=0)
        await one


async def test_limits_and_refusals_of_mqtt_5() -> None:
    """Receive maximum 2 and maximum packet size 100 in CONNACK; PUBACK 0x87 not authorised, 0x10 nobody there."""

    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(b"\x20\x0b\x00\x00\x08\x21\x00\x02\x27\x00\x00\x00\x64")
        ids = [(await peer.read())[5:7] for _ in range(2)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await peer.read()
        peer.say(b"\x40\x03" + ids[0] + b"\x87" + b"\x40\x03" + ids[1] + b"\x10")
        last = (await peer.read())[5:7]
        peer.say(b"\x40\x02" + last)
        assert await peer.rest() == b"\xe0\x00"

    async with broker(script) as port, connected(port, version="5", clean=True) as made:
        with pytest.raises(PublishRefused, match="no packet above 100 bytes"):
            await made.publish("t", bytes(100))
        calls = (made.publish("t", text) for text in (b"no", b"yes", b"later"))
        refused, fine, later = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(refused, PublishRefused)
    assert "refuses a message on 't': Not authorized" in str(refused)
    assert fine is False  # nobody subscribes, as the broker says
    assert later is True


async def test_a_cancelled_publish_keeps_its_place_until_it_is_answered() -> None:
    async def script(peer: Peer) -> None:
        await peer.read()
        peer.say(WELCOME["3.1.1"])
        assert await peer.read() == b"\x32\x06\x00\x01t\x00\x011"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await peer.read()
        peer.say(b"\x40\x02\x00\x01")
        assert await peer.read() == b"\x32\x06\x00\x01t\x00\x022"
        peer.say(b"\x40\x02\x00\x02")
        await peer.rest()

    async with broker(script) as port, connected(port, clean=True, window=1) as made:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await made.publish("t", b"1")
        await made.publish("t", b"2")


def test_options_tell_no_password() -> None:
    secret = "pass" + "word1"
    assert secret not in repr(Options(host="h", user="u", password=lambda: secret))
