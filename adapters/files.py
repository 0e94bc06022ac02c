"""A folder that a machine writes files into: read as they grow, or as a whole once they are.

Channel of a frame: the file's name below the folder. Payload: of a profile of `lines`, what was added, in whole lines; of
one of `document`, the file with its parts behind it; nothing when there is only a problem. Metadata: the position that is
committed with it, `sha256`, `revision`, and `problem` with `detail`. See docs/files.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial

import msgspec

from adapters.files_desk import Desk, Found, Progress, shown
from adapters.files_folder import Look
from adapters.files_grown import GrownFiles
from adapters.files_ledger import Ledger
from adapters.files_notice import Notices
from adapters.files_passages import of_lines, of_records
from adapters.files_report import Reports, folder_of
from adapters.files_settings import FilesConnection
from adapters.files_tidy import Tidying, refused
from adapters.files_whole import WholeFiles
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import POSITION, Delivery, Frame, Notice, Refused
from gateway.core.observation import Lines, Observation, Record, Unreadable
from gateway.profile.bound import Machine, Records
from gateway.transport.serial_port import words

_LEAVING_S = 0.4
"""What tidying up may take at the end. What is not moved or deleted by then is at the next start."""
_BUSY = 10
"""A look is followed by a rest of at least as many times what it took: a folder may hold a hundred thousand files."""
_PROMPT_S = 0.1
"""After this rest at least, a look follows a notification: what grows all the time gives one after the other."""
_AT_ONCE = 100
"""Names of absent files that one look deals with: a share that is out of sight may hold a hundred thousand."""


class FilesAdapter:
    """One `[[connection]]` of `files`; implements gateway.core.adapter.Adapter.

    positions: what the journal has of it. Raises ConfigError when settings and profile do not go together.
    """

    basis = Basis.DURABLE_BROKER
    """The folder keeps what is written while we are away: an interruption is no gap."""

    def __init__(
        self, settings: FilesConnection, machines: Sequence[Machine], positions: Mapping[str, bytes] | None = None
    ) -> None:
        if len(machines) != 1 or machines[0].bound.records is None:
            raise ConfigError([f"{settings.name}: needs one station with a profile for {settings.protocol}"])
        self.settings = settings
        self._machine = machines[0]
        self._records: Records = machines[0].bound.records
        if not self._records.document:
            wrong = [key for key in ("parts", "beside", "trigger") if getattr(settings, key)]
            wrong += ["after"] if settings.after != "leave" else []
            if wrong:
                raise ConfigError(
                    [f"{settings.name}: {key}: its profile reads files that grow, line by line" for key in wrong]
                )
        self._progress = Progress(Ledger(positions or {}))

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def protocol(self) -> str:
        return self.settings.protocol

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        """Entering succeeds when the folder is there and can be read."""
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        job = self._progress.job
        if job is not None and not job.done():  # a second thread would wait beside the first
            await asyncio.wait({asyncio.wrap_future(job)}, timeout=self.settings.look_timeout_s)
            if not job.done():
                raise NotConnected(f"{self.settings.path}: still does not answer")
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"files {self.name}")
        try:
            desk = Desk(self.settings, self._progress, thread)
            tidying = Tidying(
                desk, Reports(folder_of(self.settings.errors, self.name), self._machine.station), self._judge
            )
            visit = _Visit(desk, tidying, None if self._records.document else self._records.framing.delimiter)
            look = await visit.look()
            try:
                async with aclosing(visit.read(look)) as items:
                    yield items
            finally:
                visit.closed = True
                await visit.notices.close()
                with suppress(NotConnected, TimeoutError):
                    async with asyncio.timeout(_LEAVING_S):
                        await visit.tidy()
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """The lines that were added to a file, or the records of a whole one."""
        problem = frame.meta.get("problem")
        if problem is not None:
            raise DecodeError(str(problem), str(frame.meta.get("detail", "")))
        if not frame.meta.get(POSITION) or "absent" in frame.meta:
            return ()
        if self._records.document:
            return of_records(self._whole(frame), frame)
        each = self._records.each(frame.payload)
        lines = tuple(line for line in each if isinstance(line, str))
        passages = of_lines(each, frame, self._records.framing.delimiter)
        return (
            Lines(self._machine.station, lines, passages=passages),
            *(part for part in each if isinstance(part, Unreadable)),
        )

    def _whole(self, frame: Frame) -> Sequence[Record | Unreadable]:
        found = self._records.whole(frame.payload, self._machine.station, self._machine.zone)
        if not found:
            raise DecodeError("no-record", "the file has nothing in it that the profile knows")
        return found

    def _judge(self, frame: Frame) -> list[Refused]:
        """What of a whole file goes to quarantine."""
        try:
            found = self._whole(frame)
        except DecodeError as error:
            return [refused(frame.payload, error.reason, str(error))]
        return [refused(each.raw, each.reason, each.detail) for each in found if isinstance(each, Unreadable)]


class _Visit:
    """One connection. closed: acknowledgements mean nothing any more. delimiter: of lines; None for whole files."""

    def __init__(self, desk: Desk, tidying: Tidying, delimiter: bytes | None) -> None:
        self._desk = desk
        self._progress = desk.progress
        self._tidying = tidying
        self._whole = WholeFiles(desk) if delimiter is None else None
        self._grown = None if delimiter is None else GrownFiles(desk, delimiter)
        self._last = Look({}, {}, ())
        self._woken = asyncio.Event()
        self._noticed = False
        self.notices = Notices(self._notice)
        self.closed = False

    async def look(self) -> Look:
        """Raises NotConnected when the folder is not there, or does not answer."""
        self._noticed = False
        try:
            self._last = await self._desk.aside(self._desk.folder.look)
        except OSError as error:
            raise NotConnected(f"{self._desk.settings.path}: {words(error)}") from error
        if self._desk.settings.notify == "auto":
            self.notices.follow(self._last.folders)
        return self._last

    async def read(self, look: Look) -> AsyncGenerator[Delivery]:
        """Whatever is there, for ever. Raises NotConnected."""
        for number, found in list(self._progress.unacknowledged.items()):
            again = msgspec.structs.replace(found.frame, redelivered=True)
            yield self._delivery(number, msgspec.structs.replace(found, frame=again))
        reader = self._whole or self._grown
        assert reader is not None
        rest_s = 0.0
        while True:
            began = time.monotonic()
            async with aclosing(reader.read(look)) as items:
                async for found in items:
                    yield self._hand_over(found)
                    await self.tidy()
            for found in self._remarks(look):
                yield self._hand_over(found)
            await self._rest(began, rest_s)
            began = time.monotonic()
            look = await self.look()
            rest_s = _BUSY * (time.monotonic() - began)

    def _remarks(self, look: Look) -> list[Found]:
        """What is to be told beside what the files say."""
        desk, tidying = self._desk, self._tidying
        found, tidying.stuck = tidying.stuck, []
        for name in look.links:
            found += desk.problem(name, "link", "is a link, and links are not followed")
        present = {shown(name) for name in look.files}
        present |= {shown(each.name) for each in self._progress.unacknowledged.values()}
        absent, forgotten = self._progress.ledger.gone(present, time.time_ns() // 1_000_000_000, _AT_ONCE)
        return [*found, *(desk.absent(key, mark) for key, mark in absent), *(desk.forget(key) for key in forgotten)]

    async def _rest(self, began: float, least_s: float) -> None:
        """Until the next look is due, and meanwhile tidy up behind what is stored. least_s: before which there is none."""
        if self._whole is not None and self._desk.settings.after != "leave":
            await self._tidying.left(self._whole.stored(self._last))
        every_s = self._desk.settings.every_s
        while True:
            await self.tidy()
            self._woken.clear()
            wanted = began + (min(every_s, _PROMPT_S) if self._noticed else every_s)
            settled = None if self._whole is None else self._whole.due()
            until = max(began + least_s, wanted if settled is None else min(wanted, settled))
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await self._woken.wait()
            except TimeoutError:
                return

    async def tidy(self) -> None:
        """What is to be done about files that are stored. Raises NotConnected."""
        await self._tidying.run(self._last)

    def _notice(self) -> None:
        self._noticed = True
        self._woken.set()

    def _hand_over(self, found: Found) -> Delivery:
        self._progress.handed += 1
        self._progress.unacknowledged[self._progress.handed] = found
        return self._delivery(self._progress.handed, found)

    def _delivery(self, number: int, found: Found) -> Delivery:
        return Delivery(found.frame, partial(self._acknowledge, number), refused=found.refused)

    def _acknowledge(self, number: int) -> None:
        """What came of the file is stored."""
        if self.closed:
            return
        found = self._progress.unacknowledged.pop(number, None)
        if found is not None and self._tidying.stored(found):
            self._woken.set()
