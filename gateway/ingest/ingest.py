"""From deliveries to committed events: decode, queue, commit, acknowledge, publish."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.core import times
from gateway.core.adapter import Adapter, Basis
from gateway.core.event import Event
from gateway.core.frame import Delivery
from gateway.core.observation import Lost, Observation, Tick
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros
from gateway.ingest.acks import AckLine, Ticket
from gateway.ingest.apply import Stepper, Tally, Wake, refusal_of
from gateway.ingest.count import count
from gateway.ingest.decode import decoded, is_heavy, source_of, station_source
from gateway.ingest.own_frames import frame_of
from gateway.ingest.queues import Item, Queue, Queues
from gateway.ingest.recording import Recording
from gateway.ingest.settings import IngestSettings
from gateway.ingest.stations import Stations
from gateway.journal.tail import Tail
from gateway.journal.transaction import Recalled, Transaction
from gateway.journal.writer import Writer

log = logging.getLogger("lineside.ingest")

Taken = tuple[Queue, Item]
_PATIENCE_S = 1.0


class Ingest:
    """Between the connections (event loop) and the journal (the writer's thread, which this starts and stops).

    on_committed: called on the event loop with every delivery that can be answered, once it is stored and acknowledged;
    the request module answers there. on_heard: called once per commit for each station that was
    heard, with its connection, the peer it spoke through, and when.
    """

    def __init__(
        self,
        writer: Writer,
        stations: Stations,
        telemetry: Telemetry,
        settings: IngestSettings,
        *,
        states: Mapping[str, tuple[int, bytes]],
        payload_cap: int,
    ) -> None:
        self._writer = writer
        self._telemetry = telemetry
        self.settings = settings
        self.stations = stations
        self.stepper = Stepper(stations, states, payload_cap=payload_cap)
        self.tail = Tail(writer.place, writer.head)
        self.on_committed: Callable[[str, Delivery, Sequence[Observation]], None] | None = None
        self.on_heard: Callable[[str, str, str | None, Micros], None] | None = None
        self.recording: Recording | None = None
        """Hears of every commit. Set on the event loop; the writer's thread sees it with one of its next batches."""
        self._recalled: Recalled | None = None
        self._queues = Queues(
            frames=settings.queue_frames,
            size=settings.queue_bytes,
            batch=settings.batch_events,
            batch_size=settings.batch_bytes,
        )
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.lines: dict[str, AckLine] = {}
        self._held: asyncio.Event | None = None
        self._wakes: dict[str, asyncio.TimerHandle] = {}
        self._commits = 0  # that the metric knows of
        self._idle = asyncio.Event()
        self.failed: asyncio.Future[BaseException] | None = None
        """Resolves if the writer's thread ends by itself: nothing more can be stored."""

    # -- life

    def start(self) -> None:
        """Start the writer's thread; the journal is open."""
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()
        self._thread = threading.Thread(target=self._write, name="journal-writer", daemon=True)
        self._thread.start()

    def _write(self) -> None:
        try:
            self._writer.run(self)
        except BaseException as error:  # without its writer the gateway must end, so that it is started again
            log.critical("the journal's writer failed", exc_info=True)
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if self.failed is not None and not self.failed.done():
            self.failed.set_result(error)

    @property
    def alive(self) -> bool:
        """Whether the writer's thread runs; it only ever ends when it is told to."""
        return self._thread is not None and self._thread.is_alive()

    async def stop(self) -> None:
        """Commit what is queued, stop the thread. What cannot be committed stays unacknowledged with the machines."""
        self._writer.stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # let the last commit's callbacks run
        for waiting in self._wakes.values():
            waiting.cancel()
        self._aside.shutdown(wait=False)
        self.tail.close()

    async def drain(self, timeout_s: float) -> None:
        """Take no more deliveries, and wait until those taken are committed and acknowledged, at most this long.

        Before the connections are closed: what is acknowledged now, no machine has to send again.
        """
        self._held = asyncio.Event()
        if self._pending():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()

    def _pending(self) -> bool:
        return any(frames for frames, _ in self._queues.depth().values())

    def line(self, connection: str) -> AckLine:
        """A fresh acknowledgement line for a new connection instance."""
        line = self.lines[connection] = AckLine(self.settings.unacknowledged_bytes)
        return line

    # -- from the connections (event loop)

    async def offer(self, adapter: Adapter, line: AckLine, delivery: Delivery) -> bool:
        """Take one delivery: decode, find its queue, wait for room there. False when it was dropped, which happens only
        to transports that cannot wait (`delivery.acknowledged` is False), or when polling had to wait too long, and is
        a gap."""
        return not await self.offer_all(adapter, line, (delivery,))

    async def offer_all(self, adapter: Adapter, line: AckLine, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """`offer` them in this order; those that were dropped. The writer gets them at once, as far as none has to wait."""
        dropped: list[Delivery] = []
        ready: list[Taken] = []
        try:
            for delivery in deliveries:
                delay = self._take_in(adapter, line, delivery, ready)
                if delay is not None:
                    self._queues.put(ready)
                    ready.clear()
                    if not await delay:
                        dropped.append(delivery)
        finally:
            self._queues.put(ready)
        return dropped

    def _take_in(
        self, adapter: Adapter, line: AckLine, delivery: Delivery, ready: list[Taken]
    ) -> Coroutine[None, None, bool] | None:
        """Into `ready`, or what has to be waited for before the next one; its result says whether it was taken."""
        if self._held is not None:
            return self._resumed(self._held, adapter, line, delivery)
        ticket = line.join(delivery)
        if is_heavy(delivery.frame.payload, self.settings.decode_aside_bytes):
            return self._decoded_aside(adapter, line, delivery, ticket)
        return self._place(adapter, line, decoded(adapter, delivery, ticket), ready)

    async def _resumed(self, held: asyncio.Event, adapter: Adapter, line: AckLine, delivery: Delivery) -> bool:
        await held.wait()
        return await self.offer(adapter, line, delivery)

    async def _decoded_aside(self, adapter: Adapter, line: AckLine, delivery: Delivery, ticket: Ticket) -> bool:
        assert self._loop is not None
        item = await self._loop.run_in_executor(self._aside, decoded, adapter, delivery, ticket)
        ready: list[Taken] = []
        delay = self._place(adapter, line, item, ready)
        self._queues.put(ready)
        return delay is None or await delay

    def _place(
        self, adapter: Adapter, line: AckLine, item: Item, ready: list[Taken]
    ) -> Coroutine[None, None, bool] | None:
        assert item.delivery is not None
        assert item.ticket is not None
        line.weigh(item.ticket, item.size)
        queue = self._queues.queue(source_of(item))
        if self._queues.full(queue, item.size):
            return self._squeeze(adapter, line, queue, item)
        self._queues.count(queue, item)
        ready.append((queue, item))
        if line.full and item.delivery.acknowledged:
            return self._paused(adapter, line)
        return None

    async def _squeeze(self, adapter: Adapter, line: AckLine, queue: Queue, item: Item) -> bool:
        """Wait for room, where waiting is possible."""
        assert item.delivery is not None
        assert item.ticket is not None
        labels = (adapter.name, adapter.protocol)
        # What is polled can wait a little: meanwhile nothing is asked for. Not for long, as that would be no sight.
        polled = adapter.basis is Basis.POLLED
        patience_s = None if item.delivery.acknowledged else _PATIENCE_S if polled else 0.0
        if patience_s != 0.0:
            self._telemetry.pauses.labels(*labels).inc()
        if patience_s == 0.0 or not await self._room(queue, item.size, patience_s):
            self._telemetry.frames_dropped.labels(*labels).inc()
            line.leave(item.ticket)
            return False
        self._put(queue, item)
        return await self._paused(adapter, line) if line.full and item.delivery.acknowledged else True

    async def _paused(self, adapter: Adapter, line: AckLine) -> bool:
        self._telemetry.pauses.labels(adapter.name, adapter.protocol).inc()
        await line.room()
        return True

    def _put(self, queue: Queue, item: Item) -> None:
        self._queues.count(queue, item)
        self._queues.put(((queue, item),))

    async def _room(self, queue: Queue, size: int, patience_s: float | None) -> bool:
        """Whether there was any within so many seconds (None: however long it takes)."""
        try:
            async with asyncio.timeout(patience_s):
                while self._queues.full(queue, size):
                    await self._queues.room(queue)
        except TimeoutError:
            return False
        return True

    def last(self, adapter: Adapter, line: AckLine, deliveries: Sequence[Delivery]) -> None:
        """Take what a connection that is closed had begun: little, so also after `drain`, and whatever room there is."""
        for delivery in deliveries:
            item = decoded(adapter, delivery, line.join(delivery))
            self._put(self._queues.queue(source_of(item)), item)

    def store(
        self,
        connection: str,
        protocol: str,
        events: Sequence[Event],
        *,
        effect: Callable[[Transaction], None] | None = None,
    ) -> asyncio.Future[Sequence[Event]]:
        """Commit something of the gateway's own, in order with everything else it stores; resolves after the commit."""
        assert self._loop is not None
        future: asyncio.Future[Sequence[Event]] = self._loop.create_future()

        def done(stored: Sequence[Event]) -> None:
            if not future.done():
                future.set_result(stored)

        item = Item(connection, protocol, events=events, effect=effect, done=done)
        self._put(self._queues.queue("gateway"), item)
        return future

    def lost(self, connection: str, protocol: str, station: str, at: Micros, *, kept: bool = False) -> None:
        """Nothing is seen of this station any more: none of its signals is known, once what came before is stored."""
        self._tell(connection, protocol, Lost(station, kept), at)

    def _tell(self, connection: str, protocol: str, observation: Lost | Tick, at: Micros) -> None:
        frame = frame_of(connection, observation, at)
        item = Item(connection, protocol, delivery=Delivery(frame, acknowledged=False), observations=(observation,))
        self._put(self._queues.queue(station_source(connection, observation.station)), item)

    async def again(
        self,
        adapter: Adapter,
        delivery: Delivery,
        observations: Sequence[Observation],
        effect: Callable[[Transaction], None],
    ) -> bool:
        """Store what was once in quarantine, without its station's state. False when it went there again."""
        assert self._loop is not None
        stored: asyncio.Future[None] = self._loop.create_future()
        item = Item(
            adapter.name,
            adapter.protocol,
            delivery=delivery,
            observations=observations,
            effect=effect,
            done=lambda events: None if stored.done() else stored.set_result(None),
            stateless=True,
        )
        self._put(self._queues.queue("gateway"), item)
        await stored
        return not item.quarantined

    def depth(self) -> dict[str, tuple[int, int]]:
        """Frames and bytes not yet committed, by source."""
        return self._queues.depth()

    # -- the writer's feed (writer's thread)

    def take(self, wait_s: float) -> list[Taken]:
        return self._queues.take(wait_s)

    def apply(self, transaction: Transaction, items: Sequence[Taken]) -> None:
        if self.recording is not None:
            transaction.recalled = Recalled()
        self._recalled = transaction.recalled
        self.stepper.apply(transaction, [item for _, item in items])

    def rolled_back(self) -> None:
        self.stepper.roll_back()

    def refused(self, item: Taken, error: Exception) -> Taken:
        _, refused = item
        if refused.delivery is None or refused.refusal is not None:
            # Nothing of a machine's is lost by leaving this out, and it must not come back for ever.
            log.error("an entry of the gateway's own cannot be stored and is left out: %s", error)
            refused.events, refused.effect, refused.refusal = (), None, None
            if refused.delivery is not None:
                refused.observations = ()
            return item
        refused.refusal = refusal_of(error)
        refused.observations = ()
        return item

    def committed(self, items: Sequence[Taken], events: Sequence[Event]) -> None:
        self.stepper.keep()
        recording = self.recording
        if recording is not None and self._recalled is not None:
            recording.committed(items, events, self._recalled, self.stepper)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._after_commit, items, events, self.stepper.tally)

    # -- after a commit (event loop)

    def _after_commit(self, items: Sequence[Taken], events: Sequence[Event], tally: Tally) -> None:
        now = times.now()
        self._queues.settle(items)
        oldest = now
        lines: dict[AckLine, None] = {}
        for _, item in items:
            if item.ticket is not None:
                item.ticket.done = True
                lines[item.ticket.line] = None
            if item.delivery is not None and item.delivery.frame.received < oldest:
                oldest = item.delivery.frame.received
        for line in lines:
            line.advance()
        if self._held is not None and not self._pending():
            self._idle.set()
        self.tail.publish(list(events))
        answer = self.on_committed
        for _, item in items:
            if item.delivery is not None and item.delivery.reply is not None and answer is not None:
                _guarded(answer, item.connection, item.delivery, item.observations)
            if item.done is not None:
                _guarded(item.done, events)
        self._telemetry.ingest_seconds.observe((now - oldest) / 1e6)
        for station, wake in tally.wakes.items():
            self._wake(station, wake)
        self._count(tally)

    def _wake(self, station: str, wake: Wake) -> None:
        """A class waits for time to pass: a tick, should nothing come from its machine until then."""
        waiting = self._wakes.pop(station, None)
        if waiting is not None:
            waiting.cancel()
        if wake.due is not None and self._held is None:
            assert self._loop is not None
            delay = max(wake.due - times.now(), 0) / 1e6
            self._wakes[station] = self._loop.call_later(delay, self._tick, station, wake)

    def _tick(self, station: str, wake: Wake) -> None:
        self._wakes.pop(station, None)
        if self._held is None:
            self._tell(wake.connection, wake.protocol, Tick(station), times.now())

    def _count(self, tally: Tally) -> None:
        if self.on_heard is not None:
            for (connection, station, peer), at in tally.heard.items():
                _guarded(self.on_heard, connection, station, peer, at)
        self._telemetry.journal_commits.inc(self._writer.commits - self._commits)
        self._commits = self._writer.commits
        count(self._telemetry, tally)


def _guarded(call: Callable[..., None], *arguments: object) -> None:
    """What one message leads to must not take the rest of its commit with it."""
    try:
        call(*arguments)
    except Exception:
        log.exception("after a commit")
