"""A flying probe tester on a serial line made by socat, written to by another process: unplugged, plugged in again."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.text import TextAdapter
from adapters.text_settings import SerialTextConnection
from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.event import Event
from gateway.ingest.stations import Route, Station, Stations
from gateway.profile.bind import bind
from gateway.profile.bound import Machine
from gateway.profile.load import load
from gateway.supervisor.supervisor import Supervisor
from tests.build import Bench, bench, until
from tests.conftest import ROOT
from tests.contract.host import QUICK, everything

STATION = "L1.probe"


@pytest.fixture
def socat() -> str:
    found = shutil.which("socat")
    if found is None:
        pytest.skip("socat is not installed")
    return found


@asynccontextmanager
async def cable(socat: str, ours: Path, theirs: Path) -> AsyncIterator[None]:
    """Two serial ports that are joined, by these names; unplugged at the end."""
    ends = [f"pty,raw,echo=0,link={end}" for end in (ours, theirs)]
    process = await asyncio.create_subprocess_exec(socat, *ends)
    try:
        await until(lambda: ours.exists() and theirs.exists())
        yield
    finally:
        process.terminate()
        await process.wait()
        await until(lambda: not ours.exists())


async def write(port: Path, text: str) -> None:
    """By another process, as a machine would."""
    process = await asyncio.create_subprocess_exec("tee", str(port), stdin=-1, stdout=-3)
    await process.communicate(text.encode("latin-1"))
    assert process.returncode == 0


@asynccontextmanager
async def probing(folder: Path, port: Path) -> AsyncIterator[Bench]:
    """The gateway, with the packaged profile of such a tester."""
    loaded = load("electrical_test/example-flying-probe", [ROOT / "config/profiles"])
    class_ = CLASSES["electrical_test"]
    bound = bind(loaded.profile, class_.vocabulary, loaded.name, written=loaded.written)
    station = Station(
        id=STATION,
        line="L1",
        name="probe",
        machine_class=class_.name,
        zone=ZoneInfo("Europe/Berlin"),
        setup=set_up(STATION, class_, bound),
    )
    settings = SerialTextConnection(protocol="serial-text", name="probe", port=str(port), baudrate=19_200)
    adapter = TextAdapter(settings, [Machine(station=STATION, bound=bound)])
    stations = Stations([station], [Route(connection="probe", station=station)], zone=ZoneInfo("UTC"))
    async with bench(folder, stations=stations) as behind:
        supervisor = Supervisor(
            [adapter], behind.ingest, behind.telemetry, QUICK, marks=behind.writer.marks(), draw=lambda: 1.0
        )
        behind.ingest.on_heard = supervisor.heard
        running = asyncio.create_task(supervisor.run(), name="supervisor")
        try:
            await until(lambda: supervisor.links["probe"].state != "down")
            yield behind
            await behind.ingest.drain(5)
        finally:
            running.cancel()
            await asyncio.wait({running})


def report() -> list[str]:
    text = load("electrical_test/example-flying-probe", [ROOT / "config/profiles"]).profile.record[0].example.text  # type: ignore[union-attr]
    return text.strip().splitlines(keepends=True)


async def units_tested(behind: Bench) -> list[Event]:
    return [event for event in await everything(behind) if event.message.endswith(".UnitsTested")]


async def test_a_report_cut_in_half_by_a_restart_and_one_by_a_pulled_plug(socat: str, tmp_path: Path) -> None:
    """The gateway may be away for a moment; a plug that was pulled may be another machine's when it is back."""
    lines = report()
    by_id, theirs = tmp_path / "usb-FTDI_FT1234-if00-port0", tmp_path / "machine"
    async with AsyncExitStack() as plugged:
        await plugged.enter_async_context(cable(socat, by_id, theirs))
        async with probing(tmp_path, by_id) as behind:
            await write(theirs, "".join(lines[:5]))
            await until(lambda: b"R21" in behind.ingest.stepper.known(STATION).text)
        async with probing(tmp_path, by_id) as behind:
            await write(theirs, "".join(lines[5:]) + "\n")
            async with asyncio.timeout(10):
                while not await units_tested(behind):
                    await asyncio.sleep(0.02)
            (event,) = await units_tested(behind)
            assert behind.counter("quarantined") == 0
            await write(theirs, "".join(lines[:9]))
            await until(lambda: b"28,52" in behind.ingest.stepper.known(STATION).text)
            await plugged.aclose()
            await until(lambda: behind.counter("quarantined") == 1)
            (held,) = await behind.reader.quarantined()
            assert held.reason == "cut-record"
            async with cable(socat, by_id, theirs):
                await until(lambda: behind.counter("connects") == 2)
                await write(theirs, "".join(lines) + "\n")
                async with asyncio.timeout(10):
                    while len(await units_tested(behind)) < 2:
                        await asyncio.sleep(0.02)
            assert behind.counter("quarantined") == 1
    body = json.loads(event.body)
    assert [unit["UnitIdentifier"] for unit in body["TestedUnits"]] == ["SN00045601", "SN00045602"]
    assert [len(unit["Tests"][0]["Measurements"]) for unit in body["TestedUnits"]] == [1, 1]
