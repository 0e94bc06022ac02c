"""How old a sample is, is told by our clock: a machine's may be at 2000, or at 2106. And where ours jumps, nothing is
removed for that."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.core.sample import Quality, Sample
from gateway.core.times import Micros, now, parse_rfc3339
from gateway.journal.retention import Retention, RetentionLimits
from gateway.journal.retention_clock import TrustedClock
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.compacting import NOW, compact
from tests.unit.journal.feed import ListFeed, commit, event, journal, read

CLOCKS = [parse_rfc3339("2000-01-01T00:00:00Z"), parse_rfc3339("2106-02-07T00:00:00Z")]


def _sampled(writer: Writer, count: int, time: Micros, received: Micros) -> None:
    """One commit with an event and these samples."""
    feed = ListFeed([event(writer.head, size=5000, at=received)])
    samples = [
        Sample(station="L1.s0", signal="x.t", unit=None, value=n, quality=Quality.GOOD, time=time, received=received)
        for n in range(count)
    ]
    feed.during = lambda transaction, item: transaction.samples(samples)
    writer._store(feed, feed.take(0))


@pytest.mark.parametrize("clock", CLOCKS)
def test_samples_go_by_the_age_that_they_have_here(tmp_path: Path, clock: Micros) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    with journal(tmp_path, settings) as writer:
        _sampled(writer, 2000, clock, now() - 2 * 86_400_000_000)
        _sampled(writer, 3000, clock, now())
        writer._retention.step(writer._open, full=True)
        first, last = writer._open.exec_driver_sql("SELECT min(n), max(n) FROM sample").one()
        assert (first, last) == (2001, 5000)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_machines_clock_costs_no_events(tmp_path: Path, clock: Micros) -> None:
    settings = WriterSettings(
        synchronous="normal", ballast_bytes=0, retention=RetentionLimits(bytes=400_000, rows=5, check_s=0)
    )
    early = now() - 3_600_000_000
    with journal(tmp_path, settings) as writer:
        for minute in range(40):
            at = early + minute * 60_000_000
            _sampled(writer, 1000, clock + minute * 60_000_000, at)
        writer._retention.step(writer._open, full=True)
        oldest = read(writer)[0].received
        first = writer._open.exec_driver_sql("SELECT min(received) FROM sample").scalar_one()
        assert abs(oldest - first) <= 10 * 60_000_000, "neither pushes the other out"


HOUR = 3_600_000_000
DAY = 24 * HOUR
UNSET, AHEAD = parse_rfc3339("1970-01-01T00:00:10Z"), parse_rfc3339("2106-02-07T00:00:00Z")
START = parse_rfc3339("2026-11-20T00:00:00Z")


class Clocks:
    """The system's clock and the steady one, and a retention of ten days that goes by them."""

    def __init__(self) -> None:
        self.wall, self.steady = START, 1000.0
        self.retention = self.started()

    def started(self) -> Retention:
        clock = TrustedClock(wall=lambda: self.wall, steady=lambda: self.steady)
        self.retention = Retention(RetentionLimits(days=10, check_s=0), clock=clock)
        return self.retention

    def pass_(self, hours: float) -> None:
        self.wall += int(hours * HOUR)
        self.steady += hours * 3600

    def left(self, writer: Writer) -> int:
        """How many of the samples and events are still there: of each as many."""
        self.retention.step(writer._open, full=True)
        events = writer._open.exec_driver_sql("SELECT count(*) FROM event").scalar_one()
        samples: int = writer._open.exec_driver_sql(
            "SELECT (SELECT count(*) FROM sample) + (SELECT coalesce(sum(count), 0) FROM sample_chunk)"
        ).scalar_one()
        assert abs(events * 1000 - samples) <= 1000, "the newest block stays"
        return int(events)


def stored(writer: Writer, *received: Micros) -> None:
    for at in received:
        _sampled(writer, 1000, at, at)


@pytest.mark.parametrize("jump", [UNSET, AHEAD])
@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_jumps_costs_no_history_for_a_day(
    tmp_path: Path, jump: Micros, caplog: pytest.LogCaptureFixture, *, restart: bool
) -> None:
    caplog.set_level(logging.WARNING, "lineside.journal")
    clocks = Clocks()
    with journal(tmp_path, QUIET) as writer:
        stored(writer, *(START - age * DAY for age in range(9, -1, -1)))
        assert clocks.left(writer) == 10
        clocks.wall = jump
        for _ in range(23):  # and what comes meanwhile has stamps of then
            clocks.pass_(1)
            stored(writer, clocks.wall)
            if restart:
                clocks.started()
            assert clocks.left(writer) >= 10
        assert len([record for record in caplog.records if "the clock says" in record.message]) >= 1
        clocks.wall = START + DAY
        assert clocks.left(writer) >= 9 + 23, "it was set right: the oldest is ten days old, the stamps say nothing"
        clocks.pass_(9 * 24)
        assert clocks.left(writer) >= 23
        stored(writer, clocks.wall)
        clocks.pass_(11 * 24)
        stored(writer, clocks.wall)
        assert clocks.left(writer) == 1, "in the end all of it goes"


QUIET = WriterSettings(synchronous="normal", ballast_bytes=0)


def test_a_gateway_that_was_off_for_long_believes_the_clock_after_a_day(tmp_path: Path) -> None:
    clocks = Clocks()
    with journal(tmp_path, QUIET) as writer:
        stored(writer, START, START)
        assert clocks.left(writer) == 2
        clocks.wall += 60 * DAY
        clocks.started()
        stored(writer, clocks.wall)
        assert clocks.left(writer) == 3
        for _ in range(25):
            clocks.pass_(1)
            left = clocks.left(writer)
        assert left == 1


@pytest.mark.parametrize("compacted", [False, True])
def test_stamps_of_a_wrong_clock_hold_nothing_up_and_cost_nothing(tmp_path: Path, *, compacted: bool) -> None:
    """In the middle of history: they go when what is around them goes, though there are more of them than one look sees."""
    clocks = Clocks()
    old = START - 11 * DAY
    with journal(tmp_path, QUIET) as writer:
        stored(writer, AHEAD, old, AHEAD, AHEAD, UNSET, old, UNSET, AHEAD, START - DAY, UNSET, START)
        if compacted:
            compact(writer, NOW)
        assert clocks.left(writer) == 5, "with what came next"
        writer._open.exec_driver_sql("DELETE FROM event")
        stamps = [old, *[AHEAD] * 1300, *[old] * 600, START]
        commit(writer, [event(1000 + n, at=at) for n, at in enumerate(stamps)])
        clocks.retention.step(writer._open, full=True)
        assert writer._open.exec_driver_sql("SELECT count(*) FROM event").scalar() == 1
