"""Two records of the same events: which of them differ, and in what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from gateway.replay.align import Aligner, Keys
from gateway.replay.told import Field, Told


class Kind(StrEnum):
    CHANGED = "changed"  # both have it, and do not say the same
    MISSING = "missing"  # only the first has it
    EXTRA = "extra"  # only the second


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """About one event. id, time: of the first where it has it. fields: in what they differ."""

    kind: Kind
    station: str
    message: str
    units: tuple[str, ...]
    id: str
    time: str
    fields: tuple[Field, ...] = ()


class Count(msgspec.Struct):
    """Events of one station. same: those that say the same; renamed: of them, how many with other ids."""

    same: int = 0
    renamed: int = 0
    changed: int = 0
    missing: int = 0
    extra: int = 0

    def add(self, other: Count) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def differing(self) -> int:
        return self.changed + self.missing + self.extra


Judge = Callable[[Told, Told], tuple[Sequence[Field], bool]]
"""In what two differ that are the same event, and whether they do so in ids alone that stand for each other."""


class Comparing:
    """Takes both sides as they are read, about as fast as each other (`ahead`); station by station, in bounded memory.

    stations: by id. differences: the first ones, as many as are kept. Complete after `finish`.
    """

    def __init__(self, keys: Keys[Told], judge: Judge, *, keep: int) -> None:
        self._keys = keys
        self._judge = judge
        self._keep = keep
        self._aligners: dict[str, Aligner[Told]] = {}
        self.stations: dict[str, Count] = {}
        self.differences: list[Difference] = []

    def first(self, one: Told) -> None:
        self._aligner(one.station).first(one)

    def second(self, one: Told) -> None:
        self._aligner(one.station).second(one)

    def settle(self) -> None:
        """Now and then: what can be said by now."""
        for station, aligner in self._aligners.items():
            for was, now in aligner.pairs():
                self._pair(station, was, now)

    def finish(self) -> None:
        self.settle()
        for station, aligner in self._aligners.items():
            for was, now in aligner.rest():
                self._pair(station, was, now)

    @property
    def ahead(self) -> int:
        """By how many events the first side has been read further than the second, in stations that both have."""
        return sum(aligner.ahead for aligner in self._aligners.values())

    @property
    def total(self) -> Count:
        made = Count()
        for count in self.stations.values():
            made.add(count)
        return made

    def _aligner(self, station: str) -> Aligner[Told]:
        found = self._aligners.get(station)
        if found is None:
            found = self._aligners[station] = Aligner(self._keys)
            self.stations[station] = Count()
        return found

    def _pair(self, station: str, was: Told | None, now: Told | None) -> None:
        count = self.stations[station]
        fields: Sequence[Field] = ()
        if was is None:
            kind = Kind.EXTRA
            count.extra += 1
        elif now is None:
            kind = Kind.MISSING
            count.missing += 1
        else:
            fields, renamed = self._judge(was, now)
            if not fields:
                count.same += 1
                count.renamed += renamed
                return
            kind = Kind.CHANGED
            count.changed += 1
        one = was or now
        assert one is not None
        if len(self.differences) < self._keep:
            self.differences.append(
                Difference(
                    kind=kind,
                    station=station,
                    message=one.message,
                    units=one.units,
                    id=one.id,
                    time=one.time,
                    fields=tuple(fields),
                )
            )
