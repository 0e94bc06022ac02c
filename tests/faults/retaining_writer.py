"""A process for a test to kill: one that stores events and samples without end with retention at work all the time, or
one that brings old journals up to date, one after the other.

`python -m tests.faults.retaining_writer retain JOURNAL` prints the head after every commit;
`python -m tests.faults.retaining_writer migrate FOLDER` opens every journal in it, and prints its name before.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from gateway.core import times
from gateway.core.event import Event, Origin
from gateway.core.sample import Quality, Sample
from gateway.journal.holders import Holder
from gateway.journal.packing import PackingSettings
from gateway.journal.retention import RetentionLimits
from gateway.journal.retention_messages import MessageLimit
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.faults.compacting_writer import EAGER

HEARTBEAT, WORK = "CFX.Heartbeat", "CFX.Production.WorkCompleted"
BATCH = 100
SETTINGS = WriterSettings(
    synchronous="normal",
    ballast_bytes=0,
    checkpoint_bytes=1 << 20,
    compaction=EAGER,
    packing=PackingSettings(after_s=None),
    retention=RetentionLimits(
        bytes=2_000_000, messages=(MessageLimit(name=HEARTBEAT, bytes=100_000),), check_s=0.0, rows=40
    ),
)
MIGRATING = WriterSettings(synchronous="full", ballast_bytes=0)


def held(writer: Writer) -> Holder:
    """A sink that is away from the beginning."""
    return writer.holders.register("sink", "plant", budget=300_000, samples=False)


class _Numbers:
    """Always has more."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def take(self, wait_s: float) -> list[int]:
        return [self._writer.head]

    def apply(self, transaction: Transaction, items: Sequence[int]) -> None:
        for head in items:
            at = times.now()
            transaction.samples(
                Sample(station="L1.s", signal="x.t", unit=None, value=n, quality=Quality.GOOD, time=at + n, received=at)
                for n in range(50)
            )
            for number in range(head + 1, head + 1 + BATCH):
                body = b'{"Number":%d,"X":"%b"}' % (number, b"x" * (number % 900))
                event = Event(
                    id=str(uuid.UUID(int=number)),
                    time=at,
                    received=at,
                    message=WORK if number % 5 == 0 else HEARTBEAT,
                    origin=Origin.DERIVED,
                    station="L1.s",
                    line="L1",
                    body=body,
                    raw=body,
                    also_units=(f"PNL-{number % 50}",),
                )
                transaction.append(event, digest=b"d")

    def rolled_back(self) -> None: ...

    def refused(self, item: int, error: Exception) -> int:
        raise error

    def committed(self, items: object, events: object) -> None:
        print(self._writer.head, flush=True)


def main() -> None:
    what, path = sys.argv[1], Path(sys.argv[2])
    if what == "migrate":
        for each in sorted(path.glob("*.db")):
            print(each.name, flush=True)
            writer = Writer(each, site="fab1", gateway="pc", settings=MIGRATING)
            writer.open()
            writer.close()
        return
    writer = Writer(path, site="fab1", gateway="pc", settings=SETTINGS)
    writer.open()
    held(writer)
    writer.run(_Numbers(writer))


if __name__ == "__main__":
    main()
