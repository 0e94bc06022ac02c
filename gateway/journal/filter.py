"""Which events a reader wants: the same rule over stored and live ones."""

from __future__ import annotations

import msgspec

from gateway.core.event import Event
from gateway.core.times import Micros


class Choice(msgspec.Struct, frozen=True):
    """Values wanted (any of them; empty: all) and values not wanted."""

    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wanted or self.unwanted)

    def accepts(self, value: str | None) -> bool:
        if self.unwanted and any(_fits(pattern, value) for pattern in self.unwanted):
            return False
        return not self.wanted or any(_fits(pattern, value) for pattern in self.wanted)


def _fits(pattern: str, value: str | None) -> bool:
    if value is None:
        return False
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Positive values of one field = or, every unwanted value = and not, different fields = and.

    A message pattern ending in `*` is a prefix. start is inclusive, end exclusive, both on the event's `time`.
    """

    line: Choice = Choice()
    station: Choice = Choice()
    message: Choice = Choice()
    unit: Choice = Choice()
    origin: Choice = Choice()
    start: Micros | None = None
    end: Micros | None = None

    @property
    def everything(self) -> bool:
        return self == _EVERYTHING

    def accepts(self, event: Event) -> bool:
        if self.line and not self.line.accepts(event.line):
            return False
        if self.station and not self.station.accepts(event.station):
            return False
        if self.message and not self.message.accepts(event.message):
            return False
        if self.origin and not self.origin.accepts(event.origin):
            return False
        if self.start is not None and event.time < self.start:
            return False
        if self.end is not None and event.time >= self.end:
            return False
        if self.unit:
            units = {*event.units, *event.also_units}
            if self.unit.unwanted and not units.isdisjoint(self.unit.unwanted):
                return False
            if self.unit.wanted and units.isdisjoint(self.unit.wanted):
                return False
        return True


_EVERYTHING = Filter()
