"""One capture that is being made: from the writer's thread over a bounded queue to a thread that writes files."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

import msgspec

from gateway.capture.batch import Batch, Missed, Sent, Taken, Turn, known, remembered
from gateway.capture.choice import Choice
from gateway.capture.file import CaptureFile
from gateway.capture.form import About, Gone, Remembered, Site, Wire
from gateway.capture.metrics import CaptureMetrics
from gateway.capture.order import Limits
from gateway.capture.shelf import NoRoom, Shelf
from gateway.core import times
from gateway.core.event import Event
from gateway.core.times import Micros
from gateway.ingest.apply import Stepper
from gateway.ingest.queues import Item, Queue
from gateway.journal.transaction import Recalled

log = logging.getLogger("lineside.capture")

_BESIDE_BYTES = 300
"""About what a frame takes beside its payload, or an event beside its body."""
_REST_S = 0.25
"""Between two looks into the queue, while a quarter of it is enough: each time that this thread takes the interpreter from
the others costs more than what it does then."""
_ROOM_S = 1.0
"""How often it is looked whether there is room."""

Entry = Batch | Sent | Turn
Clock = Callable[[], Micros]


class Redaction(Protocol):
    """What replaces identifiers. Used on the recorder's thread, in the order of the capture."""

    def batch(self, batch: Batch) -> tuple[Batch, int]:
        """Without identifiers, and how many of its frames had to be left out."""

    def sent(self, sent: Sent) -> Sent | None: ...

    def states(self, states: dict[str, Remembered]) -> dict[str, Remembered]: ...


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the beginning of each file. about: of the first that is to be written; number: of its first message."""

    about: About
    site: Site
    profiles: dict[str, bytes]
    number: int = 1


class Tally:
    """What a recorder has done since it was started. Written on its threads, read anywhere."""

    def __init__(self) -> None:
        self.frames = self.events = self.missed = self.holes = self.left_out = 0


class Recorder:
    """A capture must never hold up what it captures: what finds no room in the queue is missed, and a hole in the capture
    says how much; behind it the states of the stations are written again. on_end: called, on the recorder's thread, when it
    has stopped by itself, with the reason.
    """

    def __init__(
        self,
        script: Script,
        shelf: Shelf,
        limits: Limits,
        metrics: CaptureMetrics,
        *,
        choice: Choice | None = None,
        redaction: Redaction | None = None,
        on_end: Callable[[str], None] = lambda reason: None,
        clock: Clock = times.now,
    ) -> None:
        self.name = script.about.name
        self.tally = Tally()
        self._script, self._shelf, self._limits = script, shelf, limits
        self._choice, self._redaction, self._clock = choice, redaction, clock
        self._on_end = on_end
        self._metrics = metrics
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._hurry = threading.Event()
        self._pending = 0  # bytes in the queue
        self._missed: Missed | None = None
        self._wants_turn = True
        self._turning = False  # another file was asked for, and is not begun yet
        self._begun = False  # frames are taken
        self._over = False
        self._file: CaptureFile | None = None
        self._file_began: Micros = 0
        self._counted = 0  # bytes of the file, in the metric
        self._room_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"capture {self.name}", daemon=True)

    def start(self) -> None:
        """With the next commit: what it leaves behind is what the capture begins from."""
        self._metrics.running.labels(self.name).set(1)
        self._thread.start()

    def stop(self) -> None:
        """Write what is in the queue, and close the file. Takes as long as that does."""
        self._queue.put(None)
        self._hurry.set()
        self._thread.join()

    # -- the writer's thread, and for what is sent the event loop

    def committed(
        self, items: Sequence[tuple[Queue, Item]], events: Sequence[Event], recalled: Recalled, stepper: Stepper
    ) -> None:
        """As `gateway.ingest.recording.Recording`."""
        if self._over:
            return
        at = self._clock()
        batch = self._batch(at, items, events, recalled, stepper) if self._begun else None
        with self._lock:
            if batch is not None:
                self._offer(batch)
            if self._missed is not None and self._pending > self._limits.queue_bytes // 2:
                return
            if self._wants_turn or self._missed is not None:
                self._queue.put(Turn(at=at, states=stepper.remembered(), missed=self._missed))
                self._begun, self._wants_turn, self._missed = True, False, None

    def _batch(
        self,
        at: Micros,
        items: Sequence[tuple[Queue, Item]],
        events: Sequence[Event],
        recalled: Recalled,
        stepper: Stepper,
    ) -> Batch | None:
        frames: list[Taken] = []
        own: list[Event] = [*stepper.tally.alone]
        choice, looked_into = self._choice, self._redaction is not None
        size = 0
        for _, item in items:
            delivery = item.delivery
            if delivery is None:
                own += item.events
            elif not item.stateless and (choice is None or choice.takes(item)):
                frames.append(Taken(item.protocol, delivery, item.observations if looked_into else ()))
                size += item.size + _BESIDE_BYTES
        if choice is not None:
            events = [event for event in events if choice.takes_event(event)]
        if not frames and not events:
            return None
        if own:
            ids = {id(event) for event in own}
            own = [event for event in events if id(event) in ids]
            events = [event for event in events if id(event) not in ids]
        size += sum(len(event.body) + _BESIDE_BYTES for event in events)
        return Batch(at=at, frames=frames, events=events, own=own, recalled=recalled, size=size)

    def _offer(self, batch: Batch) -> None:
        full = self._pending > 0 and self._pending + batch.size > self._limits.queue_bytes
        if self._missed is None and full:
            self._missed = Missed()
        if self._missed is not None:
            self._missed.add(batch.frames)
            return
        self._pending += batch.size
        self._queue.put(batch)
        if self._pending > self._limits.queue_bytes // 4:
            self._hurry.set()

    def broken(self) -> None:
        """Of the last commit nobody knows how much was taken: a hole."""
        with self._lock:
            self._missed = self._missed or Missed()

    def sent(self, sent: Sent) -> None:
        """Something was answered. What finds no room is left out: nothing that is stepped depends on it."""
        with self._lock:
            if self._begun and not self._over and self._missed is None and self._pending < self._limits.queue_bytes:
                self._pending += len(sent.payload) + _BESIDE_BYTES
                self._queue.put(sent)

    # -- the recorder's thread

    def _run(self) -> None:
        reason = ""
        try:
            self._work()
        except NoRoom as error:
            reason = str(error)
        except OSError as error:
            reason = f"cannot write: {error.strerror or error}"
            self._abandon()
        except Exception as error:
            log.exception("capture %s failed", self.name)
            reason = f"a defect: {type(error).__name__}: {error}"
        self._over = True
        try:
            self._close()
        except OSError as error:
            reason = reason or f"cannot write: {error.strerror or error}"
            self._abandon()
        self._metrics.running.labels(self.name).set(0)
        if reason:
            log.error("capture %s has stopped: %s", self.name, reason)
            self._on_end(reason)

    def _work(self) -> None:
        flush_at = time.monotonic() + self._limits.flush_s
        while True:
            try:
                entry = self._queue.get(timeout=max(flush_at - time.monotonic(), 0.0))
            except Empty:
                self._flush()
                flush_at = time.monotonic() + self._limits.flush_s
                continue
            if entry is None:
                return
            self._write(entry)
            if time.monotonic() >= flush_at:
                self._flush()
                flush_at = time.monotonic() + self._limits.flush_s
            if self._queue.empty():
                self._hurry.wait(_REST_S)
                self._hurry.clear()

    def _write(self, entry: Entry) -> None:
        if isinstance(entry, Turn):
            self._turn(entry)
            return
        file = self._file
        assert file is not None, "nothing is taken before the first turn"
        if isinstance(entry, Sent):
            self._write_sent(file, entry)
            with self._lock:
                self._pending -= len(entry.payload) + _BESIDE_BYTES
            return
        try:
            self._write_batch(file, entry)
        except (UnicodeEncodeError, OverflowError, TypeError) as error:  # what no file of ours can hold
            log.warning("capture %s: a commit cannot be written and is left out: %s", self.name, error)
            with self._lock:
                self._missed = self._missed or Missed()
                self._missed.add(entry.frames)
        with self._lock:
            self._pending -= entry.size
        self._grown(file, entry.at)

    def _write_batch(self, file: CaptureFile, batch: Batch) -> None:
        left_out = 0
        if self._redaction is not None:
            batch, left_out = self._redaction.batch(batch)
        asked = known(batch.recalled)
        if asked is not None:
            file.known(asked, at=batch.at)
        for taken in batch.frames:
            file.delivery(taken.protocol, taken.delivery, batch.at)
        if batch.events:
            file.events(batch.events, at=batch.at)
        if batch.own:
            file.events(batch.own, at=batch.at, own=True)
        self.tally.frames += len(batch.frames)
        self.tally.events += len(batch.events) + len(batch.own)
        self._metrics.frames.labels(self.name).inc(len(batch.frames))
        if left_out:
            self.tally.left_out += left_out
            self._metrics.left_out.labels(self.name).inc(left_out)

    def _write_sent(self, file: CaptureFile, sent: Sent) -> None:
        what = sent if self._redaction is None else self._redaction.sent(sent)
        if what is not None:
            wire = Wire(what.channel, what.payload)
            file.frame(what.connection, what.protocol, wire, received=what.at, at=what.at, out=True)

    def _grown(self, file: CaptureFile, at: Micros) -> None:
        """See whether it needs another file, and whether there is room."""
        size = file.size
        if size == self._counted and at - self._file_began < self._shelf.file_s * 1e6:
            return
        self._metrics.bytes.labels(self.name).inc(size - self._counted)
        self._counted = size
        enough = size >= self._shelf.file_bytes or at - self._file_began >= self._shelf.file_s * 1e6
        if enough and not self._turning:
            self._wants_turn = self._turning = True
        if time.monotonic() >= self._room_at:
            self._make_room(at)

    def _make_room(self, at: Micros) -> None:
        before = self._shelf.deleted
        try:
            self._shelf.make_room(at, self._counted)
        finally:
            self._metrics.deleted.labels(self.name).inc(self._shelf.deleted - before)
            self._room_at = time.monotonic() + _ROOM_S

    def _turn(self, turn: Turn) -> None:
        states = remembered(turn.states)
        if self._choice is not None:
            states = {station: each for station, each in states.items() if self._choice.knows(station)}
        if self._redaction is not None:
            states = self._redaction.states(states)
        missed = turn.missed
        if missed is not None:
            self.tally.missed += missed.frames
            self.tally.holes += 1
            self._metrics.missed.labels(self.name).inc(missed.frames)
            log.warning("capture %s: %d frames could not be kept up with and are missing", self.name, missed.frames)
        if self._file is not None and missed is not None:
            since = turn.at if missed.since is None else missed.since
            self._file.hole(Gone(missed.frames, missed.bytes, since, missed.until or turn.at, states), at=turn.at)
            if not self._turning:
                return
        self._close()
        self._make_room(turn.at)
        about = msgspec.structs.replace(self._script.about, began=turn.at)
        path = self._shelf.fresh(about.part, turn.at)
        number = self._script.number
        self._file = CaptureFile(path, about, self._script.site, self._script.profiles, states, number=number)
        sync_folder(self._shelf.folder)
        self._file_began, self._counted, self._turning = turn.at, 0, False

    def _flush(self) -> None:
        if self._file is not None and self._file.waiting:
            self._file.flush()
            self._grown(self._file, self._clock())

    def _close(self) -> None:
        """The next file goes on with the part and the number behind this one's."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError:
            file.abandon()
            raise
        size = file.path.stat().st_size
        self._metrics.bytes.labels(self.name).inc(max(size - self._counted, 0))
        self._shelf.close(file.path, size, self._clock())
        about = self._script.about
        about = msgspec.structs.replace(about, part=about.part + 1, follows=True, first=file.number)
        self._script = msgspec.structs.replace(self._script, about=about, number=file.number)

    def _abandon(self) -> None:
        if self._file is not None:
            self._file.abandon()
            self._file = None


def sync_folder(folder: Path) -> None:
    """So that new files in it survive a power cut. Raises OSError."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
