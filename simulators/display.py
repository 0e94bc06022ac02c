"""What a simulated machine shows in its registers, value by value, as far as its profile has words for it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Bound, Registers, Table
from gateway.profile.vocabulary import Kind

_PASSING = frozenset(("units.in", "units.out", "unit.in.id", "unit.out.id"))


class Display:
    """values: by signal or alarm key. They begin as the profile's examples, with no alarm active.

    A profile is for one model and can say only so much: a state that is not in its map cannot be shown, as on the
    machine itself. Whoever shows something says in which words, the best first.
    """

    def __init__(self, bound: Bound) -> None:
        if bound.registers is None or not bound.examples:
            raise ValueError(f"{bound.name}: only a profile with registers can be shown")
        self.bound = bound
        self.polls = bound.registers.polls
        self._registers: Registers = bound.registers
        self.values: dict[str, Value] = {**bound.examples, **dict.fromkeys(bound.alarms, False)}
        self._names: dict[str, list[str]] = {}
        for key in bound.signals:
            self._names.setdefault(signal_key(key).name, []).append(key)

    def keys(self, name: str, lane: int | None = None) -> list[str]:
        """Signals of that name: those of the lane and those of none; without a lane, all."""
        return [key for key in self._names.get(name, ()) if signal_key(key).lane in (None, lane) or lane is None]

    def lanes(self) -> list[int | None]:
        """Where units pass, as far as can be told; a machine without lanes has the one that is None."""
        found = {signal_key(key).lane for key in self.bound.signals if signal_key(key).name in _PASSING}
        return [*sorted(lane for lane in found if lane is not None)] or [None]

    def of_kind(self, kind: Kind) -> Iterator[str]:
        return (key for key, signal in self.bound.signals.items() if signal.kind is kind)

    def can_say(self, key: str, value: Value) -> bool:
        try:
            self._registers.encode({key: value})
        except ValueError:
            return False
        return True

    def show(self, name: str, *words: Value, lane: int | None = None) -> None:
        """In all signals of that name, in the first of these words that each has; what has none of them stays."""
        for key in self.keys(name, lane):
            self.say(key, *words)

    def say(self, key: str, *words: Value) -> None:
        """The same for one signal or alarm."""
        for word in words:
            if self.can_say(key, word):
                self.values[key] = word
                return

    def count(self, key: str) -> None:
        """One more in that counter; beyond its end it goes on at 0."""
        value, modulus = self.values[key], self.bound.signals[key].modulus
        assert isinstance(value, int | float), key
        self.say(key, int(value + 1) if modulus is None else int(value + 1) % modulus, 0)

    def contents(self) -> dict[Table, dict[int, int]]:
        """Everything, as it lies in the registers now."""
        return self._registers.encode(self.values)
