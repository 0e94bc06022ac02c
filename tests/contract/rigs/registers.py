"""How the machines of all rigs with registers talk: the name of the program has the number, counters are work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.event import Event
from gateway.core.observation import Observation, Readings
from gateway.core.sample import Value
from gateway.ingest.stations import Route, Station, Stations
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Machine, Table
from gateway.profile.load import load
from simulators.faces.modbus_bank import bank_of
from tests.contract.rig import Heard

_PROFILE = """
class = "generic"
protocol = "modbus"
models = ["Contract"]
evidence = { level = "example" }

[poll.all]
every = "20ms"
table = "holding"
start = 0
count = 40

[signal."units.in"]
at = 0
type = "u32"
modulus = 4294967296
reset = ["operator"]
example = 10

[signal."units.out"]
at = 2
type = "u32"
modulus = 4294967296
reset = ["operator"]
example = 10

[signal."unit.in.id"]
at = 4
type = "string"
length = 8
empty = [""]
example = "PNL-0"

[signal."recipe.name"]
at = 12
type = "string"
length = 8
example = "PROGRAM"
"""
_RECIPE_AT = 12
_PREFIX = "load-"


def profile(folder: Path) -> Bound:
    path = folder / "contract.toml"
    path.write_text(_PROFILE, encoding="utf-8")
    loaded = load(str(path), [])
    return bind(loaded.profile, CLASSES["generic"].vocabulary, loaded.name, written=loaded.written)


class Talk:
    """Two units, 1 and 2 on their bus. banks: what their registers hold, by unit."""

    def __init__(self, folder: Path) -> None:
        bound = profile(folder)
        assert bound.registers is not None
        self._registers = bound.registers
        self.machines = [Machine(station=f"L1.m{unit}", unit=unit + 1, bound=bound) for unit in range(2)]
        self.banks = {machine.unit: bank_of(bound.registers.polls, gaps=True) for machine in self.machines}
        for unit in range(2):
            self.show(unit, bound.examples)

    def show(self, unit: int, values: Mapping[str, Value]) -> None:
        self.banks[unit + 1].set(self._registers.encode(values))

    def spoil(self, unit: int) -> None:
        self.banks[unit + 1].set({Table.HOLDING: {_RECIPE_AT: 0x01FF}})

    def name(self, number: int) -> str:
        return f"{_PREFIX}{number}"

    def said_at(self, number: int, unit: int = 0) -> None:
        """Registers have no time."""

    def heard(self, observations: Sequence[Observation]) -> list[Heard]:
        found = []
        for each in observations:
            assert isinstance(each, Readings)
            name = dict(zip(each.keys, each.values, strict=True)).get("recipe.name")
            if isinstance(name, str) and name.startswith(_PREFIX):
                found.append(Heard(_unit(each.station), int(name.removeprefix(_PREFIX)), each.time))
        return found

    def stored(self, event: Event) -> Heard | None:
        if event.message != "CFX.Production.RecipeActivated":
            return None
        name = json.loads(event.body)["RecipeName"]
        if not name.startswith(_PREFIX):
            return None
        return Heard(_unit(event.station or ""), int(name.removeprefix(_PREFIX)), event.time)

    def check_work(self, events: Sequence[Event]) -> None:
        """It came in with an identifier, and goes out without one."""
        began, ended = (event for event in events if event.message.endswith((".WorkStarted", ".WorkCompleted")))
        assert [each.message.rpartition(".")[2] for each in (began, ended)] == ["WorkStarted", "WorkCompleted"]
        assert began.transaction == ended.transaction is not None
        assert began.units == ended.units == ["PNL-1"]
        assert len([event for event in events if event.message.endswith(".UnitsDeparted")]) == 1

    def stations(self, connection: str) -> Stations:
        made = [
            Station(
                id=each.station,
                line="L1",
                name=each.station.partition(".")[2],
                machine_class="generic",
                setup=set_up(each.station, CLASSES["generic"], each.bound),
            )
            for each in self.machines
        ]
        routes = [
            Route(connection=connection, station=station, unit=each.unit)
            for station, each in zip(made, self.machines, strict=True)
        ]
        return Stations(made, routes, zone=ZoneInfo("UTC"))


def _unit(station: str) -> int:
    return int(station.removeprefix("L1.m"))
