"""A captured OPC UA server that is played again: a gateway gets the same portions, values and events, also after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from asyncua import ua

from adapters.registry import ADAPTERS, build
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Frame, Notice, NoticeKind
from gateway.core.times import rfc3339
from gateway.profile import node_frame
from gateway.profile.bound import Bound, Machine
from gateway.profile.bound_nodes import Change, Happening
from gateway.profile.happenings import REFRESH_END, REFRESH_START
from gateway.profile.node_frame import Payload
from simulators.replay.actor import Role, Seat, Stage
from simulators.replay.nodes import NodesActor
from tests.build import until
from tests.unit.simulators.opcua_facts import written

STATION = "L1.aoi"
PROFILE = """
class = "aoi"
protocol = "opcua"
models = ["T"]
evidence = { level = "example" }

[subscribe.fast]
publish = "20ms"
sample = "0s"
queue = 3

[subscribe.slow]
publish = "60ms"
sample = "0s"

[signal.state]
node = "nsu=http://t.example/;s=State"
subscribe = "fast"
map = { 1 = "SBY", 3 = "PRD" }
example = "PRD"

[signal."x.temperature"]
node = "ns=2;i=7"
subscribe = "fast"
array = 2
unit = "Cel"
example = [20.0, 21.0]

[signal."x.pressure"]
node = "ns=2;s=Pressure"
subscribe = "fast"
unit = "bar"
example = 2.0

[signal."recipe.name"]
path = "Objects/2:Machine/2:Recipe"
subscribe = "slow"
example = "A"

[[alarm]]
condition = "Jam"
source = "M"
code = "A1"
text = "jam"
severity = "Error"
subscribe = "fast"

[[alarm]]
condition = "Open"
source = "M"
code = "A2"
text = "open"
severity = "Error"
subscribe = "fast"

[[record]]
name = "inspection"
event = "ns=2;i=1003"
subscribe = "fast"
fields.unit = { field = "2:Panel" }
fields.result = { field = "2:Result", map = { 1 = "Passed", 2 = "Failed" } }
fields.started = { field = "2:Start" }

[record.example.values]
"2:Panel" = "P1"
"2:Result" = 1
"2:Start" = "2026-11-20T11:44:01Z"

[record.example.fields]
unit = "P1"
result = "Passed"
started = "2026-11-20T11:44:01.000000Z"
"""
OTHER_STATION = "L1.other"
OTHER_PROFILE = """
class = "aoi"
protocol = "opcua"
models = ["T"]
evidence = { level = "example" }

[subscribe.all]
publish = "20ms"
sample = "0s"

[signal."x.speed"]
node = "ns=3;i=1"
unit = "mm/s"
example = 2.0

