"""What a simulated machine shows in its registers, value by value, as far as its profile has words for it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Bound, Registers, Table
from gateway.profile.vocabulary import Kind

_Cells = dict[Table, dict[int, int]]
"""Register or bit contents by address."""
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
        self.registers: Registers = bound.registers
        self.values: dict[str, Value] = {**bound.examples, **dict.fromkeys(bound.alarms, False)}
        self._parts = {key: signal_key(key) for key in bound.signals}
        self._names: dict[str, list[str]] = {}
        for key, parts in self._parts.items():
            self._names.setdefault(parts.name, []).append(key)
        self._encoded: dict[str, tuple[Value, _Cells]] = {}
        self._shared = self._of_several()

    def keys(self, name: str, lane: int | None = None) -> list[str]:
        """Signals of that name: those of the lane and those of none; without a lane, all."""
        return [key for key in self._names.get(name, ()) if lane is None or self._parts[key].lane in (None, lane)]

    def lanes(self) -> list[int | None]:
        """Where units pass, as far as can be told; a machine without lanes has the one that is None."""
        found = {parts.lane for parts in self._parts.values() if parts.name in _PASSING}
        return [*sorted(lane for lane in found if lane is not None)] or [None]

    def of_kind(self, kind: Kind) -> Iterator[str]:
        return (key for key, signal in self.bound.signals.items() if signal.kind is kind)

    def can_say(self, key: str, value: Value) -> bool:
        try:
            self._cells(key, value)
        except ValueError:
            return False
        return True

    def show(self, name: str, *words: Value, lane: int | None = None) -> None:
        """In all signals of that name, in the first of these words that each has; what has none of them stays."""
        for key in self.keys(name, lane):
            self.say(key, *words)

    def say(self, key: str, *words: Value) -> None:
        """The same for one signal or alarm. Of two that mean the same register, what was said last is in it."""
        for word in words:
            if self.can_say(key, word):
                self.values.pop(key)
                self.values[key] = word
                return

    def count(self, key: str) -> None:
        """One more in that counter; beyond its end it goes on at 0."""
        value, modulus = self.values[key], self.bound.signals[key].modulus
        assert isinstance(value, int | float), key
        self.say(key, int(value + 1) if modulus is None else int(value + 1) % modulus, 0)

    def contents(self) -> _Cells:
        """Everything, as it lies in the registers now."""
        found = self.registers.encode({key: value for key, value in self.values.items() if key in self._shared})
        for key, value in self.values.items():
            if key not in self._shared:
                for table, cells in self._cells(key, value).items():
                    found.setdefault(table, {}).update(cells)
        return found

    def _cells(self, key: str, value: Value) -> _Cells:
        """Of one alone; worked out again only when it differs, for most never do. Raises ValueError."""
        known = self._encoded.get(key)
        if known is None or type(known[0]) is not type(value) or known[0] != value:
            known = self._encoded[key] = (value, self.registers.encode({key: value}))
        return known[1]

    def _of_several(self) -> frozenset[str]:
        """Signals and alarms that have a register in common with others."""
        users: dict[tuple[Table, int], list[str]] = {}
        for key, value in self.values.items():
            for table, cells in self._cells(key, value).items():
                for address in cells:
                    users.setdefault((table, address), []).append(key)
        return frozenset(key for keys in users.values() if len(keys) > 1 for key in keys)
