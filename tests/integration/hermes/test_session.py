"""What is said on the vertical channel, from the first byte to the last, with machines made of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from gateway.core.errors import DecodeError, NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.core.observation import Record
from gateway.transport.hermes_session import Description, Options, session
from tests.build import until
from tests.integration.hermes.peers import (
    ARRIVED,
    DEPARTED,
    LEAVING,
    LIBRARY,
    OCCUPIED,
    PING,
    PLC,
    Peer,
    adapter,
    listening,
    saying,
)

Items = AsyncIterator[Delivery | Notice]


async def take(items: Items) -> Delivery:
    async with asyncio.timeout(5):
        item = await anext(items)
    assert isinstance(item, Delivery)
    return item


async def lost(items: Items) -> str:
    async with asyncio.timeout(15):
        try:
            async for _ in items:
                pass
        except NotConnected as error:
            return str(error)
    pytest.fail("it ended without a word")


async def refused(port: int, **more: object) -> str:
    with pytest.raises(NotConnected) as caught:
        async with asyncio.timeout(5), adapter(port, **more).connect():
            pytest.fail("connected")
    return str(caught.value)


async def test_we_speak_first_and_declare_nothing_that_could_stop_a_line() -> None:
    async with listening(saying()) as machine:
        async with adapter(machine.port).connect():
            pass
        (peer,) = machine.peers
        await until(lambda: machine.ended)
    described, goodbye = peer.heard
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", described.attrib["Timestamp"])
    (content,) = described
    assert content.tag == "SupervisoryServiceDescription"
    assert content.attrib == {"SystemId": "lineside-line1-pc", "Version": "1.5"}
    (features,) = content
    assert features.tag == "SupportedFeatures"
    assert sorted(each.tag for each in features) == ["FeatureBoardTracking", "FeatureCheckAliveResponse"]
    (content,) = goodbye
    assert content.tag == "Notification"
    assert (content.attrib["NotificationCode"], content.attrib["Severity"]) == ("5", "4")


@pytest.mark.parametrize("description", [LIBRARY, PLC], ids=["library", "plc"])
async def test_boards(description: bytes) -> None:
    async with listening(saying(ARRIVED, DEPARTED, after=description)) as machine:
        made = adapter(machine.port)
        async with made.connect() as items:
            deliveries = [await take(items) for _ in range(2)]
    assert [each.frame.payload for each in deliveries] == [ARRIVED.strip(), DEPARTED]
    assert {(each.frame.connection, each.frame.channel, each.acknowledged) for each in deliveries} == {
        ("printer", "L1.printer", False)
    }
    records = [record for each in deliveries for record in made.decode(each.frame)]
    assert [each.name for each in records if isinstance(each, Record)] == ["unit.arrived", "unit.departed"]


async def test_boards_byte_by_byte_and_before_the_description() -> None:
    async def play(peer: Peer) -> None:
        await peer.hear()
        for byte in ARRIVED + LIBRARY + DEPARTED:
            peer.say(bytes((byte,)))
            await peer.drain()

    async with listening(play) as machine, adapter(machine.port).connect() as items:
        assert (await take(items)).frame.payload == ARRIVED.strip()
        assert (await take(items)).frame.payload == DEPARTED


async def test_a_machine_that_asks_is_answered_with_its_id() -> None:
    async def play(peer: Peer) -> None:
        await peer.hear()
        peer.say(LIBRARY, PING, PING.replace(b'"17"', b'"&lt;x&gt;"'), PING.replace(b' Type="1" Id="17"', b""))
        for id_ in ("17", "<x>"):
            answer = await peer.hear_until("CheckAlive")
            assert answer.attrib == {"Type": "2", "Id": id_}
        peer.say(ARRIVED)

    async with listening(play) as machine, adapter(machine.port).connect() as items:
        assert (await take(items)).frame.payload == ARRIVED.strip()


async def test_we_ask_only_a_machine_that_answers() -> None:
    async def asked(description: bytes) -> dict[str, str]:
        heard: list[dict[str, str]] = []

        async def play(peer: Peer) -> None:
            await peer.hear()
            peer.say(description)
            heard.append((await peer.hear_until("CheckAlive")).attrib)

        async with listening(play) as machine, adapter(machine.port, alive_s=0.05).connect():
            await until(lambda: heard)
        return heard[0]

    assert await asked(LIBRARY) == {"Type": "1", "Id": "1"}
    assert await asked(PLC) == {}


async def test_a_machine_that_declares_to_answer_and_does_not_is_given_up() -> None:
    async with (
        listening(saying()) as machine,
        adapter(machine.port, alive_s=0.1, answer_timeout_s=0.1).connect() as items,
    ):
        assert "did not answer CheckAlive within 0.1 s" in await lost(items)


async def test_a_machine_that_never_answers_is_not() -> None:
    async with (
        listening(saying(after=PLC)) as machine,
        adapter(machine.port, alive_s=0.02, answer_timeout_s=0.02).connect() as items,
    ):
        await until(lambda: len(machine.peers[0].heard) > 10)
        machine.peers[0].say(ARRIVED)
        assert (await take(items)).frame.payload == ARRIVED.strip()


async def test_whatever_a_machine_says_is_a_sign_of_life() -> None:
    """It declares to answer, and only tells of boards."""

    async def play(peer: Peer) -> None:
        await peer.hear()
        peer.say(LIBRARY)
        for _ in range(12):
            await peer.hear_until("CheckAlive")
            peer.say(DEPARTED)
        peer.close()

    async with (
        listening(play) as machine,
        adapter(machine.port, alive_s=0.05, answer_timeout_s=0.2).connect() as items,
    ):
        assert "closed the connection" in await lost(items)


@pytest.mark.parametrize(
    "features",
    [
        b"<SupportedFeatures/>",
        b"<SupportedFeatures><FeatureConfiguration/><FeatureCheckAliveResponse/></SupportedFeatures>",
        b"",
    ],
)
async def test_a_machine_that_does_not_track_boards_is_not_connected(features: bytes) -> None:
    described = re.sub(rb"<SupportedFeatures>.*</SupportedFeatures>", features, LIBRARY, flags=re.DOTALL)
    async with listening(saying(after=described)) as machine:
        assert "'Printer-1' does not declare FeatureBoardTracking" in await refused(machine.port)
        await until(lambda: machine.ended)


async def test_a_machine_whose_only_place_is_taken() -> None:
    async def play(peer: Peer) -> None:
        await peer.hear()
        peer.say(OCCUPIED)
        peer.close()

    async with listening(play) as machine:
        reason = await refused(machine.port)
    assert "the machine closed the connection; it said: notification 2" in reason
    assert "There is a supervisory system already" in reason


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"<Hermes>", PING, b"\x00" * 100_000])
async def test_whoever_does_not_describe_itself_is_given_up(said: bytes) -> None:
    async with listening(saying(after=said)) as machine:
        reason = await refused(machine.port, handshake_timeout_s=0.2)
        assert "no SupervisoryServiceDescription within 0.2 s; is this the port for supervisory systems?" in reason
        await until(lambda: machine.ended)


async def test_nobody_there() -> None:
    async with listening(saying()) as machine:
        port = machine.port
    assert "cannot connect: connection refused" in await refused(port)


async def test_a_machine_that_says_goodbye_and_one_that_does_not() -> None:
    async def goodbye(peer: Peer) -> None:
        await saying(ARRIVED, LEAVING)(peer)
        peer.close()

    async def none(peer: Peer) -> None:
        await saying(ARRIVED)(peer)
        await peer.drain()
        peer.abort()

    async with listening(goodbye) as machine, adapter(machine.port).connect() as items:
        assert (await take(items)).frame.payload == ARRIVED.strip()
        notice = await take(items)
        assert list(adapter(1).decode(notice.frame)) == []
        assert "it said: notification 5 (shutting down) 'shutting down'" in await lost(items)
    async with listening(none) as machine, adapter(machine.port).connect() as items:
        assert "it said" not in await lost(items)


async def test_bad_input_stops_nothing() -> None:
    """Each is shown to whoever looks into quarantine, and the board behind it is read."""
    broken = ARRIVED[: len(ARRIVED) // 2]
    bomb = b'<!DOCTYPE Hermes [<!ENTITY a "' + b"x" * 1_000 + b'">]>' + ARRIVED.replace(b"SN0001", b"&a;&a;&a;")
    huge = ARRIVED.replace(b"P-100", b"P" * 1_000_000)
    nameless = re.sub(rb' (BoardId|TopBarcode)="[^"]*"', b"", ARRIVED)
    bad = (broken, bomb, huge, nameless, ARRIVED.replace(b"SN0001", b"\xff\xfe"), ARRIVED.replace(b"/>", b">", 1))
    reasons = []
    boards = 0

    async def play(peer: Peer) -> None:
        await peer.hear()
        peer.say(LIBRARY)
        for each in bad:
            peer.say(each, DEPARTED)
        peer.say(LEAVING)

    async with listening(play) as machine:
        made = adapter(machine.port, buffer_bytes="8MB")
        async with made.connect() as items:
            while b"Notification" not in (delivery := await take(items)).frame.payload:
                assert len(delivery.frame.payload) <= 65_536
                try:
                    boards += len(made.decode(delivery.frame))
                except DecodeError as error:
                    reasons.append(error.reason)
    assert boards == len(bad)
    assert reasons == ["bad-xml", "bad-xml", "too-large", "no-board", "bad-xml", "bad-xml"]


async def test_a_second_description_changes_nothing() -> None:
    options = Options(host="127.0.0.1", port=0, system_id="mes")
    async with listening(saying(PLC, ARRIVED)) as machine:
        options = msgspec.structs.replace(options, port=machine.port)
        async with session(options, name="printer", channel="L1.printer") as opened:
            assert (await take(opened.inbox)).frame.payload == ARRIVED.strip()
            assert opened.machine == Description(
                "Printer-1",
                "1.5",
                frozenset(("FeatureConfiguration", "FeatureCheckAliveResponse", "FeatureBoardTracking")),
            )


async def test_a_machine_that_asks_and_never_reads_is_given_up() -> None:
    async def play(peer: Peer) -> None:
        await peer.hear()
        peer.say(LIBRARY)
        with contextlib.suppress(ConnectionError):
            while True:
                peer.say(*[PING] * 1_000)
                await peer.drain()

    async with listening(play) as machine, adapter(machine.port).connect() as items:
        assert "does not read what we answer" in await lost(items)


async def test_what_finds_no_room_is_counted() -> None:
    async with (
        listening(saying(*[ARRIVED] * 1_000, LEAVING)) as machine,
        adapter(machine.port, buffer_bytes=65_536).connect() as items,
    ):
        await until(lambda: items.held > 65_536)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        got = missing = 0
        async with asyncio.timeout(5):
            while got + missing < 1_001:
                item = await anext(items)
                if isinstance(item, Delivery):
                    got += 1
                else:
                    assert item.kind is NoticeKind.OVERFLOW
                    missing += item.count
    assert 0 < got < 200
