"""A barcode reader and a tester on serial lines and over TCP, with a gateway that listens; and what can go wrong there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import serial

from gateway.transport.serial_port import SerialPort
from simulators.faces.modbus_line import FaceError
from simulators.faces.text import TextFace, serve
from simulators.faces.text_faults import Fault, Trouble
from simulators.faces.text_line import Listen
from simulators.model.facts import AnyFact, Scanned
from simulators.player import Machine
from simulators.reconcile.compare import Comparison
from simulators.voices.layout import Layout
from simulators.voices.text_reader import TextReader
from simulators.voices.text_report import TextReport
from tests.build import Bench, until
from tests.integration.simulators.gateways import play, reconciled, running, told_of
from tests.unit.simulators.followed import PROFILES
from tests.unit.simulators.test_text_voice import reports

BERLIN = ZoneInfo("Europe/Berlin")
LINE = """
[[line]]
name = "L1"
[[line.station]]
name = "scan"
profile = "barcode_reader/example-serial"
source = { protocol = "serial-text", port = "SCAN" }
[[station]]
name = "probe2"
profile = "electrical_test/example-flying-probe"
source = { protocol = "serial-text", port = "PROBE" }
"""
OVER_TCP = """
[[line]]
name = "L1"
[[line.station]]
name = "scan"
profile = "barcode_reader/example-stx-etx"
source = { protocol = "tcp-text", host = "127.0.0.1", port = PORT }
"""


def scans(count: int, *, every: float = 10.0) -> list[AnyFact]:
    reads = [None if number % 5 == 0 else f"PNL-{number}" for number in range(1, count + 1)]
    return [
        Scanned(at=every * number, station="L1.scan", panel=f"p{number}", lane=1, read=read)
        for number, read in enumerate(reads, 1)
    ]


class Line:
    def __init__(self, reader: TextFace, probe: TextFace, machines: list[Machine], behind: Bench) -> None:
        self.reader = reader
        self.probe = probe
        self.machines = machines
        self.behind = behind


@asynccontextmanager
async def line(folder: Path) -> AsyncIterator[Line]:
    ports = folder / "reader.tty", folder / "probe.tty"
    layouts = Layout.load("barcode_reader/example-serial", [PROFILES]), Layout.load("electrical_test/example-flying-probe", [PROFILES])  # fmt: skip
    async with AsyncExitStack() as stack:
        reader, probe = [await stack.enter_async_context(serve(SerialPort(port=str(port)))) for port in ports]
        text = LINE.replace("SCAN", str(ports[0])).replace("PROBE", str(ports[1]))
        behind, _ = await stack.enter_async_context(running(folder, text))
        await until(lambda: reader.line.listeners and probe.line.listeners)
        machines = [
            Machine(TextReader("L1.scan", layouts[0], zone=BERLIN), reader),
            Machine(TextReport("probe2", layouts[1], zone=BERLIN), probe),
        ]
        yield Line(reader, probe, machines, behind)


def kinds(found: Comparison, station: str) -> dict[str, int]:
    return {kind.value: number for kind, number in found.stations[station].counts.items()}


async def test_codes_and_reports_over_serial_lines(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        facts = sorted([*scans(40), *reports()], key=lambda fact: fact.at)
        ledger = await play(tmp_path, here.machines, facts, speed=200.0)
        found = await reconciled(here.behind, ledger)
        assert here.behind.counter("quarantined") == 0
    assert found.findings == []
    assert found.stations["L1.scan"].told.total() == 40
    assert found.stations["probe2"].told.total() == 12


async def test_codes_over_tcp(tmp_path: Path) -> None:
    layout = Layout.load("barcode_reader/example-stx-etx", [PROFILES])
    async with serve(Listen()) as face:
        assert face.address is not None
        async with running(tmp_path, OVER_TCP.replace("PORT", str(face.address[1]))) as (behind, _):
            await until(lambda: face.line.listeners)
            machine = Machine(TextReader("L1.scan", layout, zone=BERLIN), face)
            ledger = await play(tmp_path, [machine], scans(50), speed=1000.0)
            found = await reconciled(behind, ledger)
    assert found.findings == []


async def test_reports_that_come_slowly_and_in_two_halves(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        await here.probe.begin(Fault(trouble=Trouble.HALVES, times=1, seconds=0.3))
        await here.reader.begin(Fault(trouble=Trouble.SLOW, rate=400.0))
        facts = sorted([*scans(20), *reports()], key=lambda fact: fact.at)
        ledger = await play(tmp_path, here.machines, facts, speed=400.0)
        found = await reconciled(here.behind, ledger)
    assert found.findings == []


async def test_what_is_spoilt_is_not_made_up(tmp_path: Path) -> None:
    """Garbage and half a text end in quarantine; what comes twice is there twice, as nobody can tell."""
    async with line(tmp_path) as here:
        await here.reader.begin(Fault(trouble=Trouble.DUPLICATE, times=2))
        first = await play(tmp_path, here.machines, scans(10), speed=500.0)
        await here.reader.quiet()
        twice = await reconciled(here.behind, first)
        assert kinds(twice, "L1.scan") == {"duplicated": 2}
    (tmp_path / "other").mkdir()
    async with line(tmp_path / "other") as here:
        await here.reader.begin(Fault(trouble=Trouble.GARBAGE, times=1, data=b"?\x00?"))
        await here.reader.begin(Fault(trouble=Trouble.NOISE, times=3, data=b"\x02half"))
        await here.probe.begin(Fault(trouble=Trouble.TRUNCATE, times=1))
        facts = sorted([*scans(10), *reports()], key=lambda fact: fact.at)
        ledger = await play(tmp_path / "other", here.machines, facts, speed=500.0)
        found = await reconciled(here.behind, ledger, within_s=1.0)
        assert here.behind.counter("quarantined") >= 3
    assert kinds(found, "L1.scan") == {"lost": 1}
    assert kinds(found, "probe2") == {"lost": 3}


async def test_a_plug_that_is_pulled(tmp_path: Path) -> None:
    """What is said then is lost, and a gap says so. The port comes back under its name."""
    async with line(tmp_path) as here:
        async with here.reader.fault(Fault(trouble=Trouble.UNPLUG)):
            assert not (tmp_path / "reader.tty").exists()
            assert here.reader.line.listeners == 0
            ledger = await play(tmp_path, here.machines, scans(5), speed=200.0)
            await here.reader.quiet()
        found = await reconciled(here.behind, ledger, within_s=0.5)
        assert kinds(found, "L1.scan") == {"explained": 5}
        await until(lambda: here.reader.line.listeners)
        here.reader.say(b"\x02PNL-99\x03")
        async with asyncio.timeout(5):
            while await told_of(here.behind, "L1.scan") != ["IdentifiersRead"]:
                await asyncio.sleep(0.02)


# -- the face alone


def opened(path: Path) -> serial.Serial:
    return serial.Serial(str(path), timeout=0)


async def heard(port: serial.Serial, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        while len(data) < count:
            data += port.read(4096)
            await asyncio.sleep(0.005)
    return data


async def test_nobody_hears_what_is_said_while_the_port_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "port"
    async with serve(SerialPort(port=str(path))) as face:
        face.say(b"never ")
        await face.quiet()
        with opened(path) as port:
            assert face.line.listeners == 1
            face.say(b"first ")
            assert await heard(port, 6) == b"first "
        assert face.line.listeners == 0
        face.say(b"gone ")
        await face.quiet()
        with opened(path) as port:
            face.say(b"second ")
            assert await heard(port, 7) == b"second "
    assert not os.path.lexists(path)


async def test_a_long_report_waits_for_a_slow_reader(tmp_path: Path) -> None:
    path, text = tmp_path / "port", os.urandom(60_000)
    async with serve(SerialPort(port=str(path))) as face:
        with opened(path) as port:
            face.say(text)
            assert await heard(port, len(text)) == text


@pytest.mark.parametrize(
    ("faults", "sent"),
    [
        ([Fault(trouble=Trouble.LOSE, times=1)], b"two\nthree\n"),
        ([Fault(trouble=Trouble.TRUNCATE, times=1)], b"ontwo\nthree\n"),
        ([Fault(trouble=Trouble.DUPLICATE, times=1)], b"one\none\ntwo\nthree\n"),
        ([Fault(trouble=Trouble.REORDER, times=1)], b"two\none\nthree\n"),
        ([Fault(trouble=Trouble.GARBAGE, times=1, data=b"#")], b"#two\nthree\n"),
        ([Fault(trouble=Trouble.NOISE, times=2, data=b"#")], b"#one\n#two\nthree\n"),
        ([Fault(trouble=Trouble.LATE, times=1, seconds=0.1)], b"one\ntwo\nthree\n"),
        ([Fault(trouble=Trouble.HALVES, times=1, seconds=0.05)], b"one\ntwo\nthree\n"),
        ([Fault(trouble=Trouble.SLOW, rate=500.0)], b"one\ntwo\nthree\n"),
        (
            [Fault(trouble=Trouble.SLOW, times=1, rate=100.0), Fault(trouble=Trouble.NOISE, times=1, data=b"#")],
            b"#one\ntwo\nthree\n",
        ),
    ],
)
async def test_each_trouble_on_the_wire(tmp_path: Path, faults: Sequence[Fault], sent: bytes) -> None:
    path = tmp_path / "port"
    async with serve(SerialPort(port=str(path))) as face:
        with opened(path) as port:
            for fault in faults:
                await face.begin(fault)
            loop = asyncio.get_running_loop()
            began = loop.time()
            for text in (b"one\n", b"two\n", b"three\n"):
                face.say(text)
            assert await heard(port, len(sent)) == sent
            took = loop.time() - began
    slow = {Trouble.LATE: 0.1, Trouble.HALVES: 0.05, Trouble.SLOW: 0.02}
    assert took >= slow.get(faults[0].trouble, 0.0)


async def test_what_was_held_back_comes_when_nothing_follows(tmp_path: Path) -> None:
    path = tmp_path / "port"
    async with serve(SerialPort(port=str(path))) as face:
        with opened(path) as port:
            async with face.fault(Fault(trouble=Trouble.REORDER)):
                face.say(b"one\n")
                await face.quiet()
                assert port.read(10) == b""
            assert await heard(port, 4) == b"one\n"
            async with face.fault(Fault(trouble=Trouble.STALL)):
                face.say(b"two\n")
                await asyncio.sleep(0)
                assert port.read(10) == b""
            assert await heard(port, 4) == b"two\n"


async def test_connections_are_refused_and_cut(tmp_path: Path) -> None:
    async with serve(Listen()) as face:
        assert face.address is not None
        reader, writer = await asyncio.open_connection(*face.address)
        await until(lambda: face.line.listeners)
        async with face.fault(Fault(trouble=Trouble.REFUSE)):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*face.address)
            face.say(b"one\n")
            assert await reader.readexactly(4) == b"one\n"
        async with face.fault(Fault(trouble=Trouble.DROP, times=1)):
            face.say(b"two\n")
            async with asyncio.timeout(5):
                with suppress(ConnectionResetError):
                    assert await reader.read() in (b"", b"tw")
        writer.close()
        reader, writer = await asyncio.open_connection(*face.address)
        await until(lambda: face.line.listeners)
        face.say(b"three\n")
        assert await reader.readexactly(6) == b"three\n"
        writer.close()


async def test_places_that_cannot_be_had(tmp_path: Path) -> None:
    async with serve(Listen()) as face:
        assert face.address is not None
        with pytest.raises(FaceError, match="address already in use"):
            async with serve(Listen(port=face.address[1])):
                pass
    with pytest.raises(FaceError, match="cannot open"):
        async with serve(SerialPort(port=str(tmp_path / "nowhere" / "port"))):
            pass
    async with serve(SerialPort(port=str(tmp_path / "port"))) as face:
        with pytest.raises(ValueError, match=r"refuse cannot happen on .*; allowed: unplug"):
            await face.begin(Fault(trouble=Trouble.REFUSE))
