"""Compaction changes where samples are, and nothing that a reader sees."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import CursorGone
from gateway.core.sample import Quality, Sample, Value
from gateway.core.times import now
from gateway.journal.chunk_store import DAY
from gateway.journal.compact import LARGEST
from gateway.journal.compactor import applied
from gateway.journal.retention import RetentionLimits
from gateway.journal.sample_follow import Numbered, following
from gateway.journal.sample_reader import SamplePage, SampleReader
from gateway.journal.sample_state import COMPACTED, state
from gateway.journal.samples import BLOCK
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.compacting import LARGE, NOW, all_chunks, compact, pieces
from tests.unit.journal.feed import journal
from tests.unit.journal.test_samples import STATION, VALUES, numbers, reading, sample, store

UNSETTLED = msgspec.structs.replace(NOW, settled_s=1e10)
"""No day has settled, not even that of 1970."""
Row = tuple[str | None, int, str, str]
ZONE = "zone.temperature[1]"


async def walk(
    samples: SampleReader, signal: str = ZONE, *, limit: int = 997, station: str = STATION, **more: int | None
) -> list[Row]:
    """Every sample of a signal, page by page."""
    found: list[Row] = []
    after, going = more.pop("after", None) or 0, True
    while going:
        page = await samples.page(station, signal, after=after, limit=limit, **more)  # type: ignore[arg-type]
        assert page is not None
        assert len(page.times) <= limit
        assert page.next > after or not page.more
        found += rows(page)
        after, going = page.next, page.more
    return found


def rows(page: SamplePage) -> list[Row]:
    columns = zip(page.times, page.values, page.qualities, strict=True)
    return [(page.unit, time, repr(value), str(quality)) for time, value, quality in columns]


def hot(writer: Writer) -> int:
    """How many samples are still where they arrived."""
    return len(numbers(writer))


async def test_every_kind_of_value_survives(tmp_path: Path) -> None:
    made = [sample(value, time, quality=list(Quality)[time % 4]) for time, value in enumerate(VALUES * 60)][:BLOCK]
    with journal(tmp_path) as writer, reading(writer) as samples:
        store(writer, made)
        before = await walk(samples)
        assert compact(writer) > 0
        assert hot(writer) == 0
        assert await walk(samples) == before
        assert [row[2] for row in before] == [repr(one.value) for one in made]


@pytest.mark.parametrize(
    "values",
    [
        [171.3] * BLOCK,
        [round(n * 0.1, 1) for n in range(BLOCK)],
        [n * 0.1 for n in range(BLOCK)],
        [n / 3 for n in range(BLOCK)],
        [1e308, -1e308, 5e-324, 123456.789012] * (BLOCK // 4),
        [-0.0, 0.0] * (BLOCK // 2),
        [2**63 - 1, -(2**63)] * (BLOCK // 2),
        list(range(BLOCK)),
        [2**53 + n for n in range(BLOCK)],
        [1, 1.0] * (BLOCK // 2),
        [True, 1] * (BLOCK // 2),
        [None] * BLOCK,
        ["PRD_RegularWork", None, "µ\x00\U0001f525", ""] * (BLOCK // 4),
    ],
)
async def test_no_bit_of_a_value_is_lost(tmp_path: Path, values: Sequence[Value]) -> None:
    with journal(tmp_path) as writer, reading(writer) as samples:
        store(writer, [sample(value, n * 1_000_003) for n, value in enumerate(values)])
        compact(writer)
        assert [row[2] for row in await walk(samples)] == [repr(value) for value in values]


@pytest.mark.parametrize("seed", range(8))
async def test_a_reader_sees_the_same_whatever_is_compacted(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    signals = [(STATION, ZONE), (STATION, "state"), ("L1.other", ZONE)]
    everything: list[Sample] = []
    clock = 1_790_000_000_000_000
    with journal(tmp_path) as writer, reading(writer, scan=chance.choice([1, 3 * BLOCK, 10**6])) as samples:
        while len(everything) < 9 * BLOCK:
            batch: list[Sample] = []
            for _ in range(chance.choice([1, 40, 900, 2500])):
                clock += chance.choice([0, 0, 999_001, 1_003_000])
                late = chance.choice([0] * 30 + [5_000_000, 2 * DAY, -40 * DAY])
                station, signal = chance.choice(signals)
                value: Value = chance.choice([clock / 7, round(chance.gauss(20, 1), 1), 5, True, None, "on", "off"])
                unit = chance.choice([None] * 300 + ["Cel"])
                batch.append(sample(value, clock - late, station=station, signal=signal, unit=unit))
            store(writer, batch)
            everything += batch
            for piece in pieces(writer.path, chance.choice([NOW, LARGE])):
                applied(piece, writer._open)
                if chance.random() < 0.2:
                    break
        assert hot(writer) < len(everything)
        for _ in range(12):
            station, signal = chance.choice(signals)
            after = chance.choice([0, chance.randint(0, len(everything))])
            times = sorted(one.time for one in everything)
            start, end = (chance.choice([None, chance.choice(times)]) for _ in range(2))
            wanted = [
                (one.unit, one.time, repr(one.value), "good")
                for one in everything[after:]
                if (one.station, one.signal) == (station, signal)
                and (start is None or one.time >= start)
                and (end is None or one.time < end)
            ]
            limit = chance.choice([50, 5000])
            assert (
                await walk(samples, signal, station=station, limit=limit, after=after, start=start, end=end) == wanted
            )
        stored = writer._open.exec_driver_sql("SELECT sum(count) FROM sample_chunk").scalar_one()
        compacted = state(writer._open, COMPACTED)
        assert stored == compacted
        assert len(everything) == compacted + sum(n > compacted for n in numbers(writer))


async def test_what_was_told_of_a_station_at_once_has_its_time_once(tmp_path: Path) -> None:
    made = [
        sample(round(150 + (n * 7 + k) % 11 / 10, 1), n * 1_000_000 + n % 977, signal=f"zone.temperature[{k}]")
        for n in range(200)
        for k in range(10)
    ]
    with journal(tmp_path) as writer, reading(writer) as samples:
        store(writer, made)
        before = [await walk(samples, f"zone.temperature[{k}]") for k in range(10)]
        compact(writer, LARGE)
        clocks = writer._open.exec_driver_sql("SELECT station, first, last FROM sample_clock").all()
        assert clocks == [(STATION, 1, 2 * BLOCK)]
        assert [await walk(samples, f"zone.temperature[{k}]") for k in range(10)] == before


async def test_what_came_at_once_with_times_of_its_own_has_its_receipt_once(tmp_path: Path) -> None:
    """And where neither is shared, both are in the chunk; merged chunks may be of all three kinds."""
    made = []
    for turn in range(3):
        for n in range(BLOCK):
            time = turn * 10**9 + n * (1_000 if turn else 0)
            received = turn * 10**9 + 2 * 10**6 + n // (4, 4, 1)[turn] * 4000
            one = sample(float(n), time, signal=f"s[{n % 2 + 1}]")
            made.append(msgspec.structs.replace(one, time=received if turn == 0 else time, received=received))
    with journal(tmp_path) as writer:
        for turn in range(3):
            store(writer, made[turn * BLOCK : (turn + 1) * BLOCK])
            for piece in pieces(writer.path, UNSETTLED):
                applied(piece, writer._open)
        clocks = "SELECT first, last FROM sample_clock ORDER BY first"
        assert writer._open.exec_driver_sql(clocks).all() == [(1, BLOCK), (BLOCK + 1, 2 * BLOCK)]
        for _ in range(2):
            found = following(writer._open, 0, 10 * BLOCK).samples
            assert [(one.time, one.received, one.value) for one in found] == [
                (one.time, one.received, one.value) for one in made
            ]
            compact(writer)
        assert [mark.count for mark in all_chunks(writer._open)] == [3 * BLOCK // 2] * 2


async def test_a_late_sample_is_with_its_day(tmp_path: Path) -> None:
    with journal(tmp_path) as writer, reading(writer) as samples:
        day = 20_000 * DAY
        made = [sample(float(n), day + n) for n in range(BLOCK - 1)] + [sample(-1.0, day - 3 * DAY + 5)]
        store(writer, made)
        compact(writer)
        marks = all_chunks(writer._open)
        assert [(mark.day, mark.count) for mark in marks] == [(19_997, 1), (20_000, BLOCK - 1)]
        assert await walk(samples, start=day - 3 * DAY, end=day) == [("Cel", day - 3 * DAY + 5, "-1.0", "good")]
        assert len(await walk(samples)) == BLOCK


async def test_small_chunks_of_a_day_become_one(tmp_path: Path) -> None:
    with journal(tmp_path) as writer, reading(writer) as samples:
        for turn in range(5):
            store(writer, [sample(float(n), turn * BLOCK + n) for n in range(BLOCK)])
            for piece in pieces(writer.path, UNSETTLED):
                applied(piece, writer._open)
        assert len(all_chunks(writer._open)) == 5, "too few, and the day may not be over"
        before = await walk(samples)
        compact(writer)
        assert [mark.count for mark in all_chunks(writer._open)] == [5 * BLOCK]
        assert await walk(samples) == before
        assert compact(writer) == 0, "and then there is nothing more to do"


async def test_a_merge_that_was_overtaken_by_retention_is_dropped(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        for turn in range(2):
            store(writer, [sample(float(n), turn * BLOCK + n) for n in range(BLOCK)])
            for piece in pieces(writer.path, UNSETTLED):
                applied(piece, writer._open)
        merge = next(pieces(writer.path))
        writer._open.exec_driver_sql("DELETE FROM sample_chunk WHERE first = 1")
        assert applied(merge, writer._open) == 0
        assert [mark.first for mark in all_chunks(writer._open)] == [BLOCK + 1]


async def test_no_chunk_outgrows_its_bounds(tmp_path: Path) -> None:
    long = "x" * 3000
    with journal(tmp_path) as writer, reading(writer) as samples:
        store(writer, [sample(long + str(n), n, signal="text", unit=None) for n in range(BLOCK)])
        store(writer, [sample(n, n) for n in range(2 * LARGEST)])
        compact(writer, LARGE)
        marks = all_chunks(writer._open)
        assert max(mark.count for mark in marks) <= LARGEST
        assert sum(mark.count for mark in marks if mark.series == 1) == BLOCK
        assert sum(mark.series == 1 for mark in marks) > 2
        assert [row[2] for row in await walk(samples, "text")] == [repr(long + str(n)) for n in range(BLOCK)]


def test_numbers_go_on_behind_what_was_compacted(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample()] * (2 * BLOCK + 5))
        compact(writer)
        assert numbers(writer) == list(range(2 * BLOCK + 1, 2 * BLOCK + 6))
    with journal(tmp_path) as writer:
        store(writer, [sample()] * BLOCK)
        compact(writer)
        assert numbers(writer) == list(range(3 * BLOCK + 1, 3 * BLOCK + 6))
    with journal(tmp_path) as writer:
        store(writer, [sample()])
        assert numbers(writer)[-1] == 3 * BLOCK + 6


def test_fresh_samples_stay_where_they_are(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [msgspec.structs.replace(sample(), received=now())] * BLOCK)
        assert compact(writer, msgspec.structs.replace(NOW, rest_s=60.0)) == 0
        assert hot(writer) == BLOCK


def test_one_piece_deletes_few(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample()] * BLOCK)
        left = []
        for piece in pieces(writer.path):
            applied(piece, writer._open)
            left.append(hot(writer))
        assert left == [BLOCK, BLOCK - NOW.rows, 0]


# -- retention


async def test_chunks_that_are_too_old_go_with_their_clocks(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    at = now()
    with journal(tmp_path, settings) as writer, reading(writer) as samples:
        for age in (3, 2, 0):
            made = [
                sample(float(n), at - age * DAY - n, signal=signal)
                for n in range(BLOCK // 2)
                for signal in (ZONE, "zone.temperature[2]")
            ]
            store(writer, [msgspec.structs.replace(one, received=at - age * DAY) for one in made])
        compact(writer, UNSETTLED)
        clocks = "SELECT count(*) FROM sample_clock"
        assert writer._open.exec_driver_sql(clocks).scalar() == 3
        writer._retention.step(writer._open, full=True)
        assert writer._open.exec_driver_sql(clocks).scalar() == 1
        assert len(await walk(samples)) == BLOCK // 2
        with pytest.raises(CursorGone) as gone:
            await samples.page(STATION, ZONE, after=10)
        assert gone.value.reason == "expired"
        oldest, newest = await samples.bounds(STATION, ZONE)
        assert newest == 3 * BLOCK
        assert len(await walk(samples, after=oldest - 1)) == BLOCK // 2


async def test_a_signal_without_anything_left_still_numbers_on(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    with journal(tmp_path, settings) as writer, reading(writer) as samples:
        made = [sample(float(n // 2), n // 2, signal=(ZONE, "zone.temperature[2]")[n % 2]) for n in range(BLOCK)]
        store(writer, made)
        compact(writer)
        assert writer._open.exec_driver_sql("SELECT count(*) FROM sample_clock").scalar() == 1
        writer._retention.step(writer._open, full=True)
        assert all_chunks(writer._open) == []
        assert writer._open.exec_driver_sql("SELECT count(*) FROM sample_clock").scalar() == 0
        assert await walk(samples) == []
        store(writer, [sample(7.0)])
        assert numbers(writer) == [BLOCK + 1]
        assert [row[2] for row in await walk(samples)] == ["7.0"]


# -- following


async def test_who_follows_gets_every_sample_once_wherever_it_is(tmp_path: Path) -> None:
    chance = random.Random(1)
    with journal(tmp_path) as writer:
        made = [
            sample(chance.choice([1.5, n, None, True, "x"]), chance.randint(0, 3 * DAY), signal=f"s[{n % 3 + 1}]")
            for n in range(4 * BLOCK + 10)
        ]
        store(writer, made)
        compact(writer, msgspec.structs.replace(LARGE, most=3 * BLOCK, older_s=1e10))
        assert hot(writer) == BLOCK + 10
        found: list[Numbered] = []
        while True:
            page = following(writer._open, found[-1].n if found else 0, 777)
            assert page.head == len(made)
            if not page.samples:
                break
            assert page.upto == page.samples[-1].n
            found += page.samples
        assert [one.n for one in found] == list(range(1, len(made) + 1))
        assert [(one.series - 1, one.time, one.received, repr(one.value)) for one in found] == [
            (n % 3, one.time, one.received, repr(one.value)) for n, one in enumerate(made)
        ]
        with pytest.raises(CursorGone):
            following(writer._open, len(made) + 1, 1)


async def test_what_is_left_of_a_stretch_comes_though_one_series_of_it_is_gone(tmp_path: Path) -> None:
    """Retention takes chunks one by one, and their numbers overlap: who is in the middle loses no other series."""
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    with journal(tmp_path, settings) as writer:
        made = [sample(float(n), now() + n, signal=f"s[{n % 2 + 1}]") for n in range(4 * BLOCK)]
        store(writer, [msgspec.structs.replace(one, received=now()) for one in made])
        compact(writer, LARGE)
        writer._open.exec_driver_sql("UPDATE sample_chunk SET received = ? WHERE series = 1", (now() - 5 * DAY,))
        writer._retention.step(writer._open, full=True)
        assert [mark.series for mark in all_chunks(writer._open)] == [2]
        page = following(writer._open, 1000, 1000)
        assert [one.n for one in page.samples] == list(range(1002, 2001, 2))
        with pytest.raises(CursorGone) as gone:
            following(writer._open, 0, 1)
        assert gone.value.reason == "expired"
        assert following(writer._open, 1, 1).upto == 2
        writer._open.exec_driver_sql("UPDATE sample_chunk SET received = ?", (now() - 5 * DAY,))
        writer._retention.step(writer._open, full=True)
        with pytest.raises(CursorGone):
            following(writer._open, 4 * BLOCK - 1, 1)
        assert following(writer._open, 4 * BLOCK, 1).samples == []


async def test_a_clock_that_was_in_the_future_stops_nothing(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        future = msgspec.structs.replace(sample(), received=now() + 400 * DAY)
        store(writer, [future] * BLOCK, [msgspec.structs.replace(sample(), received=now() - DAY)] * (5 * BLOCK))
        compact(writer, msgspec.structs.replace(NOW, rest_s=60.0))
        assert hot(writer) == 0
