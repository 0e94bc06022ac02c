"""Buckets are what adding up every sample by hand gives, wherever the samples are."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.core.sample import Quality, Sample, Value
from gateway.journal import rollup
from gateway.journal.chunk import Part, values_of
from gateway.journal.chunk_store import DAY, sums
from gateway.journal.compactor import applied
from gateway.journal.reader import Reader
from gateway.journal.rollup import HOUR, MINUTE
from gateway.journal.sample_buckets import BucketReader, Buckets, TooFine, Wanted, plotted
from gateway.journal.samples import BLOCK
from gateway.journal.writer import Writer
from tests.unit.journal.compacting import LARGE, NOW, all_chunks, compact, pieces
from tests.unit.journal.feed import journal
from tests.unit.journal.test_samples import STATION, sample, store

ZONE = "zone.temperature[1]"
SECOND = 1_000_000
NOON = 1_790_000_000_000_000 // DAY * DAY + DAY // 2
WORSE = list(Quality)

Bucket = tuple[float | None, float | None, float | None, str, int, int, str]


async def read(writer: Writer, signal: str = ZONE, **wanted: int | str | None) -> Buckets:
    reader = Reader(writer.path, threads=1)
    try:
        found = await BucketReader(reader).buckets(STATION, signal, Wanted(**wanted))  # type: ignore[arg-type]
    finally:
        reader.close()
    assert found is not None
    return found


def by_start(found: Buckets) -> dict[int, Bucket]:
    assert found.starts == sorted(set(found.starts))
    columns = zip(
        found.least, found.most, found.mean, map(repr, found.last), found.counts, found.samples, found.qualities,
        strict=True,
    )  # fmt: skip
    return {
        start: (least, most, None if mean is None else round(mean, 6), last, count, every, str(worst))
        for start, (least, most, mean, last, count, every, worst) in zip(found.starts, columns, strict=True)
    }


def by_hand(samples: Sequence[Sample], start: int | None, end: int | None, step: int) -> dict[int, Bucket]:
    """samples: of one series, in the order of arrival."""
    groups: dict[int, list[Sample]] = {}
    for one in sorted(samples, key=lambda one: one.time):  # stable: of equal times the one that came last is last
        if (start is None or one.time >= start) and (end is None or one.time < end):
            groups.setdefault(one.time // step * step, []).append(one)
    found: dict[int, Bucket] = {}
    for begin, group in groups.items():
        known = [one.value for one in group if one.value is not None]
        numeric = [float(value) for value in known if not isinstance(value, str)]
        mean = round(math.fsum(numeric) / len(numeric), 6) if numeric else None
        worst = max(group, key=lambda one: WORSE.index(one.quality)).quality
        found[begin] = (
            min(numeric, default=None), max(numeric, default=None), mean, repr(known[-1] if known else None),
            len(numeric), len(group), str(worst),
        )  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(10))
async def test_buckets_are_what_adding_up_by_hand_gives(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    kinds: list[Callable[[], Value]] = [
        lambda: round(chance.gauss(150, 2), 1),
        lambda: chance.random() * 1e-3,
        lambda: chance.randint(0, 10**12),
        lambda: chance.choice(["on", "off", None]),
        lambda: chance.choice([1.5, 2, True, False, None, "x"]),
    ]
    pick = chance.choice(kinds)
    everything: list[Sample] = []
    clock = NOON
    with journal(tmp_path) as writer:
        while len(everything) < 6 * BLOCK:
            batch = []
            for _ in range(chance.choice([30, 900, 2500])):
                clock += chance.choice([0, 500_000, 1_000_900, 1_003_000])
                late = chance.choice([0] * 40 + [3 * SECOND, 90 * SECOND, DAY])
                value: Value = pick()
                quality = Quality.UNAVAILABLE if value is None else chance.choice([Quality.GOOD] * 20 + WORSE[:3])
                batch.append(sample(value, clock - late, quality=quality))
            store(writer, batch)
            everything += batch
            for piece in pieces(writer.path, chance.choice([NOW, LARGE])):
                applied(piece, writer._open)
                if chance.random() < 0.1:
                    break
        times = [one.time for one in everything]
        for step in (SECOND, 7 * SECOND, MINUTE, 90 * SECOND, 5 * MINUTE, HOUR, 3 * HOUR, DAY):
            start = chance.choice([None, chance.choice(times), chance.choice(times) // MINUTE * MINUTE])
            end = chance.choice([None, chance.choice(times), chance.choice(times) // HOUR * HOUR])
            if start is not None and end is not None and start >= end:
                start, end = end, start + 1
            span = (max(times) if end is None else end) - (min(times) if start is None else start)
            if span // step > 10_000:
                continue
            found = await read(writer, start=start, end=end, step=step)
            assert found.step == step
            assert by_start(found) == by_hand(everything, start, end, step)


async def test_a_rollup_that_is_stored_can_be_made_again(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample(round(n * 0.1, 1), NOON + n * 2 * SECOND) for n in range(4 * BLOCK)])
        compact(writer, LARGE)
        [mark] = all_chunks(writer._open)
        minutes, hours = sums(writer._open, mark, MINUTE), sums(writer._open, mark, HOUR)
        assert minutes is not None
        assert hours is not None
        assert len(minutes) == -(-4 * BLOCK // 30)
        again = rollup.merged([minutes], HOUR)
        assert again is not None
        assert rollup.encode(again, HOUR) == rollup.encode(hours, HOUR)


async def test_a_sum_that_overflows_spoils_nothing_else(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample((1e308, -1e308)[n % 3 == 0], NOON + n * SECOND) for n in range(BLOCK)])
        for _ in range(2):
            found = await read(writer, step=HOUR)
            assert (found.least, found.most, found.mean, found.counts) == ([-1e308], [1e308], [None], [BLOCK])
            compact(writer)


def test_nothing_gives_nothing() -> None:
    assert rollup.merged([], MINUTE) is None


def test_samples_without_a_number_have_no_mean() -> None:
    at = values_of([0, 1])
    found = rollup.rolled_up(Part(at, at, at, values_of(["a", None]), at), MINUTE)
    assert (found.count.tolist(), found.samples.tolist(), found.last.tolist()) == ([0], [2], ["a"])
    assert rollup.encode(rollup.decode(rollup.encode(found, MINUTE), MINUTE), MINUTE) == rollup.encode(found, MINUTE)


async def test_the_unit_that_came_last_is_shown_and_the_others_are_named(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        made = [sample(1.0, NOON), sample(300.0, NOON + HOUR, unit="K"), sample(2.0, NOON + 2 * HOUR, unit=None)]
        store(writer, made)
        found = await read(writer, step=HOUR)
        assert (found.unit, found.units, found.last) == (None, ["Cel", "K", None], [2.0])
        found = await read(writer, step=HOUR, unit="K")
        assert (found.unit, found.units, found.last) == ("K", ["K"], [300.0])
        found = await read(writer, step=HOUR, unit="", end=NOON)
        assert (found.unit, found.units, found.last) == (None, [], [])
        found = await read(writer, step=HOUR, end=NOON + HOUR + 1)
        assert (found.unit, found.units) == ("K", ["Cel", "K"])


async def test_too_many_points_are_refused_with_what_is_possible(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample(1.0, NOON), sample(1.0, NOON + DAY)])
        with pytest.raises(TooFine) as refused:
            await read(writer, step=SECOND)
        least = refused.value.least
        assert least == 8_640_001
        assert len((await read(writer, step=least)).starts) == 2
        with pytest.raises(TooFine):
            await read(writer, step=1, start=0, end=10**9)


@pytest.mark.parametrize(
    ("span", "step"),
    [
        (1, None), (1000 * SECOND, None), (1001 * SECOND, 2 * SECOND), (HOUR, 5 * SECOND), (8 * HOUR, 30 * SECOND),
        (DAY, 2 * MINUTE), (30 * DAY, HOUR), (365 * DAY, 12 * HOUR), (100 * 365 * DAY, 168 * HOUR),
    ],
)  # fmt: skip
def test_a_plot_has_enough_points_and_not_too_many(span: int, step: int | None) -> None:
    assert plotted(span) == step


async def test_without_a_step_the_range_says_how_fine(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample(float(n), NOON + n * SECOND) for n in range(3 * BLOCK)])
        assert (await read(writer)).step == 5 * SECOND
        assert (await read(writer, start=NOON, end=NOON + 1000 * SECOND)).step == 0
        compact(writer)
        assert (await read(writer)).step == 5 * SECOND