[signal."recipe.name"]                   # which is of both
path = "Objects/2:Machine/2:Recipe"
example = "A"
"""
STATE, ZONES, PRESSURE = "nsu=http://t.example/;s=State", "ns=2;i=7", "ns=2;s=Pressure"
SPEED = "ns=3;i=1"
RECIPE = "Objects/2:Machine/2:Recipe"
AT = 1_763_640_000_000_000
SENSOR_FAILURE = int(ua.StatusCodes.BadSensorFailure)
ACCESS_DENIED = int(ua.StatusCodes.BadUserAccessDenied)


class Story:
    """Frames by hand. number: microseconds go by from one thing to the next."""

    def __init__(self, bound: Bound) -> None:
        self.number = 0
        assert bound.nodes is not None
        events = [event for each in bound.nodes.subscriptions for event in each.events]
        self.alarms = next(event.key for event in events if event.conditions)
        self.record = next(event.key for event in events if not event.conditions)

    def now(self) -> int:
        self.number += 1_000
        return AT + self.number

    def frame(
        self, subscription: str, *changes: Change, events: Iterable[Happening] = (), station: str = STATION
    ) -> Frame:
        payload = node_frame.encode(Payload(h=self.now(), v=changes, e=tuple(events)))
        return Frame(connection="one", received=self.now(), channel=f"{station}/{subscription}", payload=payload)

    def other(self, speed: float) -> Frame:
        return self.frame("all", self.value(SPEED, speed, 11), station=OTHER_STATION)

    def recipe(self, name: str) -> list[Frame]:
        """Which both stations are told of."""
        change = self.value(RECIPE, name, 21)
        return [self.frame("slow", change), self.frame("all", change, station=OTHER_STATION)]

    def value(self, node: str, value: Any, type_: int, *, s: int = 0, o: bool = False) -> Change:
        return Change(node, value, type_, s, self.now(), self.now(), o)

    def alarm(self, name: str, active: bool) -> Happening:
        at = self.now()
        return Happening(self.alarms, at, ((13, rfc3339(at)), (17, "i=2915"), (12, "M"), (12, name), (1, active)))

    def around(self, type_: str) -> Happening:
        at = self.now()
        return Happening(self.alarms, at, ((13, rfc3339(at)), (17, type_), (12, "Server"), (0, None), (0, None)))

    def panel(self, name: str, result: int) -> Happening:
        at = self.now()
        return Happening(self.record, at, ((13, rfc3339(at)), (12, name), (7, result), (13, rfc3339(at - 5_000_000))))

    def beginning(self, state: int, *alarms: Happening) -> list[Frame]:
        """What a client is told first; one node is not for it."""
        refresh = [self.around(REFRESH_START), *alarms, self.around(REFRESH_END)]
        recipe = self.value(RECIPE, "A", 21, o=True)
        return [
            self.frame(
                "fast",
                self.value(STATE, state, 6, o=True),
                self.value(ZONES, [20.5, "NaN"], 10, o=True),
                events=refresh,
            ),
            self.frame("slow", recipe),
            self.frame("all", self.value(SPEED, 1.5, 11, o=True), recipe, station=OTHER_STATION),
            self.frame("fast", Change(PRESSURE, s=ACCESS_DENIED)),
        ]


Said = tuple[str, list[tuple[Any, ...]], list[Any]]


def told(frames: Iterable[Frame], station: str) -> list[Said]:
    """Of each frame of it that tells anything. What a server adds to a refresh is not compared."""
    found: list[Said] = []
    for each in frames:
        if not each.channel.startswith(station):
            continue
        payload = node_frame.decode(each.payload)
        values = [(change.k, change.v, change.y, change.s, change.t, change.o) for change in payload.v]
        events = [
            (event.k, event.t, event.v) for event in payload.e if event.v[1][1] not in (REFRESH_START, REFRESH_END)
        ]
        if values or events:
            found.append((each.channel, values, events))
    return found


def same(heard: list[Frame], beginning: list[Frame], then: list[Frame]) -> bool:
    """Each station was told the same; what there is at first is told in any order."""
    for station in (STATION, OTHER_STATION):
        found, first = told(heard, station), told(beginning, station)
        if sorted(found[: len(first)], key=str) != sorted(first, key=str) or found[len(first) :] != told(then, station):
            return False
    return True


class Gateway:
    """As the supervisor does. heard: frames, notices; None where a connection was lost."""

    def __init__(self, actor: NodesActor, bounds: dict[str, Bound]) -> None:
        settings = {"protocol": "opcua", "name": "one", "session_timeout_s": 10, **actor.addresses}
        found = ADAPTERS["opcua"].settings.model_validate(settings)
        machines = [Machine(station=station, bound=bound) for station, bound in bounds.items()]
        self._adapter = build(found, gateway="two", machines=machines)
        self.heard: list[Frame | Notice | None] = []

    def frames(self, since: int = 0) -> list[Frame]:
        return [each for each in self.heard[since:] if isinstance(each, Frame)]

    @property
    def notices(self) -> list[NoticeKind]:
        return [each.kind for each in self.heard if isinstance(each, Notice)]

    async def listen(self) -> None:
        while True:
            with suppress(NotConnected):
                async with self._adapter.connect() as items:
                    async for item in items:
                        self.heard.append(item.frame if isinstance(item, Delivery) else item)
                        if isinstance(item, Delivery):
                            item.ack()
            if self.heard and self.heard[-1] is not None:
                self.heard.append(None)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def played(
    bounds: dict[str, Bound], frames: list[Frame], folder: Path
) -> AsyncIterator[tuple[NodesActor, Gateway]]:
    seats = tuple(Seat(station=station, machine_class="aoi", bound=bound) for station, bound in bounds.items())
    role = Role(connection="one", protocol="opcua", settings={"url": "opc.tcp://10.0.0.7:4840/x"}, seats=seats)
    actor = NodesActor(role, Stage(folder=folder, patience_s=5))
    for each in frames:
        actor.rehearse(each)
    async with actor, asyncio.timeout(20):
        gateway = Gateway(actor, bounds)
        listening = asyncio.create_task(gateway.listen(), name="gateway")
        try:
            await actor.met()
            yield actor, gateway
        finally:
            listening.cancel()
            await asyncio.wait({listening})


async def test_the_same_portions_again_also_after_losses(tmp_path: Path) -> None:
    bounds = {STATION: written(tmp_path, PROFILE), OTHER_STATION: written(tmp_path, OTHER_PROFILE)}
    story = Story(bounds[STATION])
    beginning = story.beginning(1, story.alarm("Jam", True))
    live = [
        story.frame("fast", *(story.value(STATE, n, 6) for n in (3, 1, 3)), story.value(ZONES, [1.0, 2.5], 10)),
        *story.recipe("B"),
        story.frame("fast", story.value(STATE, None, 0, s=SENSOR_FAILURE), events=[story.alarm("Open", True)]),
        story.frame("fast", story.value(STATE, "auto", 12), events=[story.panel("P1", 1), story.panel("P2", 2)]),
        story.frame("fast"),
        story.other(2.5),
        story.other(3.5),
        story.frame("fast", events=[story.alarm("Jam", False)]),
    ]
    kept = [story.frame("fast", story.value(STATE, 1, 6)), *story.recipe("C")]
    anew = story.beginning(3, story.alarm("Open", False))
    last = [*story.recipe("D"), story.frame("fast", story.value(STATE, 1, 6))]
    async with played(bounds, [*beginning, *live], tmp_path) as (actor, gateway):
        for each in [*beginning, *live]:
            await actor.play(each, None)
        await actor.lose(STATION)  # and the gateway finds its session again
        await actor.lose(STATION)
        await until(lambda: None in gateway.heard)
        for each in kept:
            await actor.play(each, None)
        await actor.done()
        await until(lambda: same(gateway.frames(), beginning, [*live, *kept]))
        resumed = [NoticeKind.SESSION_KEPT, NoticeKind.CATCHING_UP, *[NoticeKind.CAUGHT_UP] * 2]
        await until(lambda: gateway.notices == resumed)

        until_now = len(gateway.heard)
        await actor.lose(STATION)  # and the server forgets it
        for each in [*anew, *last]:
            await actor.play(each, None)
        await actor.done()
        await until(lambda: same(gateway.frames(until_now), anew, last))
        assert gateway.notices == resumed
