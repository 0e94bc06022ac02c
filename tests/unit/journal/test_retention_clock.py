"""How old a sample is, is told by our clock: a machine's may be at 2000, or at 2106."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.sample import Quality, Sample
from gateway.core.times import Micros, now, parse_rfc3339
from gateway.journal.retention import RetentionLimits
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.feed import ListFeed, event, journal, read

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
