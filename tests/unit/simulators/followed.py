"""What a gateway makes of a simulated machine, without any wire between them: decoding and the class's step, as ingest
does it. And whether that is what the machine's voice said that it would be."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gateway.classes import native
from gateway.classes.registry import CLASSES
from gateway.classes.step import Observed, set_up
from gateway.core.event import Event, Origin, Role
from gateway.core.observation import Lines, Readings
from gateway.core.sample import Value
from gateway.core.times import Micros, parse_rfc3339
from gateway.ingest.derive import EMPTY, Readers, derive
from gateway.ingest.stations import Station
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Table
from gateway.profile.load import load
from gateway.profile.registers import answer
from simulators.ledger import Anchor, Played
from simulators.model.facts import AnyFact
from simulators.reconcile.compare import Comparison, Expected, Tolerance, compare
from simulators.reconcile.found import Found, Journal
from simulators.reconcile.found import at as found_at
from simulators.voices.voice import Told, Voice, When
from tests.conftest import ROOT

START = parse_rfc3339("2026-11-20T12:00:00Z")
PROFILES = ROOT / "config" / "profiles"


def instant(at: float) -> Micros:
    return START + round(at * 1_000_000)


WHEN = When(instant, 1.0)


def profile(name: str) -> Bound:
    """By name among the packaged ones, or by the path of its file."""
    loaded = load(name, [PROFILES])
    return bind(loaded.profile, CLASSES[loaded.profile.class_].vocabulary, loaded.name, written=loaded.written)


class Followed:
    """events: what was made of what it has seen and heard so far, those of the gateway about itself left out."""

    def __init__(self, station: str, bound: Bound, *, zone: str = "UTC", ignore_ids: Sequence[str] = ()) -> None:
        self.bound = bound
        setup = set_up(station, CLASSES[bound.machine_class], bound, ignore_ids=ignore_ids)
        self.station = Station(
            id=station, line=None, name=station, machine_class=bound.machine_class, zone=ZoneInfo(zone), setup=setup
        )
        self.events: list[Event] = []
        self.unfit: list[str] = []
        self._state, self._look = native.EMPTY, EMPTY
        self._readers: Readers = {}

    @property
    def values(self) -> Mapping[str, Value]:
        """As it sees them now."""
        return self._look.values

    def follow(self, observed: Observed | Lines, at: float) -> None:
        assert self.station.setup is not None
        made = derive(
            self.station, self.station.setup, self._state, self._look, observed, instant(at), self._readers
        )  # fmt: skip
        self._state, self._look = made.state, made.look
        self.events += [each for each in made.events if each.origin is Origin.DERIVED]
        self.unfit += [f"{each.reason}: {each.detail}: {each.raw!r}" for each in made.unfit]

    def look(self, contents: Mapping[Table, Mapping[int, int]], at: float) -> None:
        """At all registers."""
        registers = self.bound.registers
        assert registers is not None
        for poll in registers.polls:
            keys, values = registers.decode(poll.name, [answer(poll, contents)])
            self.follow(Readings(station=self.station.id, keys=keys, values=values), at)


class Account(NamedTuple):
    """One event, as far as it is told. number: of units. at: virtual second, where the machine tells it."""

    units: tuple[str, ...]
    number: int | None
    values: dict[str, Any]
    at: float | None


def hear_all(voice: Voice[Any], facts: Iterable[AnyFact]) -> tuple[list[Any], list[Told]]:
    """Everything that it says of these facts, and what is told of it, as a ledger keeps it."""
    outputs: list[Any] = []
    told: list[Told] = []
    for fact in facts:
        said = voice.hear(fact)
        outputs += said.outputs
        told += said.told
    return outputs, [msgspec.json.decode(msgspec.json.encode(each), type=Told) for each in told]


def agree(told: Iterable[Told], events: Iterable[Event], tells: frozenset[str]) -> None:
    """Both say the same, message by message and lane by lane in their order. Fails with what differs."""
    wanted: dict[tuple[str, int | None], list[Account]] = defaultdict(list)
    paths: dict[str, set[str]] = defaultdict(set)
    for each in told:
        wanted[each.message, each.lane].append(Account(each.units, each.count, each.values, each.at))
        paths[each.message] |= each.values.keys()
    found: dict[tuple[str, int | None], list[Account]] = defaultdict(list)
    for event in events:
        if event.message not in tells:
            continue
        where = (event.message, event.lane)
        number = len(found[where])
        like = wanted[where][number] if number < len(wanted[where]) else None
        body = json.loads(event.body)
        values = {path: found_at(body, path) for path in (paths[event.message] if like is None else like.values)}
        count = sum(ref.role is Role.UNIT for ref in event.unit_refs)
        found[where].append(
            Account(
                tuple(event.units),
                count if like is None or like.number is not None else None,
                values,
                None if like is None or like.at is None else (event.time - START) / 1_000_000,
            )
        )
    assert dict(found) == {key: each for key, each in wanted.items() if each}


def verdict(
    station: str, told: list[Told], events: Iterable[Event], tells: frozenset[str], tolerance: Tolerance
) -> Comparison:
    """As `lineside reconcile` judges it: of machines that nobody looks at all the time."""
    paths = Expected({}, {station: told}, []).paths()
    found = []
    for number, event in enumerate(events, 1):
        body = json.loads(event.body)
        wanted = paths.get((station, event.message), frozenset())
        found.append(
            Found(
                seq=number,
                id=event.id,
                station=station,
                message=event.message,
                time=event.time,
                received=event.received,
                lane=event.lane,
                units=tuple(event.units),
                count=sum(ref.role is Role.UNIT for ref in event.unit_refs),
                copy_of=None,
                values={path: value for path in wanted if (value := found_at(body, path)) is not None},
            )
        )
    played = Played((Anchor(at=0.0, wall=START, speed=1.0),))
    return compare(
        Expected({station: tells}, {station: told}, []), Journal({station: found}, {}, {}), played, tolerance
    )
