"""A process that stores numbered events without end and files and packs them at once, for a test to kill.

Prints the number of the last event after every commit. `python -m tests.faults.packing_writer JOURNAL`
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from gateway.core.event import Event
from gateway.journal.compactor import CompactionSettings
from gateway.journal.packing import PackingSettings
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.feed import event

EAGER = PackingSettings(after_s=-1e9, patience_s=-1e9, least=200, learn=400, rows=100)


def numbered(number: int) -> Event:
    """The event with this number; one in a hundred is large."""
    return event(number, size=5000 if number % 100 == 0 else 100 + number % 400, at=1_790_000_000_000_000 + number)


class _Numbers:
    """Always has more."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._draw = random.Random()
        self._rest = threading.Event()

    def take(self, wait_s: float) -> list[int]:
        self._rest.wait(0.002)  # or the packing thread would hardly come to anything
        first, self._last = self._last + 1, self._last + self._draw.choice([1, 20, 200])
        return list(range(first, self._last + 1))

    def apply(self, transaction: Transaction, items: Sequence[int]) -> None:
        for number in items:
            transaction.append(numbered(number))

    def rolled_back(self) -> None: ...

    def refused(self, item: int, error: Exception) -> int:
        raise error

    def committed(self, items: object, events: object) -> None:
        print(self._last, flush=True)


def main() -> None:
    compaction = CompactionSettings(check_s=0.01, share=1.0)
    settings = WriterSettings(
        synchronous="normal", ballast_bytes=0, checkpoint_bytes=1 << 20, compaction=compaction, packing=EAGER
    )
    writer = Writer(Path(sys.argv[1]), site="fab1", gateway="pc", settings=settings)
    writer.open()
    print("open", flush=True)
    writer.run(_Numbers(writer.head))


if __name__ == "__main__":
    main()
