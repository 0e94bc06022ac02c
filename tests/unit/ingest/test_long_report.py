"""A report of many lines, that come one by one: each is read once, and what was read is never more than what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from gateway import resources
from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.config import profiles
from gateway.core.event import Event
from gateway.core.observation import Lines
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.filter import Filter
from gateway.profile.bound import Bound, Reader, Records
from tests.build import Bench, bench

PROFILE = "electrical_test/example-flying-probe"
HEAD = ("*START PROG=P REV=C PANEL=PNL1 OP=4711 21.11.2026 08:14:03", "BOARD 1 SN=S1", "STEP 100 RESISTORS")
MEASURED = "R{} 28,31 kOhm NOM 28,20 MIN 28,00 MAX 28,40 PASS"
END = ("ENDSTEP PASS", "ENDBOARD PASS", "*END PASS 21.11.2026 08:14:41")


class Counting:
    """Records of the profile; how often a reader was made to go on with what is open, and of how many lines."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.document, self.framing, self.ask = records.document, records.framing, records.ask
        self.lines, self.each, self.whole = records.lines, records.each, records.whole
        self.again = 0

    def reader(self, station: str, zone: ZoneInfo, state: bytes = b"") -> Reader:
        self.again += bool(state)
        return self._records.reader(station, zone, state)


def described() -> tuple[Bound, Counting]:
    bound = profiles.read(PROFILE, resources.profile_folders(Path("none")), Path("none"))
    assert bound.records is not None
    counting = Counting(bound.records)
    return msgspec.structs.replace(bound, records=counting), counting


def stations(bound: Bound) -> Stations:
    station = Station(id="fp", line=None, name="fp", setup=set_up("fp", CLASSES["electrical_test"], bound))
    return Stations([station], [Route(connection="broker", station=station)], zone=ZoneInfo("UTC"))


async def say(made: Bench, first: int, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines, first):
        await made.give(number, Lines("fp", (line,)), acknowledged=False)


async def told(made: Bench) -> Event:
    await made.settled()
    events = [placed.event for placed in (await made.reader.events(0, 100, Filter())).events]
    (found,) = [event for event in events if event.message.endswith("UnitsTested")]
    return found


def named(event: Event, number: int) -> bool:
    """Whether it has the measurement of this part once: its name stands in it as designator and as name."""
    return event.body.count(b'"R%d"' % number) == 2


async def test_no_line_is_read_twice(tmp_path: Path) -> None:
    bound, counting = described()
    async with bench(tmp_path, stations=stations(bound)) as made:
        await say(made, 1, [*HEAD, *(MEASURED.format(number) for number in range(50)), *END])
        event = await told(made)
    assert [named(event, number) for number in range(50)] == [True] * 50
    assert counting.again == 0


async def test_a_restart_reads_once_what_is_open(tmp_path: Path) -> None:
    bound, counting = described()
    async with bench(tmp_path, stations=stations(bound)) as made:
        await say(made, 1, [*HEAD, MEASURED.format(1)])
        await made.settled()
    async with bench(tmp_path, stations=stations(bound)) as made:
        await say(made, 10, [MEASURED.format(2), *END])
        event = await told(made)
    assert counting.again == 1
    assert (named(event, 1), named(event, 2)) == (True, True)


async def test_a_commit_that_did_not_happen_has_read_nothing(tmp_path: Path) -> None:
    """A value that the database refuses is in the same commit: it is tried again, in halves."""
    bound, _ = described()
    async with bench(tmp_path, stations=stations(bound)) as made:
        await say(made, 1, HEAD)
        await made.settled()
        async with made.stuck():
            await say(made, 10, [MEASURED.format(1), MEASURED.format(2)])
            made.ingest.store("test", "test", [], effect=lambda transaction: transaction.save_state("x", 1, 1, None))  # type: ignore[arg-type]
            await say(made, 20, [MEASURED.format(3), *END])
        event = await told(made)
    assert (named(event, 1), named(event, 2), named(event, 3)) == (True, True, True)
