"""A delivery that changes nothing costs no commit; one that changes anything at all does not lose it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.core.sample import Quality, Sample
from gateway.journal.transaction import Seen, Transaction
from gateway.journal.writer import Writer
from tests.build import bench, message, until
from tests.unit.journal.feed import commit, event, journal

ID = str(uuid.UUID(int=7))
Step = Callable[[Transaction], object]


class Steps:
    """Does each item to the transaction."""

    def __init__(self, *items: Step) -> None:
        self.items = list(items)
        self.done = self.rolled = 0

    def take(self, wait_s: float) -> list[Step]:
        taken, self.items = self.items, []
        return taken

    def apply(self, transaction: Transaction, items: Sequence[Step]) -> None:
        for item in items:
            item(transaction)

    def rolled_back(self) -> None:
        self.rolled += 1

    def refused(self, item: Step, error: Exception) -> Step:
        raise error

    def committed(self, items: Sequence[Step], events: object) -> None:
        self.done += len(items)


def do(writer: Writer, *items: Step) -> Steps:
    feed = Steps(*items)
    writer._store(feed, feed.take(0))
    assert (feed.done, feed.rolled) == (len(items), 0), "it counts as committed either way"
    return feed


def written(writer: Writer) -> tuple[int, int, bytes]:
    """Commits so far, and the WAL: none of it changes without a write."""
    wal = writer.path.with_name(writer.path.name + "-wal")
    return writer.commits, writer.head, wal.read_bytes()


def mark(transaction: Transaction) -> None:
    transaction.mark("broker", 5)


def look(transaction: Transaction) -> None:
    assert transaction.seen([ID]) == {}


def test_marks_alone_cost_no_commit(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(1)])
        before = written(writer)
        do(writer, mark, look)
        assert written(writer) == before
        assert writer.marks() == {}
        do(writer, mark, lambda transaction: transaction.append(event(2)))
        assert writer.commits == before[0] + 1
        assert (writer.head, writer.marks()) == (2, {"broker": 5})


def gap(transaction: Transaction, id_: str = ID) -> None:
    transaction.open_gap(id_, source="broker", station=None, cause="connection", basis="polled", start=1)


def quarantine(transaction: Transaction) -> None:
    transaction.quarantine(
        source="broker", station=None, channel="c", reason="r", detail="d", digest=b"1", size=1, at=1, raw=b"x"
    )  # fmt: skip


def samples(transaction: Transaction) -> None:
    one = Sample(station="s", signal="state", unit=None, value=1, quality=Quality.GOOD, time=1, received=1)
    transaction.samples([one])


EFFECTS: dict[str, Step] = {
    "event": lambda transaction: transaction.append(event(2)),
    "samples": samples,
    "state": lambda transaction: transaction.save_state("s", 1, 1, b"{}"),
    "id": lambda transaction: transaction.remember(ID, Seen("owner", None), 1),
    "position": lambda transaction: transaction.save_position("files", "a.csv", b"1"),
    "gap": lambda transaction: gap(transaction, str(uuid.UUID(int=8))),
    "end of a gap": lambda transaction: transaction.close_gap(ID, end=2, recovered="unknown"),
    "quarantine": quarantine,
    "out of quarantine": lambda transaction: transaction.release(1),
    "marks that were asked for": Transaction.touch,
}


@pytest.mark.parametrize("name", EFFECTS)
def test_anything_else_is_committed_and_its_marks_with_it(tmp_path: Path, name: str) -> None:
    with journal(tmp_path) as writer:
        do(writer, gap, quarantine)
        before = written(writer)
        do(writer, mark, EFFECTS[name])
        after = written(writer)
        assert after[0] == before[0] + 1
        assert after[2] != before[2]
        assert writer.marks() == {"broker": 5}


async def test_a_copy_is_acknowledged_without_a_commit_and_the_supervisors_mark_is_kept(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await made.give(1, message(ID))
        await made.settled()
        before = made.writer.commits
        await made.give(2, message(ID), redelivered=True)
        await until(lambda: made.acks.order == [1, 2])
        assert made.writer.commits == before
        assert made.counter("duplicates") == 1
        await made.ingest.store("gateway", "gateway", [], effect=lambda transaction: transaction.mark("broker", 5))
        assert made.writer.commits == before + 1
        marks = await made.reader.run(lambda c: c.exec_driver_sql("SELECT source, at FROM source_mark").all())
        assert marks == [("broker", 5)]
