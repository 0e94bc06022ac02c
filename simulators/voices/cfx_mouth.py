"""How a machine that speaks CFX gets its messages out: their numbers, copies, and the network that fails it.

It also knows what the gateway is to make of each: an event of the same id, time, units and lane.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec

from simulators.marks import Body
from simulators.voices.cfx_message import Link, Message, Output, Spoken
from simulators.voices.voice import Said, Told

_SPACE = UUID("3a8f6a52-9d0e-5a39-8f0e-52c7d9b1a604")
"""Namespace of all that simulated machines number."""
CLONED = "f3b1c1d4-6a0e-4f57-9f2e-0d6a1c2b3e4f"
"""The UniqueID of machines that send the same one with every message."""
HEARTBEAT = "CFX.Heartbeat"
_TRANSACTIONS = 64
"""So many transactions of a station, the newest, the gateway remembers with their lanes."""


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """What is peculiar about how one machine speaks. Times in virtual seconds.

    heartbeat_s: between heartbeats. count_only: it has no reader, and names no unit. copies: share of its messages that
    it sends twice, byte for byte. constant_id: every message has the same UniqueID; then there are no copies, for
    nobody could tell a copy from a second message. outage_every_s: mean time between losses of its network (None: there
    are none), each lasting a time within outage_s. zone: it writes its local time of this IANA zone, without saying so.
    """

    heartbeat_s: float = 60.0
    count_only: bool = False
    copies: float = 0.0
    constant_id: bool = False
    outage_every_s: float | None = None
    outage_s: tuple[float, float] = (60.0, 240.0)
    zone: str | None = None


class _Series:
    """number: of the newest in it. rng: for which of them are sent twice."""

    def __init__(self, seed: str) -> None:
        self.number = 0
        self.rng = random.Random(seed)


class Mouth:
    """Of one machine. What it says is collected until `said` takes it. link_due: when its network comes or goes next."""

    def __init__(self, station: str, handle: str, seed: int, manner: Manner) -> None:
        self.station = station
        self.handle = handle
        self._manner = manner
        self._space = uuid5(_SPACE, f"{seed}/{station}")
        self._zone = None if manner.zone is None else ZoneInfo(manner.zone)
        self._links = random.Random(f"{seed}/{station}/outages")
        # heartbeats are numbered apart: how many there are depends on how fast the line is played
        self._messages, self._beats = _Series(f"{seed}/{station}/mouth"), _Series(f"{seed}/{station}/heart")
        self._lanes: OrderedDict[str, int | None] = OrderedDict()
        self._outputs: list[Output] = []
        self._told: list[Told] = []
        self._down_until: float | None = None
        self.link_due: float | None = None

    def guid(self, what: str) -> str:
        """Always the same of the same machine, seed and thing."""
        return str(uuid5(self._space, what))

    def say(self, message: Message, at: float, now: float, values: Body | None = None) -> None:
        """at: virtual second of its time stamp. now: when it is really said. values: what is to be compared of the body."""
        beat = message.name == HEARTBEAT
        series = self._beats if beat else self._messages
        series.number += 1
        constant = self._manner.constant_id
        unique_id = CLONED if constant else self.guid(f"{'beat ' if beat else ''}{series.number}")
        spoken = Spoken(
            source=self.handle, name=message.name, body=message.body, unique_id=unique_id, at=at, zone=self._zone
        )
        self._outputs.append(spoken)
        if self._manner.copies > 0 and series.rng.random() < self._manner.copies and not constant:
            self._outputs.append(spoken)
        lane = self._lane(message.body)
        if beat:
            return
        self._told.append(
            Told(
                station=self.station,
                message=message.name,
                at=at,
                seen=now if self._down_until is None else max(now, self._down_until),
                units=units_of(message.body),
                lane=lane,
                values=values or {},
                unique_id=None if constant else unique_id,
            )
        )

    def said(self) -> Said[Output]:
        """All since the last time."""
        said = Said(tuple(self._outputs), tuple(self._told))
        self._outputs, self._told = [], []
        return said

    def connect(self, at: float) -> None:
        """The machine is on: from now on its network can fail."""
        if self._manner.outage_every_s is not None and self.link_due is None:
            self._plan_outage(at)

    def turn_link(self, at: float) -> None:
        """What was due at `at` happens: the network goes, or comes back."""
        if self._down_until is not None:
            self.restore(at)
            return
        self._outputs.append(Link(False))
        self.link_due = self._down_until = at + self._links.uniform(*self._manner.outage_s)

    def restore(self, at: float) -> None:
        """If the network is gone, it is there again."""
        if self._down_until is not None:
            self._outputs.append(Link(True))
            self._down_until = None
            self._plan_outage(at)

    def _plan_outage(self, at: float) -> None:
        assert self._manner.outage_every_s is not None
        self.link_due = at + self._links.uniform(0.5, 1.5) * self._manner.outage_every_s

    def _lane(self, body: Body) -> int | None:
        """What the body says, else what was said before about its transaction."""
        fault = body.get("Fault") or body.get("RelatedFault") or {}
        lane = body.get("Lane")
        lane = fault.get("Lane") if lane is None else lane
        transaction = body.get("TransactionID") or body.get("TransactionId") or fault.get("TransactionID")
        if transaction is None:
            return _int(lane)
        lane = self._lanes.get(transaction) if lane is None else lane
        self._lanes[transaction] = lane
        self._lanes.move_to_end(transaction)
        if len(self._lanes) > _TRANSACTIONS:
            self._lanes.popitem(last=False)
        return _int(lane)


def _int(lane: Any) -> int | None:
    return lane if isinstance(lane, int) else None


def units_of(body: Body) -> tuple[str, ...]:
    """The identifiers of units, panels and stencils in a body, each once; the panel first where the boards have others."""
    found = [each for each in _identifiers(body) if each]
    primary = body.get("PrimaryIdentifier")
    if primary and primary not in found:
        found.insert(0, primary)
    return tuple(dict.fromkeys(found))


def _identifiers(value: Any) -> Iterator[str | None]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _identifiers(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("UnitIdentifier", "InstalledUnitIdentifier"):
                yield item
            elif key == "Stencil":
                yield item["UniqueIdentifier"]
            elif isinstance(item, dict | list | tuple):
                yield from _identifiers(item)
