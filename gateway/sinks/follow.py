"""The one place that connects sinks, feeds them, and comes back after an outage."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import uuid
from collections.abc import Callable
from enum import StrEnum

import msgspec

from gateway.classes.own import gateway_event
from gateway.core import times
from gateway.core.errors import ConfigError, CursorGone, JournalError, NotConnected
from gateway.core.event import Event
from gateway.core.times import Micros
from gateway.journal.holders import Holder, Loss, What
from gateway.journal.transaction import Transaction
from gateway.sinks.ahead import Ahead
from gateway.sinks.metrics import SinkMetrics
from gateway.sinks.sink import Session, Sink
from gateway.sinks.source import Events, Samples, Source

log = logging.getLogger("lineside.sinks")

_LOOK_S = 1.0
"""How often it is looked whether there are new samples: only events wake us."""


Effect = Callable[[Transaction], None]
Record = Callable[[Event, Effect | None], object]
"""Stores an event of the gateway's own, and in the same transaction what belongs to it."""


class SinkState(StrEnum):
    DOWN = "down"
    CONNECTED = "connected"
    PROVEN = "proven"  # it took something since


class FollowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Pauses in seconds, as between attempts to connect to machines (`gateway.supervisor.settings`).

    tell_again_s: least time between two events about what retention removed: where a sink is too slow for good, each of
    them pushes something else out.
    """

    retry_first_s: float = 1.0
    retry_most_s: float = 60.0
    settled_s: float = 10.0
    tell_again_s: float = 10.0


class Follower:
    """Follows the journal for one sink, from where the destination says that it has it.

    holder: for whom retention keeps what the destination has not taken; it is told how far that is. draw: evenly from 0 to 1, for the pauses. state, since, tried, reason:
    for `/readyz`, as a connection has them.
    """

    def __init__(
        self,
        sink: Sink,
        source: Source,
        metrics: SinkMetrics,
        settings: FollowSettings,
        *,
        holder: Holder,
        record: Record,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.name = sink.name
        self.kind = sink.kind
        self.state: str = SinkState.DOWN
        self.since: Micros | None = None
        self.tried = False
        self.reason = ""
        self._sink = sink
        self._source = source
        self._settings = settings
        self._holder = holder
        self._record = record
        self._tell_after = 0.0
        self._draw = draw
        labels = (sink.name, sink.kind)
        self._events = metrics.events.labels(*labels)
        self._samples = metrics.samples.labels(*labels)
        self._refused = metrics.refused.labels(*labels)
        self._missed = metrics.missed.labels(*labels)
        self._connects = metrics.connects.labels(*labels)
        self._connect_failures = metrics.connect_failures.labels(*labels)
        self._up = metrics.up.labels(*labels)
        self._lag_events = metrics.lag_events.labels(*labels)
        self._lag_samples = metrics.lag_samples.labels(*labels)

    async def run(self) -> None:
        """Until cancelled."""
        settings, loop = self._settings, asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            pause: float | None = None
            try:
                await self._once()
                reason = "the connection ended"
            except NotConnected as error:
                reason, pause = str(error), error.retry_after_s
            except (JournalError, ConfigError) as error:
                reason = str(error)
            except Exception as error:  # a sink's defect must not take the gateway with it
                log.exception("%s: unexpected failure in the %s sink", self.name, self.kind)
                reason, pause = f"{type(error).__name__}: {error}", settings.retry_most_s
            self.tried = True
            was_up = self.state is not SinkState.DOWN
            failures = 1 if was_up and loop.time() - started >= settings.settled_s else failures + 1
            if not was_up:
                self._connect_failures.inc()
            self._down(reason, tell=was_up or failures == 1)
            if pause is None:
                bound = min(settings.retry_most_s, settings.retry_first_s * 2 ** min(failures - 1, 30))
                pause = bound * (0.5 + self._draw() / 2)
            await asyncio.sleep(pause)

    def _down(self, reason: str, *, tell: bool) -> None:
        if tell:
            log.warning(
                "sink %s: %s; trying again until it is back, the journal keeps what it lacks", self.name, reason
            )
        self._change(SinkState.DOWN)
        self.reason = reason
        self._up.set(0)

    def _change(self, state: SinkState) -> None:
        if self.since is None or (self.state is not state and state is not SinkState.PROVEN):
            self.since = times.now()
        self.state = state

    async def _once(self) -> None:
        async with self._sink.connect(self._source.place) as session:
            self.tried = True
            self.reason = ""
            self._change(SinkState.CONNECTED)
            self._connects.inc()
            self._up.set(1)
            log.info("sink %s: connected, goes on behind event %d", self.name, session.event)
            self._moved(session)
            await self._follow(session)

    async def _follow(self, session: Session) -> None:
        tail, loop = self._source.tail, asyncio.get_running_loop()
        interval = self._sink.interval_s
        events, samples = Ahead(self._source.events), Ahead(self._source.samples)
        async with events.running(), samples.running():
            while not tail.closed:
                begun = loop.time()
                more = await self._take_events(session, events)
                if self._sink.batch.samples:
                    more |= await self._take_samples(session, samples)
                if more:
                    continue
                await asyncio.sleep(max(begun + interval - loop.time(), 0))
                await tail.wait(session.event, _LOOK_S)

    async def _take_events(self, session: Session, ahead: Ahead[Events]) -> bool:
        """One batch, if there is one; whether there is more behind it."""
        source = self._source
        try:
            page = await ahead.page(session.event)
        except CursorGone as gone:
            oldest, head = await source.event_bounds()
            if gone.reason != "expired":
                raise NotConnected(_ahead(source.place.journal, session.event, head)) from gone
            self._skip("events", session.event, oldest - 1)
            await session.take_events((), oldest - 1)
            self._moved(session)
            return True
        self._lag_events.set(page.head - session.event)
        self._missing("events", session.event)
        if page.upto == session.event:
            return False
        if page.upto < page.head:
            ahead.start(page.upto)
        refused = session.refused
        await session.take_events(page.events, page.upto)
        self._events.inc(len(page.events) - (session.refused - refused))
        if session.refused > refused:
            self._refused.inc(session.refused - refused)
            log.error("sink %s: %d events were refused for what is in them", self.name, session.refused - refused)
        self._lag_events.set(page.head - session.event)
        self._took(session)
        return page.upto < page.head

    async def _take_samples(self, session: Session, ahead: Ahead[Samples]) -> bool:
        source = self._source
        try:
            page = await ahead.page(session.sample)
        except CursorGone as gone:
            oldest, head = await source.sample_bounds()
            if gone.reason != "expired":
                raise NotConnected(_ahead(source.place.journal, session.sample, head)) from gone
            self._skip("samples", session.sample, oldest - 1)
            await session.take_samples((), oldest - 1)
            self._moved(session)
            return True
        self._lag_samples.set(page.head - session.sample)
        self._missing("samples", session.sample)
        if page.upto == session.sample:
            return False
        if page.upto < page.head:
            ahead.start(page.upto)
        await session.take_samples(page.samples, page.upto)
        self._samples.inc(len(page.samples))
        self._lag_samples.set(page.head - session.sample)
        self._took(session)
        return page.upto < page.head

    def _took(self, session: Session) -> None:
        self._change(SinkState.PROVEN)
        self._moved(session)

    def _moved(self, session: Session) -> None:
        self._holder.moved(event=session.event, sample=session.sample)

    def _skip(self, what: What, after: int, upto: int) -> None:
        """Retention was faster: said in the journal, before the sink goes on behind it."""
        if self._holder.lost(what) is None:  # gone before the sink was known here, or the destination has gone back
            self._tell(what, after + 1, upto, None, None)

    def _missing(self, what: What, upto: int) -> None:
        """Say what retention took away before the sink had it, once the sink is behind that. It may be among what was
        just taken where that was read a moment before: rather too much is called missing than too little."""
        clock = asyncio.get_running_loop().time()
        if clock < self._tell_after:
            return
        loss = self._holder.loss(what, upto)
        if loss is not None:
            self._tell_after = clock + self._settings.tell_again_s
            self._tell(what, loss.first, loss.last, loss, functools.partial(self._holder.settled, loss))

    def _tell(self, what: What, first: int, last: int, loss: Loss | None, effect: Effect | None) -> None:
        count = last - first + 1 if loss is None else loss.count
        self._missed.inc(count)
        log.error("sink %s: %d %s of %d to %d were removed before it took them", self.name, count, what, first, last)
        journal = self._source.place.journal
        body = {
            "Sink": self.name,
            "What": what,
            "First": first,
            "Last": last,
            "Cause": "expired" if loss is None else loss.cause,
            "From": f"{journal}:{first - 1}",
            "To": f"{journal}:{last}",
            "Count": None if loss is None else loss.count,
            "Bytes": None if loss is None else loss.bytes,
        }
        key = f"{self.name} {uuid.uuid4().hex}"
        self._record(gateway_event("DeliveryGap", body, at=times.now(), key=key), effect)


def _ahead(journal: str, has: int, head: int) -> str:
    return (
        f"the destination has journal {journal} up to {has}, and the journal itself ends at {head}: "
        "was an older copy of its file put back? Lineside's own restore gives it a new id"
    )
