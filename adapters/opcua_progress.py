"""How far each station has been read: the newest source time of each node, kept with the journal.

A frame's position says what the frame brought, and every 64th one everything, each under one of 64 keys of the station.
So a position costs little, and what was read is known to the value after a kill. See gateway.core.frame.POSITION.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.core.frame import POSITION, POSITION_OF
from gateway.core.times import Micros
from gateway.profile.bound_nodes import Change

_SLOTS = 64
_Times = dict[str, Micros]
_times = msgspec.json.Decoder(_Times)


class Progress:
    """Of all stations on a connection, from one session to the next and from one life of the gateway to the next.

    positions: as the journal has them. nodes: by station, of its profile; what others were seen with is forgotten.
    """

    def __init__(self, positions: Mapping[str, bytes], nodes: Mapping[str, Iterable[str]]) -> None:
        self._ordinals = dict.fromkeys(nodes, 0)
        self._newest: dict[str, _Times] = {station: {} for station in nodes}
        self._told: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        found = []
        for key, value in positions.items():
            station, _, slot = key.rpartition(" ")
            ordinal, _, times = value.partition(b" ")
            if station in self._newest:
                found.append((int(ordinal), int(slot), station, _times.decode(times)))
        for number, place, station, newest in sorted(found, key=lambda each: each[0]):
            self._ordinals[station] = number
            self._newest[station] = newest if place == 0 else {**self._newest[station], **newest}
        for station, known in nodes.items():
            kept = set(known)
            self._newest[station] = {node: at for node, at in self._newest[station].items() if node in kept}

    @property
    def begun(self) -> bool:
        """Anything was read before."""
        return any(self._newest.values())

    def since(self, station: str) -> Mapping[str, Micros]:
        """The newest source time that each node was seen with, in the order in which they came."""
        return dict(self._newest[station])

    def read(self, station: str, changes: Iterable[Change]) -> dict[str, str | int]:
        """Meta of the frame that brings these, which is made next. Every frame must have one: those without would
        overtake it."""
        brought = {each.k: each.t for each in changes if each.t is not None}
        newest = self._newest[station]
        newest.update(brought)
        self._ordinals[station] += 1
        ordinal = self._ordinals[station]
        slot = ordinal % _SLOTS
        times = newest if slot == 0 else brought
        return {POSITION_OF: f"{station} {slot}", POSITION: f"{ordinal} {msgspec.json.encode(times).decode()}"}

    def begin(self) -> None:
        """A session begins: nothing of what it will publish is known yet."""
        self._told.clear()

    def told(self, station: str, changes: Iterable[Change], *, twice: bool) -> None:
        """What history has said, and the new subscriptions are going to say again: the newest of each node and, once these
        have begun (`twice`), all."""
        for each in changes:
            if twice:
                self._told.setdefault((station, each.k), []).append(_of(each))
            else:
                self._told[station, each.k] = [_of(each)]

    def fresh(self, station: str, changes: list[Change]) -> list[Change]:
        """Without what was told by history, which comes first; from a node's first other value on, everything."""
        if not self._told:
            return changes
        found = []
        for each in changes:
            known = self._told.get((station, each.k))
            if known is None or _of(each) not in known:
                self._told.pop((station, each.k), None)
                found.append(each)
        return found


def _of(change: Change) -> tuple[Any, ...]:
    return change.t, change.v, change.s
