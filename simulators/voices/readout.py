"""What can be read of a machine with registers, change by change: with what samples of it are compared."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.sample import Value
from gateway.profile.bound import Bound, Registers, Table
from gateway.profile.registers import answer
from simulators.voices.voice import Looked, Showing

_NEVER = object()


class Readout:
    """Reads registers as a gateway with the same profile does, so that what a register cannot hold is not expected.

    looked_at: the signals that it reads. Alarms are none: their events tell.
    """

    def __init__(self, station: str, bound: Bound, registers: Registers) -> None:
        self._station = station
        self._registers = registers
        self._last: dict[str, Value | object] = {}
        self.looked_at: dict[str, Looked] = {}
        for poll in registers.polls:
            for key in registers.decode(poll.name, ())[0]:
                if (signal := bound.signals.get(key)) is not None:
                    self.looked_at[key] = Looked(every=poll.every_s, deadband=signal.deadband)

    def read(self, at: float, contents: Mapping[Table, Mapping[int, int]] | None) -> tuple[Showing, ...]:
        """What is not as it was before. contents: of all registers; None while nobody gets an answer."""
        now = dict.fromkeys(self.looked_at) if contents is None else self._values(contents)
        changed = {key: value for key, value in now.items() if self._last.get(key, _NEVER) != value}
        self._last.update(changed)
        return (Showing(station=self._station, at=at, values=changed),) if changed else ()

    def _values(self, contents: Mapping[Table, Mapping[int, int]]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for poll in self._registers.polls:
            keys, values = self._registers.decode(poll.name, [answer(poll, contents)])
            found.update((key, value) for key, value in zip(keys, values, strict=True) if key in self.looked_at)
        return found
