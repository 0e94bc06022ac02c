"""A profile for a machine that is played faster than life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gateway.core.sample import Value
from gateway.profile.bound import Block, Bound, Poll, Registers, Table, Values

_SHORTEST_S = 0.02
"""Between two reads of the same registers: no machine is asked more often, however fast it is played."""


def quicker(bound: Bound, speed: float) -> Bound:
    """The same profile with its times divided by `speed`: how often is looked, and how long something must last.

    Below 1 nothing changes: a machine that is played slowly is not looked at more seldom.
    """
    if speed <= 1.0:
        return bound
    signals = {key: replace(signal, debounce=round(signal.debounce / speed)) for key, signal in bound.signals.items()}
    alarms = {key: replace(alarm, debounce=round(alarm.debounce / speed)) for key, alarm in bound.alarms.items()}
    registers = None if bound.registers is None else _Quicker(bound.registers, speed)
    return replace(bound, signals=signals, alarms=alarms, registers=registers)


class _Quicker:
    """The same registers, read more often."""

    def __init__(self, registers: Registers, speed: float) -> None:
        self._registers = registers
        self.polls: tuple[Poll, ...] = tuple(
            replace(poll, every_s=max(poll.every_s / speed, min(poll.every_s, _SHORTEST_S))) for poll in registers.polls
        )

    def decode(self, poll: str, blocks: Sequence[Block]) -> Values:
        return self._registers.decode(poll, blocks)

    def encode(self, values: Mapping[str, Value]) -> dict[Table, dict[int, int]]:
        return self._registers.encode(values)
