"""A line that is cut in its middle: because we leave, or because the plug is pulled. Neither half is ever read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.text import TextAdapter
from adapters.text_settings import SerialTextConnection, TcpTextConnection
from gateway.core.errors import NotConnected
from gateway.core.frame import POSITION, POSITION_OF, Delivery
from gateway.core.observation import Lines
from gateway.profile.bound import Machine
from tests.build import Bench, bench, until
from tests.contract.rigs.serial_text import _Line as PseudoTerminal
from tests.contract.rigs.text import STATION, Talk, profile
from tests.integration.text.test_socat import STATION as PROBE
from tests.integration.text.test_socat import cable, probing, report, socat, units_tested, write
from tests.integration.text.test_streams import HOST, Peer, peer, read, taken

__all__ = ["socat"]

CUT = {"problem": "cut-short", POSITION_OF: STATION, POSITION: "1 cut"}
REST = {"problem": "cut-short", POSITION_OF: STATION, POSITION: ""}
STORED = {STATION: b"1 cut"}


def adapter(folder: Path, positions: Mapping[str, bytes] | None = None, **settings: Any) -> TextAdapter:
    machine = Machine(station=STATION, bound=profile(folder, "tcp-text"))
    made = TcpTextConnection(**{"protocol": "tcp-text", "name": "tester", **settings})
    return TextAdapter(made, [machine], positions)


def told(deliveries: Sequence[Delivery]) -> list[tuple[bytes, Mapping[str, str | int]]]:
    return [(each.frame.payload, each.frame.meta) for each in deliveries]


async def cut_short(behind: Bench) -> list[bytes]:
    """Whatever is in quarantine for that reason."""
    found = [
        await behind.reader.quarantine_raw(each.id)
        for each in await behind.reader.quarantined()
        if each.reason == "cut-short"
    ]
    return [each for each in found if each is not None]


async def said(machine: Peer, text: bytes) -> None:
    """By the one connection that it has."""
    await until(lambda: machine.callers)
    machine.callers[-1].write(text)


@pytest.mark.parametrize("held", [b"XR21 28", b" "])
async def test_we_leave_in_the_middle_of_a_line(tmp_path: Path, held: bytes) -> None:
    async with peer() as machine:
        made = adapter(tmp_path, host=HOST, port=machine.port)
        async with made.connect() as items:
            await said(machine, b"READY\n" + held)
            await taken(items, 1)
        assert told(made.left()) == [(held, CUT)]
        assert made.left() == []
        machine.callers.clear()
        async with made.connect() as items:  # the same process again
            await said(machine, b",52 PASS\nREADY\n")
            rest, whole = await taken(items, 2)
            assert isinstance(rest, Delivery)
            assert told([rest]) == [(b",52 PASS\n", REST)]
            assert (read(made, rest), read(made, whole)) == (["!cut-short"], ["READY"])
        assert made.left() == []


async def test_we_leave_between_two_lines(tmp_path: Path) -> None:
    async with peer() as machine:
        made = adapter(tmp_path, host=HOST, port=machine.port)
        async with made.connect() as items:
            await said(machine, b"READY\n")
            await taken(items, 1)
        assert made.left() == []


async def test_a_machine_that_stops_in_the_middle_of_its_answer(tmp_path: Path) -> None:
    """We leave it then, and its answer may go on when it is asked again."""
    async with peer() as machine:
        bound = profile(tmp_path, "tcp-text", frame='ask = "?\\n"\nevery = "50ms"')
        settings = TcpTextConnection(
            protocol="tcp-text", name="tester", host=HOST, port=machine.port, answer_timeout_s=0.1
        )
        made = TextAdapter(settings, [Machine(station=STATION, bound=bound)])
        machine.answer = b"REA"
        with pytest.raises(NotConnected, match="no answer"):
            async with asyncio.timeout(5), made.connect():
                pass
        assert told(made.left()) == [(b"REA", CUT)]


async def test_the_machine_leaves_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """Its next connection begins with a new line."""
    async with peer() as machine:
        made = adapter(tmp_path, host=HOST, port=machine.port)
        async with made.connect() as items:
            await said(machine, b"XR21 28")
            machine.hang_up()
            (cut,) = await taken(items, 1)
            assert isinstance(cut, Delivery)
            assert cut.frame.meta == {"problem": "cut-short"}
        machine.callers.clear()
        async with made.connect() as items:
            await said(machine, b"READY\n")
            (whole,) = await taken(items, 1)
            assert read(made, whole) == ["READY"]


async def test_a_machine_that_connects_to_us(tmp_path: Path) -> None:
    """The rest of its line comes over its first connection, or over the second where the first brought no end."""
    made = adapter(tmp_path, listen=f"{HOST}:0")
    async with made.connect() as items:
        _, writer = await asyncio.open_connection(HOST, made.port)
        writer.write(b"READY\nXR21 28")
        await taken(items, 2)
        writer.close()
        cut, _ = await taken(items, 2)
        assert isinstance(cut, Delivery)
        assert told([cut]) == [(b"XR21 28", {"problem": "cut-short"})]
        _, writer = await asyncio.open_connection(HOST, made.port)
        writer.write(b"READY\nXR21 2")
        _, whole = await taken(items, 2)
        assert read(made, whole) == ["READY"]
    writer.close()
    assert told(made.left()) == [(b"XR21 2", CUT)]
    again = adapter(tmp_path, STORED, listen=f"{HOST}:0")
    async with again.connect() as items:
        for text, found in ((b"8,5", (b"8,5", CUT | {POSITION: "2 cut"})), (b"2 PASS\n", (b"2 PASS\n", REST))):
            _, writer = await asyncio.open_connection(HOST, again.port)
            writer.write(text)
            writer.write_eof()
            up, rest, down = await taken(items, 3)
            assert isinstance(rest, Delivery)
            assert told([rest]) == [found]
            assert not isinstance(up, Delivery)
            assert not isinstance(down, Delivery)
            writer.close()


async def test_what_was_left_is_known_after_a_restart(tmp_path: Path) -> None:
    """Over a real journal: both parts in quarantine, and nothing is remembered once the rest has come."""
    talk = Talk(profile(tmp_path, "tcp-text"))
    async with peer() as machine:
        settings: dict[str, Any] = {"host": HOST, "port": machine.port}
        async with bench(tmp_path, stations=talk.stations("tester")) as behind:
            made = adapter(tmp_path, **settings)
            line = behind.ingest.line("tester")
            async with made.connect() as items:
                await said(machine, b"BEGIN PNL-1\nXR1 9,9")
                for each in await taken(items, 1):
                    assert isinstance(each, Delivery)
                    assert await behind.ingest.offer(made, line, each)
            for each in made.left():
                assert await behind.ingest.offer(made, line, each)
        machine.callers.clear()
        async with bench(tmp_path, stations=talk.stations("tester")) as behind:
            assert behind.writer.positions("tester") == STORED
            made = adapter(tmp_path, behind.writer.positions("tester"), **settings)
            line = behind.ingest.line("tester")
            async with made.connect() as items:
                await said(machine, b"8 PASS\nR2 47,1 FAIL\n")
                for each in await taken(items, 2):
                    assert isinstance(each, Delivery)
                    assert await behind.ingest.offer(made, line, each)
            assert made.left() == []
            await behind.settled()
            text = behind.ingest.stepper.known(STATION).text
            assert (b"47,1" in text, b"9,9" in text, b"8 PASS" in text) == (True, False, False)
            assert sorted(await cut_short(behind)) == [b"8 PASS\n", b"XR1 9,9"]
            assert behind.counter("quarantined") == 1
        async with bench(tmp_path, stations=talk.stations("tester")) as behind:
            assert behind.writer.positions("tester") == {}


async def test_an_unknown_position_is_none(tmp_path: Path) -> None:
    """Of a later version, or of a connection that had another station."""
    async with peer() as machine:
        for positions in ({STATION: b"x"}, {STATION: b"3 other"}, {"L1.other": b"1 cut"}):
            machine.callers.clear()
            made = adapter(tmp_path, positions, host=HOST, port=machine.port)
            async with made.connect() as items:
                await said(machine, b"READY\n")
                (whole,) = await taken(items, 1)
                assert read(made, whole) == ["READY"]


async def test_a_line_that_is_too_long_is_cut(tmp_path: Path) -> None:
    """Its beginning is told; that its rest is one is remembered by a frame of which nothing comes."""
    async with peer() as machine:
        made = adapter(tmp_path, host=HOST, port=machine.port, most_frame_bytes=100)
        async with made.connect() as items:
            await said(machine, b"x" * 500)
            assert [read(made, each) for each in await taken(items, 1)] == [["!too-long"]]
        (left,) = made.left()
        assert told([left]) == [(b"", CUT)]
        assert made.decode(left.frame) == ()


async def test_a_serial_line_lasts_when_its_port_is_gone(tmp_path: Path) -> None:
    """The machine does not know that its plug was pulled."""
    line = PseudoTerminal(tmp_path / "port")
    line.plug()
    settings = SerialTextConnection(protocol="serial-text", name="tester", port=str(line.link))
    made = TextAdapter(settings, [Machine(station=STATION, bound=profile(tmp_path, "serial-text"))])
    try:
        async with made.connect() as items:
            await line.say(b"READY\nXR21 28")
            found = await taken(items, 1)
            assert isinstance(found[0], Delivery)
            assert found[0].frame.payload == b"READY\n"
            line.unplug()
            (cut,) = await taken(items, 1)
            assert isinstance(cut, Delivery)
            assert told([cut]) == [(b"XR21 28", CUT)]
        line.plug()
        async with made.connect() as items:
            await line.say(b",52 PASS\nREADY\n")
            rest, whole = await taken(items, 2)
            assert isinstance(rest, Delivery)
            assert told([rest]) == [(b",52 PASS\n", REST)]
            assert isinstance(whole, Delivery)
            assert made.decode(whole.frame) == (Lines(STATION, ("READY", "")),)
    finally:
        line.unplug()


async def test_a_plug_that_is_pulled_in_the_middle_of_a_line(socat: str, tmp_path: Path) -> None:
    """The whole gateway: both halves are in quarantine beside the report that was open, and the next report is read."""
    lines = report()
    by_id, theirs = tmp_path / "usb-FTDI_FT1234-if00-port0", tmp_path / "machine"
    async with AsyncExitStack() as plugged:
        await plugged.enter_async_context(cable(socat, by_id, theirs))
        async with probing(tmp_path, by_id) as behind:
            await write(theirs, "".join(lines[:8]) + "XR21 28")
            await until(lambda: b"SN00045602" in behind.ingest.stepper.known(PROBE).text)
            await plugged.aclose()
            await until(lambda: behind.counter("quarantined") == 2)
            async with cable(socat, by_id, theirs):
                await until(lambda: behind.counter("connects") == 2)
                await write(theirs, ",52 kOhm PASS\n" + "".join(lines) + "\n")
                async with asyncio.timeout(10):
                    while not await units_tested(behind):
                        await asyncio.sleep(0.02)
            assert sorted(await cut_short(behind)) == [b",52 kOhm PASS\n", b"XR21 28"]
            assert behind.counter("quarantined") == 3
            assert len(await units_tested(behind)) == 1
