"""A configured gateway beside simulated machines, and what `lineside reconcile` says of its journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from adapters.registry import build, protocols
from gateway import wiring
from gateway.cli.stored_samples import of_file
from gateway.config.load import load
from gateway.config.plan import resolve
from gateway.core.event import Origin, Place, encode
from gateway.journal.filter import Filter
from gateway.supervisor.supervisor import Supervisor
from simulators import ledger
from simulators.model.facts import AnyFact
from simulators.pace import Pace, SystemClock
from simulators.player import Machine, Player
from simulators.reconcile.compare import Comparison, Tolerance, compare, expected
from simulators.reconcile.found import Journal, journal
from simulators.reconcile.samples import Samples, Stored, compare_samples
from simulators.script import Script
from simulators.voices.voice import shows
from tests.build import Bench, bench, until
from tests.contract.host import QUICK

HEAD = """
[gateway]
name = "g1"
site = "s1"
timezone = "Europe/Berlin"
ignore_ids = ["NOREAD"]
"""


@asynccontextmanager
async def running(folder: Path, text: str) -> AsyncIterator[tuple[Bench, Supervisor]]:
    """text: lines and stations of a configuration. Every machine is connected when the block begins."""
    path = folder / "lineside.toml"
    path.write_text(HEAD + text, "utf-8")
    resolved = resolve(load(path, protocols()))
    async with bench(folder, stations=wiring.stations(resolved)) as behind:
        adapters = [
            build(settings, gateway="g1", machines=wiring.machines_on(resolved, name))
            for name, settings in resolved.connections.items()
        ]
        supervisor = Supervisor(adapters, behind.ingest, behind.telemetry, QUICK, marks={}, draw=lambda: 1.0)
        behind.ingest.on_heard = supervisor.heard
        task = asyncio.create_task(supervisor.run(), name="supervisor")
        try:
            await until(lambda: all(link.state != "down" for link in supervisor.links.values()))
            yield behind, supervisor
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def play(
    folder: Path, machines: Sequence[Machine], facts: Iterable[AnyFact], *, speed: float, script: Script | None = None
) -> Path:
    """Everything that happens, and at the end what the machines then still say. The ledger's path."""
    path = folder / "line.ledger"
    tells = {machine.voice.station: machine.voice.tells for machine in machines}
    shown = shows(machine.voice for machine in machines)
    with ledger.Ledger(path, 1, "by hand", tells, shown) as writing:
        player = Player(machines, Pace(SystemClock(), speed), script=script, ledger=writing)
        await player.play(facts)
        await player.end()
    return path


async def reconciled(
    behind: Bench, path: Path, tolerance: Tolerance | None = None, *, within_s: float = 10.0
) -> Comparison:
    """When nothing more is missing, or after so many seconds."""
    wanted, played = expected(ledger.read(path)), ledger.played(path)
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        found = compare(wanted, await _journal(behind, wanted.paths()), played, tolerance)
        complete = not any(finding.seq is None and finding.kind == "lost" for finding in found.findings)
        if complete or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(0.05)


async def _journal(behind: Bench, paths: dict[tuple[str, str], frozenset[str]]) -> Journal:
    await behind.settled()
    place, lines, after = Place("j", "s1", "g1"), [], 0
    while True:
        page = await behind.reader.events(after, 1000, Filter())
        lines += [encode(placed.event, place) for placed in page.events]
        if not page.more:
            return journal(lines, paths)
        after = page.next


async def samples_of(behind: Bench, path: Path, tolerance: Tolerance | None = None) -> dict[str, Samples]:
    """Of all stations that the ledger compares."""
    wanted = expected(ledger.read(path))
    assert wanted.shows is not None
    held = await _journal(behind, {})
    found = {station: await asyncio.to_thread(_stored, behind.path, station) for station in wanted.shows}
    made = compare_samples(wanted, found, held.gaps, ledger.played(path), tolerance)
    assert made is not None
    return made


def _stored(path: Path, station: str) -> list[Stored]:
    return [Stored(*each) for each in of_file(path, station)]


async def told_of(behind: Bench, station: str) -> list[str]:
    """Messages of one station's machine, in order, without the beginning of their names."""
    page = await behind.reader.events(0, 1000, Filter())
    events = [placed.event for placed in page.events]
    return [
        event.message.rpartition(".")[2]
        for event in events
        if event.station == station and event.origin is Origin.DERIVED
    ]
