"""One bounded queue per source, emptied round robin into batches."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from gateway.core.event import Event
from gateway.core.frame import Delivery
from gateway.core.observation import Observation
from gateway.core.times import Micros
from gateway.ingest.acks import Ticket
from gateway.journal.transaction import Transaction

_KEPT = 1_000
"""Queues that are kept although nothing is in them."""


class Refusal:
    """Why a delivery goes to quarantine as a whole."""

    __slots__ = ("detail", "reason")

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail


class Item(msgspec.Struct, eq=False):
    """What one turn of the writer works on: a delivery with its observations, or something of the gateway's own.

    stateless: stored without following the station's state, which has moved on. quarantined: what became of it, at least
    of a part.
    """

    connection: str
    protocol: str
    delivery: Delivery | None = None
    ticket: Ticket | None = None
    observations: Sequence[Observation] = ()
    refusal: Refusal | None = None
    events: Sequence[Event] = ()
    effect: Callable[[Transaction], None] | None = None
    done: Callable[[Sequence[Event]], None] | None = None
    size: int = 0
    stateless: bool = False
    quarantined: bool = False

    @property
    def received(self) -> Micros:
        return self.delivery.frame.received if self.delivery is not None else 0


class Queue:
    """Of one source. Counted on the event loop; `items` are read and written under the Queues' lock."""

    __slots__ = ("bytes", "frames", "items", "key", "room")

    def __init__(self, key: str) -> None:
        self.key = key
        self.items: deque[Item] = deque()
        self.frames = 0
        self.bytes = 0
        self.room: asyncio.Event | None = None


class Queues:
    """Filled on the event loop, emptied by the writer's thread; frames count until they are committed.

    frames, size: bounds of one source (a larger single frame is admitted alone). batch, batch_size: of one commit.
    """

    def __init__(self, *, frames: int, size: int, batch: int, batch_size: int) -> None:
        self._frames, self._size = frames, size
        self._batch, self._batch_size = batch, batch_size
        self._queues: dict[str, Queue] = {}
        self._ready: deque[Queue] = deque()
        self._condition = threading.Condition()
        self._waiting = False

    def queue(self, key: str) -> Queue:
        found = self._queues.get(key)
        if found is None:
            found = self._queues[key] = Queue(key)
        return found

    def depth(self) -> dict[str, tuple[int, int]]:
        """Frames and bytes not yet committed, by source."""
        return {key: (queue.frames, queue.bytes) for key, queue in list(self._queues.items())}

    def full(self, queue: Queue, size: int) -> bool:
        return queue.frames >= self._frames or (queue.frames > 0 and queue.bytes + size > self._size)

    def count(self, queue: Queue, item: Item) -> None:
        """It is as good as queued: no event loop's turn passes until `put`. The caller has looked whether there is room, or
        knows that this one must not wait."""
        queue.frames += 1
        queue.bytes += item.size

    def put(self, counted: Sequence[tuple[Queue, Item]]) -> None:
        """For the writer's thread, which is woken once for all of them."""
        with self._condition:
            for queue, item in counted:
                queue.items.append(item)
                if len(queue.items) == 1:
                    self._ready.append(queue)
            if self._waiting:
                self._condition.notify()

    def take(self, wait_s: float) -> list[tuple[Queue, Item]]:
        """One from each source in turn until a batch is full or nothing is left."""
        with self._condition:
            if not self._ready and wait_s > 0:
                self._waiting = True
                self._condition.wait(wait_s)
                self._waiting = False
            taken: list[tuple[Queue, Item]] = []
            count = size = 0
            ready = self._ready
            while ready:
                queue = ready.popleft()
                item = queue.items.popleft()
                if queue.items:
                    ready.append(queue)
                taken.append((queue, item))
                count += max(len(item.observations), 1)
                size += item.size
                if count >= self._batch or size >= self._batch_size:
                    break
            return taken

    def settle(self, taken: Sequence[tuple[Queue, Item]]) -> None:
        """These are committed: there is room again at their sources. On the event loop."""
        for queue, item in taken:
            queue.frames -= 1
            queue.bytes -= item.size
            if queue.frames == 0 and len(self._queues) > _KEPT:  # sources may be named by whoever can send
                self._queues.pop(queue.key, None)
            if queue.room is not None:
                queue.room.set()
                queue.room = None

    async def room(self, queue: Queue) -> None:
        """Until something of this source was committed."""
        if queue.room is None:
            queue.room = asyncio.Event()
        await queue.room.wait()
