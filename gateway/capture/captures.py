"""All captures of a gateway: begun, stopped and listed while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from gateway.capture.batch import Sent
from gateway.capture.choice import Choice
from gateway.capture.form import About, Site
from gateway.capture.mend import mend, messages
from gateway.capture.metrics import CaptureMetrics
from gateway.capture.order import NAME, Limits, Order, Standing
from gateway.capture.reading import CaptureError, Part
from gateway.capture.recorder import Recorder, Redaction, Script, sync_folder
from gateway.capture.shelf import Shelf, pieces
from gateway.core import times
from gateway.core.errors import LinesideError
from gateway.core.event import Event, Place
from gateway.core.times import Micros
from gateway.ingest.apply import Stepper
from gateway.ingest.ingest import Ingest
from gateway.ingest.queues import Item, Queue
from gateway.journal.transaction import Recalled, Transaction

log = logging.getLogger("lineside.capture")


class Refused(LinesideError):
    """It cannot be begun, stopped or deleted as things stand; the text says why."""


class Unknown(LinesideError):
    """There is no such capture, or no such file of it."""


class Described(msgspec.Struct, frozen=True):
    """The gateway in the words of a capture. profiles: texts by name."""

    site: Site
    profiles: dict[str, bytes]
    place: Place
    version: str


class Held(msgspec.Struct, frozen=True):
    """A file of a capture. ended: when it was last written to."""

    name: str
    bytes: int
    ended: Micros


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A capture. reason: why it stopped by itself. The counts are since it was begun or last went on; `None` when it does
    not run."""

    order: Order
    running: bool
    reason: str
    files: Sequence[Held]
    frames: int | None = None
    events: int | None = None
    missed_frames: int | None = None
    left_out_frames: int | None = None

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class Captures:
    """`gateway.ingest.recording.Recording` for all that run. Everything else is called on the event loop.

    redaction: makes what replaces identifiers; raises LinesideError where that is not set up.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        ingest: Ingest,
        described: Described,
        metrics: CaptureMetrics,
        *,
        redaction: Callable[[], Redaction],
    ) -> None:
        self.folder = folder
        self._limits, self._ingest, self._described, self._metrics = limits, ingest, described, metrics
        self._redaction = redaction
        self._running: dict[str, Recorder] = {}
        self._changing: set[str] = set()
        """Being begun, stopped or deleted on another thread."""
        self._reasons: dict[str, str] = {}
        """Why captures stopped by themselves: where the disk is full, nothing about it can be written there."""

    # -- what runs

    def committed(
        self, items: Sequence[tuple[Queue, Item]], events: Sequence[Event], recalled: Recalled, stepper: Stepper
    ) -> None:
        for recorder in list(self._running.values()):
            try:
                recorder.committed(items, events, recalled, stepper)
            except Exception:  # it must not take the gateway with it
                log.exception("capture %s missed a commit", recorder.name)
                recorder.broken()

    def sent(self, connection: str, channel: str, payload: bytes) -> None:
        """It was answered, just now."""
        protocol = str(self._described.site.connections.get(connection, {}).get("protocol", ""))
        sent = Sent(at=times.now(), connection=connection, protocol=protocol, channel=channel, payload=payload)
        for recorder in list(self._running.values()):
            recorder.sent(sent)

    # -- beginning and ending

    async def begin(self, order: Order) -> State:
        """Raises Refused, also where nothing can be written; NoSuch for stations and sources."""
        if not NAME.fullmatch(order.name):
            raise Refused(f"{order.name!r} is no name; allowed: {NAME.pattern}")
        if Standing.load(self._of(order.name)) is not None:
            raise Refused(f"there is a capture {order.name!r} already: let it go on, delete it, or take another name")
        await self._start(order)
        return self.state(order.name)

    async def go_on(self, name: str) -> State:
        """With a capture that was stopped, in a new file. Raises Unknown, Refused."""
        if name in self._running:
            raise Refused(f"capture {name!r} runs")
        await self._start(self._standing(name).order)
        return self.state(name)

    async def keep(self, order: Order) -> None:
        """One that is configured: begun with the gateway, whatever became of it before. Raises as `begin`."""
        await self._start(order, configured=True)

    async def resume(self) -> None:
        """What ran when the gateway ended, goes on. What cannot is told and left."""
        for folder in self._folders():
            standing = Standing.load(folder)
            if standing is None or standing.configured:
                continue
            if standing.running and folder.name not in self._running:
                try:
                    await self._start(standing.order)
                except LinesideError as error:
                    log.error("capture %s does not go on: %s", folder.name, error)  # noqa: TRY400  no defect

    async def stop(self, name: str) -> State:
        """Raises Unknown, Refused."""
        standing = self._standing(name)
        recorder = self._leave(name)
        if recorder is None:
            raise Refused(f"capture {name!r} does not run")
        with self._change(name):
            await asyncio.to_thread(recorder.stop)
        self._stand(msgspec.structs.replace(standing, running=False, reason=self._reasons.get(name, "")))
        return self.state(name)

    async def delete(self, name: str) -> None:
        """With all its files. Raises Unknown, Refused."""
        self._standing(name)
        if name in self._running:
            raise Refused(f"capture {name!r} runs: stop it first")
        with self._change(name):
            try:
                await asyncio.to_thread(shutil.rmtree, self._of(name))
            except OSError as error:
                raise Refused(f"cannot delete {self._of(name)}: {error.strerror or error}") from error

    async def close(self) -> None:
        """The gateway ends: those that run go on when it starts again."""
        recorders, self._running = list(self._running.values()), {}
        self._ingest.recording = None
        for recorder in recorders:
            await asyncio.to_thread(recorder.stop)

    async def _start(self, order: Order, *, configured: bool = False) -> None:
        described = self._described
        site, choice = described.site, None
        if order.stations or order.sources:
            choice = Choice(site, self._ingest.stations, chosen=order.stations, sources=order.sources)
            site = choice.narrow(site)
        redaction = self._redaction() if order.redact else None
        with self._change(order.name):
            shelf, about = await asyncio.to_thread(self._prepare, order, choice, configured=configured)
        self._reasons.pop(order.name, None)
        recorder = Recorder(
            Script(about=about, site=site, profiles=described.profiles, number=about.first),
            shelf,
            self._limits,
            self._metrics,
            choice=choice,
            redaction=redaction,
            on_end=functools.partial(self._tell_end, asyncio.get_running_loop(), order),
        )
        recorder.start()
        self._running = {**self._running, order.name: recorder}  # a new one: other threads go through it meanwhile
        self._ingest.recording = self
        self._ingest.store("capture", "gateway", (), effect=_nothing)  # so that it begins, though nobody says anything

    def _prepare(self, order: Order, choice: Choice | None, *, configured: bool) -> tuple[Shelf, About]:
        """Its folder, and where it begins; on a thread of its own, as a large file may have to be read. Raises Refused."""
        folder = self._of(order.name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            Standing(order=order, running=True, configured=configured).save(folder)
            sync_folder(folder)
            shelf = Shelf(folder, order, self._limits)
            return shelf, self._next(shelf, order, choice)
        except OSError as error:
            raise Refused(f"cannot write to {folder}: {error.strerror or error}") from error

    def _next(self, shelf: Shelf, order: Order, choice: Choice | None) -> About:
        """Of the next file. An older one that is open was left so by a process that was killed, and is closed now."""
        described = self._described
        about = About(
            capture=str(uuid.uuid4()),
            part=1,
            began=0,
            journal=described.place.journal,
            site=described.place.site,
            gateway=described.place.gateway,
            made_by=described.version,
            redacted=order.redact,
            name=order.name,
            follows=False,
            chosen="\n".join(choice.named) if choice is not None else "",
        )
        if shelf.last is None:
            return about
        path = shelf.last.path
        try:
            count = messages(path)
            if count is None:
                mended = mend(path)
                count = mended.messages
                log.info("%s was not closed: %d messages in it, %d bytes cut off", path, count, mended.cut)
            old = Part(path).about
        except CaptureError as error:
            log.warning("capture %s begins anew: %s", order.name, error)
            return about
        return msgspec.structs.replace(about, capture=old.capture, part=old.part + 1, first=old.first + count)

    def _tell_end(self, loop: asyncio.AbstractEventLoop, order: Order, reason: str) -> None:
        """On the recorder's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the gateway has ended too
            loop.call_soon_threadsafe(self._ended, order, reason)

    def _ended(self, order: Order, reason: str) -> None:
        """By itself."""
        self._leave(order.name)
        self._reasons[order.name] = reason
        self._stand(Standing(order=order, running=False, reason=reason))

    def _stand(self, standing: Standing) -> None:
        try:
            standing.save(self._of(standing.order.name))
        except OSError as error:  # the next start goes on with it, then
            log.warning("capture %s: cannot note that it has stopped: %s", standing.order.name, error)

    @contextlib.contextmanager
    def _change(self, name: str) -> Iterator[None]:
        """Raises Refused while that is being done already."""
        if name in self._changing:
            raise Refused(f"capture {name!r} is being begun, stopped or deleted")
        self._changing.add(name)
        try:
            yield
        finally:
            self._changing.discard(name)

    def _leave(self, name: str) -> Recorder | None:
        running = dict(self._running)
        recorder = running.pop(name, None)
        self._running = running
        if not running:
            self._ingest.recording = None
        return recorder

    # -- what there is

    def states(self) -> list[State]:
        """By name."""
        return [self.state(folder.name) for folder in self._folders() if Standing.load(folder) is not None]

    def state(self, name: str) -> State:
        """Raises Unknown."""
        standing = self._standing(name)
        recorder = self._running.get(name)
        files = [Held(piece.path.name, piece.bytes, piece.ended) for piece in pieces(self._of(name))]
        if recorder is None:
            reason = self._reasons.get(name, standing.reason)
            return State(order=standing.order, running=False, reason=reason, files=files)
        tally = recorder.tally
        return State(
            order=standing.order,
            running=True,
            reason="",
            files=files,
            frames=tally.frames,
            events=tally.events,
            missed_frames=tally.missed,
            left_out_frames=tally.left_out,
        )

    def file(self, name: str, file: str) -> Path:
        """Where it is. Raises Unknown."""
        self._standing(name)
        for piece in pieces(self._of(name)):
            if piece.path.name == file:
                return piece.path
        raise Unknown(f"capture {name!r} has no file {file!r}")

    def _of(self, name: str) -> Path:
        return self.folder / name

    def _standing(self, name: str) -> Standing:
        found = Standing.load(self._of(name)) if any(each.name == name for each in self._folders()) else None
        if found is None:
            raise Unknown(f"there is no capture {name!r}")
        return found

    def _folders(self) -> list[Path]:
        try:
            return sorted(each for each in self.folder.iterdir() if each.is_dir())
        except OSError:
            return []


def _nothing(transaction: Transaction) -> None:
    """The commit alone is wanted."""
