"""opcua: two machines at one server of asyncua's, each with nodes of its own; what they say is the name of a program."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from asyncua import ua

from adapters.opcua import OpcUaAdapter
from adapters.opcua_settings import OpcUaConnection
from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.event import Event
from gateway.core.observation import Observation, Readings
from gateway.core.times import Micros, from_datetime
from gateway.ingest.stations import Route, Station, Stations
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Machine
from gateway.profile.load import load
from tests.contract.relay import Relay, RelayFaults, relay
from tests.contract.rig import Entry, Heard
from tests.integration.opcua.servers import Oven

_NAME = "ovens"
_PREFIX = "load-"
_BUFFER = 1 << 20
_SLACK = 4 << 20  # buffers of the relay and of the kernel, and what the server owed us
_RIGS = itertools.count()

_PROFILE = """
class = "generic"
protocol = "opcua"
models = ["Contract"]
evidence = {{ level = "example" }}

[subscribe.all]
publish = "20ms"
queue = 1000

[signal."units.in"]
node = "ns=2;s={0}.In"
modulus = 65536
reset = ["operator"]
example = 10

[signal."units.out"]
node = "ns=2;s={0}.Out"
modulus = 65536
reset = ["operator"]
example = 10

[signal."unit.in.id"]
node = "ns=2;s={0}.Board"
empty = [""]
example = "PNL-0"

[signal."recipe.name"]
node = "ns=2;s={0}.Recipe"
example = "PROGRAM"

[subscribe.filler]
publish = "20ms"
queue = 10

[signal."x.filler"]
node = "ns=2;s={0}.Filler"
subscribe = "filler"
example = "filler"
"""
_EVENT = """
[[record]]
name = "recipe.activated"
event = "ns=2;i={0}"
fields.name = {{ field = "2:BoardId" }}
example = {{ values = {{ "2:BoardId" = "PROGRAM" }}, fields = {{ name = "PROGRAM" }} }}
"""


def _bound(folder: Path, machine: str, event: int | None) -> Bound:
    path = folder / f"{machine}.toml"
    path.write_text(_PROFILE.format(machine) + (_EVENT.format(event) if event else ""), encoding="utf-8")
    loaded = load(str(path), [])
    return bind(loaded.profile, CLASSES["generic"].vocabulary, loaded.name, written=loaded.written)


class Talk:
    """machines: two stations. said: when each number was said."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self.machines = machines
        self.said: dict[tuple[int, int], Micros] = {}

    def said_at(self, number: int, unit: int = 0) -> Micros:
        return self.said[unit, number]

    def heard(self, observations: Sequence[Observation]) -> list[Heard]:
        found = []
        for each in observations:
            if isinstance(each, Readings):
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

    def stations(self) -> Stations:
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
        return Stations(made, [Route(connection=_NAME, station=each) for each in made], zone=ZoneInfo("UTC"))


def _unit(station: str) -> int:
    return int(station.removeprefix("L1.m"))


class OpcUaRig:
    units = 2
    acknowledged = True
    brokered = False
    conflates = False
    ends = True
    gives_up_s = 2.5
    prompt_s = 1.0
    most_bytes = _BUFFER + _SLACK

    def __init__(self, oven: Oven, between: Relay, talk: Talk, names: Sequence[str]) -> None:
        self.talk = talk
        self.faults = RelayFaults(between, self.adapter)
        self._oven = oven
        self._between = between
        self._names = names

    def adapter(self) -> OpcUaAdapter:
        settings = {
            "protocol": "opcua",
            "name": _NAME,
            "url": f"opc.tcp://127.0.0.1:{self._between.port}",
            "connect_timeout_s": 2.5,
            "answer_timeout_s": 2.0,
            "keepalive_s": 0.5,
            "session_timeout_s": 10.0,
            "close_timeout_s": 0.4,
            "buffer_bytes": _BUFFER,
        }
        return OpcUaAdapter(OpcUaConnection.model_validate(settings), self.talk.machines)

    def stations(self) -> Stations:
        return self.talk.stations()

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        machine = self._names[unit]
        for number in numbers:
            if filler:
                await self._oven.say(f"{machine}.Filler", f"{number:08}" + "x" * filler)
            (at,) = await self._oven.say(f"{machine}.Recipe", f"{_PREFIX}{number}")
            self.talk.said[unit, number] = from_datetime(at)
            if filler and number % 5 == 0:
                await self._between.quiet(0.03)  # or the server would publish all of it at once

    async def garbage(self, unit: int = 0) -> None:
        """An event without what it is to tell."""
        await self._oven.test("", good=True)

    async def work_begins(self) -> None:
        await self._oven.say(f"{self._names[0]}.Board", "PNL-1")
        await self._oven.say(f"{self._names[0]}.In", 11)

    async def work_ends(self) -> None:
        await self._oven.say(f"{self._names[0]}.Out", 11)


@asynccontextmanager
async def _open(oven: Oven, folder: Path) -> AsyncIterator[OpcUaRig]:
    rig = next(_RIGS)
    names = [f"rig{rig}.m{unit}" for unit in range(OpcUaRig.units)]
    text, count = ua.VariantType.String, ua.VariantType.UInt16
    kinds = {"Recipe": ("PROGRAM", text), "Board": ("PNL-0", text), "Filler": ("", text), "In": (10, count), "Out": (10, count)}  # fmt: skip
    for name in names:
        for part, (value, kind) in kinds.items():
            await oven.variable(f"{name}.{part}", value, kind)
    tested = int(oven.tested.nodeid.Identifier)  # events that only the first listens to
    bounds = [_bound(folder, name, None if unit else tested) for unit, name in enumerate(names)]
    talk = Talk([Machine(station=f"L1.m{unit}", bound=bound) for unit, bound in enumerate(bounds)])
    async with relay(lambda: oven.port) as between:
        yield OpcUaRig(oven, between, talk, names)


RIGS = (Entry("opcua", _open, "oven_server"),)
