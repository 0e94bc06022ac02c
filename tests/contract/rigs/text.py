"""How the machines of all text rigs talk: numbered lines, and a report of several lines that is work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.event import Event
from gateway.core.observation import Lines, Observation, Record
from gateway.core.times import Micros, parse_rfc3339
from gateway.ingest.stations import Route, Station, Stations
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Machine
from gateway.profile.load import load
from tests.contract.rig import Heard

STATION = "L1.tester"
GARBAGE = b"R load-\xff\xfe is in no encoding\n"
READY = b"READY\n"
BEGIN, END = b"BEGIN PNL-1\nR1 9,98 PASS\n", b"R2 47,1 FAIL\nEND FAIL\n"

_PROFILE = """
class = "electrical_test"
protocol = "{protocol}"
models = ["Contract"]
evidence = {{ level = "example" }}
[frame]
kind = "{kind}"
encoding = "ascii"
ignore = ["READY"]
{frame}
[[record]]
name = "recipe.activated"
pattern = 'R (?P<name>load-\\d+) (?P<time>\\S+) x*'
fields.name = {{}}
time = {{}}
example = {{ text = "R load-7 2026-11-20T12:44:33.5Z xx", fields = {{ name = "load-7" }}, time = "2026-11-20T12:44:33.500000Z" }}
[[record]]
name = "test"
begin = 'BEGIN (?P<unit>\\S+)'
end = 'END (?P<result>PASS|FAIL)'
fields.unit = {{}}
fields.result = {{ map = {{ PASS = "Passed", FAIL = "Failed" }} }}
example = {{ text = "BEGIN A\\nEND PASS", fields = {{ unit = "A", result = "Passed" }} }}
[[record]]
name = "measurement"
parent = "test"
pattern = '(?P<name>R\\d+) (?P<value>\\S+) (?P<result>PASS|FAIL)'
fields.name = {{}}
fields.value = {{ decimal = "," }}
fields.result = {{ map = {{ PASS = "Passed", FAIL = "Failed" }} }}
example = {{ text = "R1 9,98 PASS", fields = {{ name = "R1", value = 9.98, result = "Passed" }} }}
"""


def profile(folder: Path, protocol: str, *, kind: str = "lines", frame: str = "") -> Bound:
    """frame: further lines of its `[frame]`."""
    path = folder / f"{protocol}.toml"
    path.write_text(_PROFILE.format(protocol=protocol, kind=kind, frame=frame), encoding="utf-8")
    loaded = load(str(path), [])
    return bind(loaded.profile, CLASSES["electrical_test"].vocabulary, loaded.name, written=loaded.written)


class Talk:
    """What the machine of one rig has said. The same number is always the same line."""

    def __init__(self, bound: Bound) -> None:
        self.machine = Machine(station=STATION, bound=bound)
        self._stamps: dict[int, str] = {}

    def line(self, number: int, filler: int = 0) -> bytes:
        stamp = self._stamps.setdefault(number, datetime.now(UTC).isoformat(timespec="microseconds"))
        return f"R load-{number} {stamp} {'x' * filler}\n".encode()

    def said_at(self, number: int, unit: int = 0) -> Micros:
        return parse_rfc3339(self._stamps[number])

    def heard(self, observations: Sequence[Observation]) -> list[Heard]:
        found: list[Heard] = []
        for each in observations:
            if isinstance(each, Record):  # of a whole file
                name = str(each.fields.get("name", ""))
                found += [Heard(0, int(name.removeprefix("load-")), each.time)] if name else []
            elif isinstance(each, Lines):
                parts = [line.split(" ") for line in each.lines if line.startswith("R load-")]
                found += [
                    Heard(0, int(name.removeprefix("load-")), parse_rfc3339(stamp)) for _, name, stamp, _ in parts
                ]
        return found

    def stored(self, event: Event) -> Heard | None:
        if not event.message.endswith(".RecipeActivated"):
            return None
        name = json.loads(event.body)["RecipeName"]
        return Heard(0, int(name.removeprefix("load-")), event.time)

    def check_work(self, events: Sequence[Event]) -> None:
        (tested,) = [event for event in events if event.message.endswith(".UnitsTested")]
        (unit,) = json.loads(tested.body)["TestedUnits"]
        assert (unit["UnitIdentifier"], unit["OverallResult"]) == ("PNL-1", "Failed")
        measured = [each["MeasurementName"] for test in unit["Tests"] for each in test["Measurements"]]
        assert measured == ["R1", "R2"]

    def stations(self, connection: str) -> Stations:
        setup = set_up(STATION, CLASSES["electrical_test"], self.machine.bound)
        made = Station(id=STATION, line="L1", name="tester", machine_class="electrical_test", setup=setup)
        return Stations([made], [Route(connection=connection, station=made)], zone=ZoneInfo("UTC"))
