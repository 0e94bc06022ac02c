"""A process that stores numbered samples without end and compacts them all the time, for a test to kill.

Prints the number of the last sample after every commit. `python -m tests.faults.compacting_writer JOURNAL`
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from gateway.core.sample import Quality, Sample
from gateway.journal.compactor import CompactionSettings
from gateway.journal.sample_state import newest
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings

SIGNALS = 7
EAGER = CompactionSettings(
    most=1000, older_s=1e10, rest_s=-1e9, settled_s=-1e9, check_s=0.01, merge_check_s=0.5, rows=100, share=1.0
)


def numbered(n: int) -> Sample:
    """The sample with this number. One in fifty is late, by as much as two days."""
    late = (n * 7919 % 172_800) * 1_000_000 if n % 50 == 0 else 0
    time = 1_790_000_000_000_000 + n * 250_000 - late
    signal = f"zone.temperature[{n % SIGNALS + 1}]"
    value = float(n) if n % 3 else str(n)
    return Sample(
        station="L1.reflow",
        signal=signal,
        unit=None,
        value=value,
        quality=Quality.GOOD,
        time=time,
        received=time + n % 9,
    )


class _Numbers:
    """Always has more."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._draw = random.Random()
        self._rest = threading.Event()

    def take(self, wait_s: float) -> list[list[Sample]]:
        self._rest.wait(0.003)  # or the compacting thread would hardly come to anything
        count = self._draw.choice([1, 50, 400])
        samples = [numbered(n) for n in range(self._last + 1, self._last + 1 + count)]
        self._last += count
        return [samples]

    def apply(self, transaction: Transaction, items: Sequence[list[Sample]]) -> None:
        for samples in items:
            transaction.samples(samples)

    def rolled_back(self) -> None: ...

    def refused(self, item: list[Sample], error: Exception) -> list[Sample]:
        raise error

    def committed(self, items: object, events: object) -> None:
        print(self._last, flush=True)


def main() -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, checkpoint_bytes=1 << 20, compaction=EAGER)
    writer = Writer(Path(sys.argv[1]), site="fab1", gateway="pc", settings=settings)
    writer.open()
    print("open", flush=True)
    writer.run(_Numbers(newest(writer._open)))


if __name__ == "__main__":
    main()
