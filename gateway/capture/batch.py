"""What goes from ingest to a recorder's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.capture.form import Known, KnownId, KnownPosition, Remembered
from gateway.classes import native
from gateway.classes.state import Look
from gateway.core.event import Event
from gateway.core.frame import Delivery
from gateway.core.observation import Observation
from gateway.core.times import Micros
from gateway.journal.transaction import Recalled

_look = msgspec.msgpack.Encoder().encode
States = tuple[Mapping[str, native.State], Mapping[str, Look]]


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A delivery that was stepped. observations: only where somebody has to look into them."""

    protocol: str
    delivery: Delivery
    observations: Sequence[Observation] = ()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Of one commit, at that time. own: events that no frame led to. size: bytes that it holds in memory, about."""

    at: Micros
    frames: Sequence[Taken]
    events: Sequence[Event]
    own: Sequence[Event]
    recalled: Recalled
    size: int


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered, at that time."""

    at: Micros
    connection: str
    protocol: str
    channel: str
    payload: bytes


class Missed:
    """Frames that found no room."""

    def __init__(self) -> None:
        self.frames = self.bytes = 0
        self.since: Micros | None = None
        self.until: Micros = 0

    def add(self, frames: Sequence[Taken]) -> None:
        for taken in frames:
            frame = taken.delivery.frame
            self.frames += 1
            self.bytes += len(frame.payload)
            self.since = frame.received if self.since is None else min(self.since, frame.received)
            self.until = max(self.until, frame.received)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Between two commits: what the stations had come to. missed: what is missing before it."""

    at: Micros
    states: States
    missed: Missed | None = None


def known(recalled: Recalled) -> Known | None:
    if not recalled.ids and not recalled.positions:
        return None
    return Known(
        tuple(KnownId(id_, seen.owner, seen.digest, seen.repeats, seen.reused) for id_, seen in recalled.ids.items()),
        tuple(KnownPosition(source, key, value) for (source, key), value in recalled.positions.items()),
    )


def remembered(states: States) -> dict[str, Remembered]:
    """As a file has it."""
    classes, looks = states
    return {
        station: Remembered(
            version=native.VERSION,
            state=native.save(classes.get(station, native.EMPTY)),
            look=_look(looks[station]) if station in looks else b"",
        )
        for station in sorted(classes.keys() | looks.keys())
    }
