"""Samples in the journal: what comes out is what went in, numbers without holes, ranges without an index."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import CursorGone
from gateway.core.sample import Quality, Sample, Value
from gateway.journal import database
from gateway.journal.reader import Reader
from gateway.journal.sample_reader import SamplePage, SampleReader
from gateway.journal.sample_state import GONE, set_state
from gateway.journal.samples import BLOCK
from gateway.journal.schema import MIGRATIONS
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer
from tests.unit.journal.feed import ListFeed, commit, event, journal, read

STATION = "L1.reflow"


def sample(
    value: Value = 1.0,
    time: int = 0,
    *,
    station: str = STATION,
    signal: str = "zone.temperature[1]",
    unit: str | None = "Cel",
    quality: Quality = Quality.GOOD,
) -> Sample:
    return Sample(station=station, signal=signal, unit=unit, value=value, quality=quality, time=time, received=time + 7)


class SampleFeed:
    """Commits each list of samples as one item; fails while `failures` lasts."""

    def __init__(self, *items: Sequence[Sample]) -> None:
        self.items = list(items)
        self.failures: list[Exception] = []
        self.refusals: list[str] = []

    def take(self, wait_s: float) -> list[Sequence[Sample]]:
        taken, self.items = self.items, []
        return taken

    def apply(self, transaction: Transaction, items: Sequence[Sequence[Sample]]) -> None:
        for item in items:
            transaction.samples(item)
        if self.failures:
            transaction.flush()  # everything is in the tables, and none of it must stay
            raise self.failures.pop()

    def rolled_back(self) -> None: ...

    def refused(self, item: Sequence[Sample], error: Exception) -> Sequence[Sample]:
        self.refusals.append(str(error))
        return []

    def committed(self, items: object, events: object) -> None: ...


def store(writer: Writer, *items: Sequence[Sample], failures: Sequence[Exception] = ()) -> SampleFeed:
    feed = SampleFeed(*items)
    feed.failures = list(failures)
    writer._store(feed, feed.take(0))
    return feed


@contextmanager
def reading(writer: Writer, *, scan: int = 200_000) -> Iterator[SampleReader]:
    reader = Reader(writer.path, threads=1)
    try:
        yield SampleReader(reader, scan=scan)
    finally:
        reader.close()


async def page(writer: Writer, signal: str = "zone.temperature[1]", **more: int | bool) -> SamplePage:
    with reading(writer) as samples:
        found = await samples.page(STATION, signal, **more)  # type: ignore[arg-type]
    assert found is not None
    return found


def numbers(writer: Writer) -> list[int]:
    return list(writer._open.exec_driver_sql("SELECT n FROM sample ORDER BY n").scalars())


def blocks(writer: Writer) -> list[tuple[int, int]]:
    rows = writer._open.exec_driver_sql("SELECT first, last FROM sample_block ORDER BY last")
    return [(first, last) for first, last in rows]


VALUES: list[Value] = [
    0.0, -0.0, 150.25, 5e-324, 1.7976931348623157e308, 60.0, 0, 1, -1, 2**63 - 1, -(2**63),
    True, False, None, "", "PRD_RegularWork", "1", "µ°C \x00 \U0001f525", "x" * 5000,
]  # fmt: skip


async def test_a_value_comes_out_as_it_went_in(tmp_path: Path) -> None:
    made = [sample(value, time) for time, value in enumerate(VALUES)]
    with journal(tmp_path) as writer:
        store(writer, made)
        found = await page(writer)
        assert [(type(value), repr(value)) for value in found.values] == [(type(v), repr(v)) for v in VALUES]
        assert (found.unit, found.next, found.more) == ("Cel", len(VALUES), False)
        received = writer._open.exec_driver_sql("SELECT received - time FROM sample").scalars().all()
        assert set(received) == {7}


async def test_every_quality_comes_out_as_it_went_in(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample(None, quality=quality) for quality in Quality])
        assert (await page(writer)).qualities == list(Quality)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused_and_nothing_else(tmp_path: Path, value: float) -> None:
    with journal(tmp_path) as writer:
        feed = store(writer, [sample(1.0)], [sample(value)], [sample(2.0), sample(3.0)])
        assert len(feed.refusals) == 1
        assert "zone.temperature[1]" in feed.refusals[0]
        rows = writer._open.exec_driver_sql("SELECT n, value FROM sample ORDER BY n").all()
        assert rows == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_samples_and_events_are_one_commit(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        feed = ListFeed([event(1)])
        failures = [DatabaseError("COMMIT", None, Exception("disk I/O error"))]

        def step(transaction: Transaction, item: object) -> None:
            transaction.samples([sample()])
            if failures:
                transaction.flush()
                raise failures.pop()

        feed.during = step
        writer._store(feed, feed.take(0))
        assert (feed.rolled, numbers(writer), [e.seq for e in read(writer)]) == (1, [1], [1])


def test_a_rollback_leaves_nothing_and_no_hole(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample()] * (BLOCK - 1))
        feed = store(writer, [sample(signal="new")] * 2, failures=[ValueError("a step failed")])
        assert feed.refusals == ["a step failed"]
        assert numbers(writer) == list(range(1, BLOCK))
        assert blocks(writer) == []
        assert writer._open.exec_driver_sql("SELECT signal FROM series").scalars().all() == ["zone.temperature[1]"]
        store(writer, [sample(signal="new")] * 2, failures=[DatabaseError("COMMIT", None, Exception("disk I/O error"))])
        assert numbers(writer) == list(range(1, BLOCK + 2))
        assert blocks(writer) == [(1, BLOCK)]
        found = "SELECT n, signal FROM sample JOIN series ON id = series WHERE n >= ?"
        assert writer._open.exec_driver_sql(found, (BLOCK,)).all() == [(BLOCK, "new"), (BLOCK + 1, "new")]


def test_numbers_and_blocks_go_on_after_a_restart(tmp_path: Path) -> None:
    total = 0
    for size in (1, BLOCK - 2, 3, 2 * BLOCK + 5, 1):
        with journal(tmp_path) as writer:
            store(writer, [sample()] * size)
            total += size
            assert numbers(writer) == list(range(1, total + 1))
            assert blocks(writer) == [(n * BLOCK + 1, (n + 1) * BLOCK) for n in range(total // BLOCK)]


async def test_no_number_comes_again_when_all_blocks_are_removed_but_the_newest_ones_row(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample()] * (2 * BLOCK))
        writer._open.exec_driver_sql("DELETE FROM sample")
        writer._open.exec_driver_sql("DELETE FROM sample_block WHERE last = ?", (BLOCK,))
        set_state(writer._open, GONE, 2 * BLOCK)
    with journal(tmp_path) as writer:
        with reading(writer) as samples:
            assert await samples.bounds(STATION, "zone.temperature[1]") == (2 * BLOCK + 1, 2 * BLOCK)
        store(writer, [sample(5.0)])
        assert numbers(writer) == [2 * BLOCK + 1]
        with pytest.raises(CursorGone) as gone:
            await page(writer, after=BLOCK)
        assert gone.value.reason == "expired"
        with pytest.raises(CursorGone):
            await page(writer, after=0, exact=True)
        assert (await page(writer, after=0)).values == [5.0]


async def test_a_position_that_is_not_there_yet_is_refused(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample()])
        assert (await page(writer, after=1)).values == []
        with pytest.raises(CursorGone) as gone:
            await page(writer, after=2)
        assert gone.value.reason == "future"


async def test_a_series_is_station_signal_and_unit(tmp_path: Path) -> None:
    made = [
        sample(),
        sample(unit="K"),
        sample(unit=None),
        sample("on", signal="state", unit=None),
        sample(station="L1.printer"),
    ]
    for _ in range(2):
        with journal(tmp_path) as writer:
            store(writer, made)
            store(writer, made)
            assert writer._open.exec_driver_sql("SELECT count(*) FROM series").scalar() == len(made)
            with reading(writer) as samples:
                assert [(one.signal, one.unit) for one in await samples.series(STATION)] == [
                    ("zone.temperature[1]", "Cel"),
                    ("zone.temperature[1]", "K"),
                    ("zone.temperature[1]", None),
                    ("state", None),
                ]
                assert await samples.series("L1.none") == []
                assert await samples.page("L1.printer", "state") is None


async def test_a_page_ends_where_the_unit_changes(tmp_path: Path) -> None:
    units = ["Cel", "Cel", "K", "K", "Cel"]
    with journal(tmp_path) as writer:
        store(writer, [sample(float(at), unit=unit) for at, unit in enumerate(units)])
        found = [await page(writer)]
        while found[-1].more:
            found.append(await page(writer, after=found[-1].next))
        assert [(one.unit, one.values) for one in found] == [("Cel", [0.0, 1.0]), ("K", [2.0, 3.0]), ("Cel", [4.0])]
        assert (await page(writer, after=5)).unit == "K", "an empty page has the unit of the newest series"


async def test_a_page_looks_at_a_bounded_number_of_samples(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(
            writer,
            [sample(9.0, signal="other"), *[sample(time=n) for n in range(3 * BLOCK)], sample(8.0, signal="other")],
        )
        with reading(writer, scan=BLOCK) as samples:
            walked, after, more = [], 0, True
            while more:
                found = await samples.page(STATION, "other", after=after)
                assert found is not None
                walked.append((found.values, found.next))
                after, more = found.next, found.more
        assert walked == [([9.0], BLOCK), ([], 2 * BLOCK), ([8.0], 3 * BLOCK + 2)]


async def test_a_stretch_may_begin_and_end_with_a_block(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample(time=time) for time in range(1, 3 * BLOCK + 1)])
        assert (await page(writer, start=BLOCK, end=2 * BLOCK + 2, limit=9999)).times == list(
            range(BLOCK, 2 * BLOCK + 2)
        )
        assert (await page(writer, start=BLOCK, end=BLOCK + 1)).times == [BLOCK]
        assert (await page(writer, start=BLOCK + 1, end=BLOCK + 1)).times == []


@pytest.mark.parametrize("seed", range(6))
async def test_a_stretch_of_time_is_what_looking_at_every_sample_finds(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"zone.temperature[{n}]" for n in range(1, 4)]
    everything: list[Sample] = []
    clock = 0
    with journal(tmp_path) as writer:
        while len(everything) < 5 * BLOCK:
            batch = []
            for _ in range(chance.choice([1, 3, 50, 700, 2300])):
                clock += 10
                late = chance.choice([0, 0, 0, 5_000, 40_000])  # a machine that empties its buffer: time goes back
                value = chance.choice([clock / 7, clock, True, None, str(clock)])
                batch.append(sample(value, clock - late, signal=chance.choice(names)))
            store(writer, batch)
            everything += batch
        with reading(writer, scan=chance.choice([1, 2 * BLOCK, 10**6])) as samples:
            for _ in range(25):
                start, end = (chance.choice([None, chance.randint(-50_000, clock + 100)]) for _ in range(2))
                after, limit, name = (
                    chance.randint(0, len(everything)),
                    chance.choice([1, 7, 400, 10_000]),
                    chance.choice(names),
                )
                if limit < 400:
                    after = max(after, len(everything) - 300)
                wanted = [
                    (one.time, one.value)
                    for one in everything[after:]
                    if one.signal == name and (start is None or one.time >= start) and (end is None or one.time < end)
                ]
                got: list[tuple[int, Value]] = []
                more = True
                while more:
                    found = await samples.page(STATION, name, start=start, end=end, after=after, limit=limit)
                    assert found is not None
                    assert len(found.times) <= limit
                    assert found.next > after or not found.more
                    got += zip(found.times, found.values, strict=True)
                    after, more = found.next, found.more
                assert got == wanted


def test_a_journal_from_before_samples_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(database, "MIGRATIONS", MIGRATIONS[:1])
        with journal(tmp_path) as writer:
            made, old = event(1), writer.journal
            commit(writer, [made])
            tables = writer._open.exec_driver_sql("SELECT count(*) FROM sqlite_schema WHERE name = 'sample'")
            assert tables.scalar() == 0
    with journal(tmp_path) as writer:
        assert writer.journal == old
        assert writer._open.exec_driver_sql("PRAGMA user_version").scalar() == len(MIGRATIONS)
        store(writer, [sample()] * (BLOCK + 1))
        assert commit(writer, [event(2)]).stored == [2]
        assert [one.id for one in read(writer)] == [made.id, event(2).id]
        assert numbers(writer)[-1] == BLOCK + 1


def test_samples_have_no_index(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        found = writer._open.exec_driver_sql(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'sample'"
        )
        assert found.all() == []
