"""The one place that retries: what it does with a sink that fails, without any destination."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.core.errors import CursorGone, JournalError, NotConnected
from gateway.core.event import Event, Origin, Place
from gateway.core.telemetry import Telemetry
from gateway.journal.holders import Holder, Loss
from gateway.journal.reader import Placed
from gateway.journal.tail import Tail
from gateway.sinks.follow import Follower, FollowSettings, SinkState
from gateway.sinks.metrics import SinkMetrics
from gateway.sinks.sink import Batch, Sampled
from gateway.sinks.source import Events, Samples, Source
from tests.build import until
from tests.unit.journal.feed import journal

PLACE = Place("8c1f02aa", "fab1", "line1-pc")


def _event(seq: int) -> Placed:
    return Placed(Event(id=str(seq), seq=seq, time=0, received=0, message="A", origin=Origin.NATIVE, body=b"{}"), PLACE)


class FakeSource:
    """A journal of numbers."""

    def __init__(self, head: int) -> None:
        self.head, self.oldest = head, 1
        self.tail = Tail(PLACE, head)
        self.place = PLACE
        self.broken: Exception | None = None

    async def events(self, after: int) -> Events:
        if self.broken is not None:
            raise self.broken
        if after > self.head:
            raise CursorGone("future", "beyond")
        if after < self.oldest - 1:
            raise CursorGone("expired", "older")
        last = min(after + 3, self.head)
        return Events([_event(seq) for seq in range(after + 1, last + 1)], last, self.head)

    async def event_bounds(self) -> tuple[int, int]:
        return self.oldest, self.head

    async def samples(self, after: int) -> Samples:
        return Samples([], after, after)

    async def sample_bounds(self) -> tuple[int, int]:
        return 1, 0


class FakeSink:
    """A destination that remembers across sessions, and fails as it is told."""

    name, kind, interval_s, budget_bytes = "plant", "fake", 0.0, 1000
    batch = Batch(events=3, bytes=1000, samples=10)

    def __init__(self) -> None:
        self.event = self.sample = self.refused = 0
        self.taken: list[int] = []
        self.failures: list[Exception] = []
        self.pauses: list[float] = []

    @asynccontextmanager
    async def connect(self, place: Place) -> AsyncIterator[FakeSink]:
        if self.failures:
            raise self.failures.pop(0)
        yield self

    async def take_events(self, events: Sequence[Placed], upto: int) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.taken += [placed.event.seq for placed in events]
        self.event = upto

    async def take_samples(self, samples: Sequence[Sampled], upto: int) -> None:
        raise AssertionError("there are none")


@asynccontextmanager
async def following(
    sink: FakeSink, source: FakeSource, holder: Holder | None = None
) -> AsyncIterator[tuple[Follower, list[Event], Telemetry]]:
    telemetry = Telemetry()
    recorded: list[Event] = []
    settings = FollowSettings(retry_first_s=0.001, retry_most_s=0.01, settled_s=100)

    def record(event: Event, effect: object) -> None:
        recorded.append(event)

    follower = Follower(
        sink,
        cast(Source, source),
        SinkMetrics(telemetry.registry),
        settings,
        holder=holder or Holder("sink", "plant", budget=1000, samples=False),
        record=record,
        draw=lambda: 0.0,
    )
    task = asyncio.create_task(follower.run())
    try:
        yield follower, recorded, telemetry
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _value(telemetry: Telemetry, name: str) -> Any:
    return telemetry.registry.get_sample_value(f"lineside_sink_{name}", {"sink": "plant", "kind": "fake"})


async def test_it_takes_everything_and_waits_for_more() -> None:
    sink, source = FakeSink(), FakeSource(10)
    async with following(sink, source) as (follower, _, telemetry):
        await until(lambda: sink.event == 10)
        await until(lambda: follower.state == SinkState.PROVEN)
        source.head = 11
        source.tail.publish([_event(11).event])
        await until(lambda: sink.event == 11)
        assert (_value(telemetry, "events_total"), _value(telemetry, "lag_events")) == (11, 0)
    assert sink.taken == list(range(1, 12))


async def test_failures_are_tried_again_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lineside.sinks")
    sink, source = FakeSink(), FakeSource(10)
    sink.failures = [NotConnected("refused") for _ in range(5)]
    async with following(sink, source) as (_, _, telemetry):
        await until(lambda: sink.event == 10)
        assert _value(telemetry, "connect_failures_total") == 5
        assert _value(telemetry, "connects_total") == 1
        assert _value(telemetry, "up") == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_loss_in_the_middle_repeats_the_batch() -> None:
    sink, source = FakeSink(), FakeSource(3)
    async with following(sink, source):
        await until(lambda: sink.event == 3)
        sink.failures = [NotConnected("gone")]
        source.head = 9
        source.tail.publish([_event(seq).event for seq in range(4, 10)])
        await until(lambda: sink.event == 9)
    assert sink.taken == list(range(1, 10))


async def test_a_defect_of_the_sink_is_no_end(caplog: pytest.LogCaptureFixture) -> None:
    sink, source = FakeSink(), FakeSource(3)
    sink.failures = [ZeroDivisionError("ours")]
    async with following(sink, source) as (follower, _, _):
        await until(lambda: follower.reason == "ZeroDivisionError: ours")
        assert follower.state == SinkState.DOWN
        await until(lambda: sink.event == 3)
    assert any(record.exc_info for record in caplog.records)


async def test_a_journal_that_cannot_be_read() -> None:
    sink, source = FakeSink(), FakeSource(3)
    source.broken = JournalError("the journal cannot be read: disk I/O error")
    async with following(sink, source) as (follower, _, _):
        await until(lambda: "disk I/O error" in follower.reason)
        source.broken = None
        await until(lambda: sink.event == 3)


async def test_what_retention_removed_is_said_and_skipped() -> None:
    sink, source = FakeSink(), FakeSource(20)
    source.oldest = 8
    async with following(sink, source) as (_, recorded, telemetry):
        await until(lambda: sink.event == 20)
        assert _value(telemetry, "missed_total") == 7
    assert sink.taken == list(range(8, 21))
    (gap,) = recorded
    assert gap.message == "Lineside.DeliveryGap"
    assert gap.body == (
        b'{"Sink":"plant","What":"events","First":1,"Last":7,"Cause":"expired",'
        b'"From":"8c1f02aa:0","To":"8c1f02aa:7","Count":null,"Bytes":null}'
    )


async def test_what_was_removed_beyond_its_budget_is_said_once_it_is_behind_that(tmp_path: Path) -> None:
    """Also where it leaves holes, and nothing expires."""
    sink, source = FakeSink(), FakeSource(20)
    holder = Holder("sink", "plant", budget=1000, samples=False)
    source.oldest = 8
    with journal(tmp_path) as writer:
        for first, last, count in ((1, 7, 7), (11, 15, 2)):
            holder.lose(writer._open, _loss(first, last, count))
            holder.lost_it(_loss(first, last, count))
        async with following(sink, source, holder) as (_, recorded, telemetry):
            await until(lambda: sink.event == 20)
            await until(lambda: recorded)
            assert _value(telemetry, "missed_total") == 9
    (gap,) = recorded
    assert json.loads(gap.body) == {
        "Sink": "plant", "What": "events", "First": 1, "Last": 15, "Cause": "budget",
        "From": "8c1f02aa:0", "To": "8c1f02aa:15", "Count": 9, "Bytes": 900,
    }  # fmt: skip
    assert (holder.event, holder.sample) == (20, 0), "retention knows how far it is"


def _loss(first: int, last: int, count: int) -> Loss:
    return Loss(what="events", first=first, last=last, count=count, bytes=100 * count, cause="budget", at=0)


async def test_a_destination_that_is_ahead_of_the_journal() -> None:
    sink, source = FakeSink(), FakeSource(3)
    sink.event = 5
    async with following(sink, source) as (follower, _, _):
        await until(lambda: "up to 5, and the journal itself ends at 3" in follower.reason)
        assert sink.taken == []
