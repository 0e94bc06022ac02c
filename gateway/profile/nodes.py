"""What an OPC UA server notifies, to readings and records, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec

from gateway.core.observation import Readings, Record, Unreadable
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros
from gateway.profile.bound_nodes import Change, Happening, Subscription
from gateway.profile.happenings import EventReader
from gateway.profile.meaning import Read, Write

_FLOATS = (10, 11)
_UNCERTAIN, _BAD = 1, 2
"""Severities: the two highest bits of a StatusCode (OPC 10000-4, 7.39); 3 is reserved and to be taken as bad."""

_ONE = ((Quality.GOOD,), (Quality.UNAVAILABLE,), (Quality.UNCERTAIN,))

_encode = msgspec.json.Encoder().encode


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A signal or alarm, or one place of an array. element: of the node's value, from 0; None: all of it. bit: of a
    whole number, that `read` looks at."""

    key: str
    node: str
    element: int | None
    read: Read
    write: Write
    bit: int | None = None


class NodeCodec:
    """The OPC UA side of a bound profile (gateway.profile.bound_nodes.Nodes)."""

    def __init__(
        self, subscriptions: Iterable[Subscription], places: Sequence[Place], events: Mapping[str, EventReader]
    ) -> None:
        self.subscriptions: tuple[Subscription, ...] = tuple(subscriptions)
        self.events = events
        self._by_key = {place.key: place for place in places}
        by_node: dict[str, list[Place]] = {}
        for place in places:
            by_node.setdefault(place.node, []).append(place)
        self._by_node = {node: (tuple(own), tuple(place.key for place in own)) for node, own in by_node.items()}

    def decode(
        self, station: str, changes: Sequence[Change], happenings: Sequence[Happening] = ()
    ) -> list[Readings | Record | Unreadable]:
        known = self._by_node
        unknown = [_unknown(change) for change in changes if change.k not in known]
        ordered = _in_order(changes if not unknown else [change for change in changes if change.k in known])
        looks = [(at, self._readings(station, together)) for at, together in _together(ordered)]
        if not happenings:
            return [*(look for _, look in looks), *unknown]
        found: list[tuple[Micros, Readings | Record | Unreadable]] = [*looks, *self._happened(station, happenings)]
        found.sort(key=itemgetter(0))  # stable: what was at the same time stays as it came
        return [*(each for _, each in found), *unknown]

    def _readings(self, station: str, changes: Sequence[Change]) -> Readings:
        """Always with qualities: that a value is good again is news, also where it is the same."""
        first = changes[0]
        time = first.t if first.t is not None else first.r
        if len(changes) == 1:
            keys, values, qualities = self._seen(first)
            return Readings(station=station, keys=keys, values=values, time=time, qualities=qualities, live=not first.o)
        seen = [self._seen(change) for change in changes]
        return Readings(
            station=station,
            keys=tuple(chain.from_iterable([each[0] for each in seen])),
            values=tuple(chain.from_iterable([each[1] for each in seen])),
            time=time,
            qualities=tuple(chain.from_iterable([each[2] for each in seen])),
            live=not all(change.o for change in changes),
        )

    def _seen(self, change: Change) -> tuple[tuple[str, ...], tuple[Value, ...], tuple[Quality, ...]]:
        places, keys = self._by_node[change.k]
        severity = change.s >> 30
        if severity >= _BAD:
            return keys, (None,) * len(keys), (Quality.BAD,) * len(keys)
        raw = change.v
        if type(raw) is str and change.y in _FLOATS:
            raw = float(raw)
        if len(places) == 1 and places[0].element is None:
            value = places[0].read(raw)
            return keys, (value,), _ONE[1 if value is None else 2 if severity else 0]
        values = tuple(
            [place.read(raw if place.element is None else _element(raw, place.element, change.y)) for place in places]
        )
        fine = Quality.UNCERTAIN if severity == _UNCERTAIN else Quality.GOOD
        return keys, values, tuple([Quality.UNAVAILABLE if value is None else fine for value in values])

    def _happened(
        self, station: str, happenings: Sequence[Happening]
    ) -> Iterable[tuple[Micros, Readings | Record | Unreadable]]:
        at = 0
        for key in dict.fromkeys(each.k for each in happenings):
            own = [each for each in happenings if each.k == key]
            reader = self.events.get(key)
            if reader is None:
                for each in own:
                    yield (
                        0,
                        Unreadable(
                            raw=_encode(each), reason="unknown-event", detail=f"{key!r} is no event of the profile"
                        ),
                    )
                continue
            for time, observed in reader.read(station, own):
                at = at if time is None else time
                yield at, observed

    def node(self, key: str) -> str | None:
        place = self._by_key.get(key)
        return None if place is None else place.node

    def encode(self, values: Mapping[str, Value]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        arrays: dict[str, dict[int, Any]] = {}
        for key, value in values.items():
            place = self._by_key[key]
            try:
                part = place.write(value)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
            if place.bit is not None:
                found[place.node] = found.get(place.node, 0) & ~(1 << place.bit) | bool(part) << place.bit
            elif place.element is None:
                found[place.node] = part
            else:
                arrays.setdefault(place.node, {})[place.element] = part
        for node, parts in arrays.items():
            wanted = {place.element for place in self._by_node[node][0]}
            if parts.keys() != wanted:
                raise ValueError(f"{node}: all places of an array must be given together")
            found[node] = [parts[element] for element in sorted(parts)]
        return found


def bit_of(bit: int) -> Callable[[Read], Read]:
    """Reads only this bit of a whole number."""

    def only(read: Read) -> Read:
        return lambda raw: read(bool(raw >> bit & 1)) if type(raw) is int else None

    return only


def _element(raw: Any, element: int, type_: int) -> Any:
    if not isinstance(raw, list) or element >= len(raw):
        return None
    part = raw[element]
    return float(part) if type_ in _FLOATS and isinstance(part, str) else part


def _unknown(change: Change) -> Unreadable:
    return Unreadable(raw=_encode(change), reason="unknown-node", detail=f"{change.k!r} is in no signal")


def _in_order(changes: Sequence[Change]) -> list[tuple[Micros, int, Change]]:
    """By source time; but a clock that went back does not turn a node's values round."""
    newest: dict[str, Micros] = {}
    at = last = 0
    ascending = True
    ordered = []
    for number, change in enumerate(changes):
        time = change.t if change.t is not None else change.r
        if time is not None:
            at = time
        before = newest.get(change.k, 0)
        if before > at:
            at = before
        newest[change.k] = at
        ascending = ascending and at >= last
        last = at
        ordered.append((at, number, change))
    if not ascending:
        ordered.sort()
    return ordered


def _together(ordered: Sequence[tuple[Micros, int, Change]]) -> Iterator[tuple[Micros, list[Change]]]:
    """What was so at one time, but never two values of one node."""
    group: list[Change] = []
    held: set[str] = set()
    group_at = -1
    for at, _, change in ordered:
        if group and (at != group_at or change.k in held):
            yield group_at, group
            group, held = [], set()
        group_at = at
        group.append(change)
        held.add(change.k)
    if group:
        yield group_at, group
