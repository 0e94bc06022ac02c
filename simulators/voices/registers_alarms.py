"""Faults as a machine with registers shows them: by the alarms that its profile has, and by the code of the one active."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Alarm
from simulators.display import Display
from simulators.model.facts import FaultRaised
from simulators.voices.glimpses import Glimpse, Place
from simulators.voices.registers_words import picked

_PATIENT = 2_000_000
"""Microseconds. An alarm that has to last longer to count may rightly be missing, however fast the line is played."""
_NOTHING: tuple[Value, ...] = ("", None)


class Change(NamedTuple):
    """What a gateway sees begin or end. needs: what must have been seen for it."""

    raised: bool
    code: str
    lane: int | None
    needs: tuple[Glimpse, ...]


class Alarms:
    """A fault that the profile does not know is shown as one of its alarms, always the same for the same code: of its
    severity if there is one, of those that count at once if there is one."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._active: dict[str, Alarm | str] = {}
        self._raised: dict[str, Glimpse] = {}
        self._places: dict[str, Place] = {}

    def raised(self, fact: FaultRaised) -> Iterator[Change]:
        alarm = self._alarm(fact)
        self._active[fact.occurrence] = fact.code if alarm is None else alarm
        if alarm is not None and self._display.values[alarm.key] is not True:
            self._display.say(alarm.key, True)
            if self._display.values[alarm.key] is True:
                self._raised[alarm.key] = self._place(alarm.key).show(True, fact.at)
                yield Change(True, alarm.code, alarm.lane, self._seen(alarm, fact.at))
        yield from self._codes(fact.at, fact.lane)

    def cleared(self, occurrence: str, at: float) -> Iterator[Change]:
        alarm = self._active.pop(occurrence, None)
        if isinstance(alarm, Alarm) and alarm not in self._active.values():
            self._display.say(alarm.key, False)
            over = self._place(alarm.key).show(False, at)
            yield Change(False, alarm.code, alarm.lane, (*self._seen(alarm, at), over))
        if alarm is not None:
            yield from self._codes(at, None)

    def _alarm(self, fact: FaultRaised) -> Alarm | None:
        alarms = [each for each in self._display.bound.alarms.values() if fact.lane is None or each.lane in (None, fact.lane)]  # fmt: skip
        known = next((each for each in alarms if each.code == fact.code), None)
        if known is not None or not alarms:
            return known
        alike = [each for each in alarms if each.severity == fact.severity] or alarms
        prompt = [each for each in alike if each.debounce < _PATIENT] or alike
        by_key = {each.key: each for each in prompt}
        return by_key[picked(fact.code, by_key) or prompt[0].key]

    def _place(self, key: str) -> Place:
        return self._places.setdefault(key, Place())

    def _seen(self, alarm: Alarm, at: float) -> tuple[Glimpse, ...]:
        """That it was on; and never for certain, when it has to last longer than anybody knows here."""
        if alarm.debounce < _PATIENT:
            return (self._raised[alarm.key],)
        never = Glimpse(True, at)
        never.until = at
        return (never,)

    def _codes(self, at: float, lane: int | None) -> Iterator[Change]:
        """Of the newest fault, where a register has its code."""
        codes = [each.code if isinstance(each, Alarm) else each for each in reversed(self._active.values())]
        for key in self._display.keys("fault.code", lane):
            before = self._display.values[key]
            self._display.say(key, *codes, *_NOTHING)
            now = self._display.values[key]
            if now == before:
                continue
            shown, where = self._place(key), signal_key(key).lane
            gone = self._raised.pop(key, None)
            seen = shown.show(now, at)
            if before:
                yield Change(False, str(before), where, (seen,) if gone is None else (gone, seen))
            if now:
                self._raised[key] = seen
                yield Change(True, str(now), where, (seen,))
