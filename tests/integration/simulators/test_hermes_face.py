"""A magazine loader that tells of its boards, with a gateway that listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from simulators.faces import hermes
from simulators.faces.hermes_talk import Fault, Trouble
from simulators.model.facts import AnyFact, MagazineChanged, PanelMade
from simulators.player import Machine
from simulators.reconcile.compare import Kind, Tolerance
from simulators.script import parse
from simulators.voices.hermes import HermesVoice
from tests.build import Bench, until
from tests.integration.simulators.gateways import play, reconciled, running, told_of
from tests.unit.simulators.line_facts import comes, goes, in_order

STATION = "L1.loader"
LINE = """
[[line]]
name = "L1"
[[line.station]]
name = "loader"
class = "magazine_loader"
source = { protocol = "hermes-vertical", host = "127.0.0.1", port = PORT }
"""


def local() -> datetime:
    return datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))


def boards(count: int) -> list[AnyFact]:
    """Every other one has a code that can be read."""
    facts: list[AnyFact] = [MagazineChanged(at=0.0, station=STATION, magazine="MAG-1", came=True)]
    for number in range(1, count + 1):
        panel, at = f"PNL-{number}", 10.0 * number
        read = panel if number % 2 else None
        facts.append(PanelMade(at=0.0, panel=panel, lot=1, label=panel, boards=()))
        facts += [*comes(STATION, panel, at, read=read), *goes(STATION, panel, at + 15.5, read=read)]
    return in_order(facts)


@asynccontextmanager
async def loader(folder: Path) -> AsyncIterator[tuple[Machine, hermes.HermesFace, Bench]]:
    machine = hermes.Machine(machine_id="Loader-1", clock=local)
    async with (
        hermes.serve(machine) as face,
        running(folder, LINE.replace("PORT", str(face.address[1]))) as (behind, _),
    ):
        await until(lambda: face.supervisors)
        yield Machine(HermesVoice(STATION), face), face, behind


async def test_what_is_told_of_boards_is_in_the_journal_at_its_time(tmp_path: Path) -> None:
    async with loader(tmp_path) as (machine, _, behind):
        ledger = await play(tmp_path, [machine], boards(20), speed=200.0)
        found = await reconciled(behind, ledger, Tolerance(time=0.001))
    assert found.findings == []
    assert found.stations[STATION].told.total() == 60


async def test_what_is_said_while_nobody_can_connect_is_in_a_gap(tmp_path: Path) -> None:
    """Nobody keeps it. What comes twice is in the journal twice, for it comes with another id than a machine's own."""
    async with loader(tmp_path) as (machine, face, behind):
        script = parse(
            {
                "trouble": [
                    {"station": STATION, "trouble": "drop", "at": "95s", "for": "1s", "times": 1},
                    {"station": STATION, "trouble": "refuse", "at": "95s", "for": "60s"},
                    {"station": STATION, "trouble": "clock-skew", "at": "250s", "for": "50s", "seconds": 3600.0},
                ]
            },
            {STATION: [face]},
        )
        ledger = await play(tmp_path, [machine], boards(30), speed=50.0, script=script)
        found = await reconciled(behind, ledger, Tolerance(margin=1.0), within_s=2.0)
        said = await told_of(behind, STATION)
    assert {each.kind for each in found.findings} == {Kind.EXPLAINED}
    assert 6 <= len(found.findings) < 40
    assert len(said) + len(found.findings) == 90


async def test_a_message_in_pieces_and_one_behind_garbage(tmp_path: Path) -> None:
    async with loader(tmp_path) as (machine, face, behind):
        await face.begin(Fault(trouble=Trouble.PIECES, times=5))
        await face.begin(Fault(trouble=Trouble.NOISE, times=3))
        ledger = await play(tmp_path, [machine], boards(10), speed=500.0)
        found = await reconciled(behind, ledger)
        assert behind.counter("quarantined") == 3
    assert found.clean
