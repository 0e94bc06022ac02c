"""A rig with the gateway behind its adapter: supervisor, ingest and a real journal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from gateway.core.adapter import Adapter, Basis
from gateway.core.event import Event, Origin
from gateway.core.frame import Delivery, Frame, Notice
from gateway.core.observation import Observation
from gateway.journal.filter import Filter
from gateway.journal.transaction import Transaction
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from tests.build import Bench, bench, until
from tests.contract.rig import Heard, Rig

QUICK = SupervisorSettings(retry_first_s=0.02, retry_most_s=0.05, settled_s=0.0, tick_s=0.05, mark_s=0.05)


class Tap:
    """An adapter that keeps a record of its frames."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.frames: list[Frame] = []

    @property
    def name(self) -> str:
        return self._adapter.name

    @property
    def protocol(self) -> str:
        return self._adapter.protocol

    @property
    def basis(self) -> Basis:
        return self._adapter.basis

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        async with self._adapter.connect() as items:
            yield self._record(items)

    async def _record(self, items: AsyncIterator[Delivery | Notice]) -> AsyncIterator[Delivery | Notice]:
        async for item in items:
            if isinstance(item, Delivery):
                self.frames.append(item.frame)
            yield item

    def decode(self, frame: Frame) -> Sequence[Observation]:
        return self._adapter.decode(frame)


class Crash(BaseException):
    """Ends the journal's writer in the middle of a commit, as a kill would."""


async def everything(behind: Bench) -> list[Event]:
    """All that the journal holds."""
    page = await behind.reader.events(0, 1000, Filter())
    assert not page.more
    return [placed.event for placed in page.events]


async def of_machines(behind: Bench) -> list[Event]:
    """What machines said, without what the gateway says about itself."""
    return [event for event in await everything(behind) if event.origin is not Origin.GATEWAY]


class Host:
    """What runs, and what its journal holds. frames: every frame that was read, in order."""

    def __init__(self, rig: Rig, behind: Bench) -> None:
        self.rig = rig
        self.bench = behind
        self.adapter = Tap(rig.adapter())
        self.supervisor = Supervisor(
            [self.adapter], behind.ingest, behind.telemetry, QUICK, marks=behind.writer.marks(), draw=lambda: 1.0
        )
        self.link = self.supervisor.links[self.adapter.name]
        self._running: asyncio.Task[None] | None = None
        behind.ingest.on_heard = self.supervisor.heard
        for gap in behind.writer.open_gaps():
            self.link.adopt_gap(behind.ingest.stations.by_id[gap.station or ""], gap.id, gap.cause)

    @property
    def frames(self) -> list[Frame]:
        return self.adapter.frames

    async def stored(self, unit: int = 0) -> list[int]:
        """The numbers in the journal, in its order."""
        found: list[Heard | None] = [self.rig.talk.stored(event) for event in await of_machines(self.bench)]
        return [each.number for each in found if each is not None and each.unit == unit]

    async def tell(self, *numbers: int, unit: int = 0) -> None:
        """Let these happen, and wait until they are stored; one by one where only the newest can be seen."""
        for some in [[number] for number in numbers] if self.rig.conflates else [list(numbers)]:
            await self.rig.say(*some, unit=unit)
            await self.keeps(*some, unit=unit)
        if self.rig.acknowledged:  # or `reads` would count what is stored and not yet acknowledged
            await until(lambda: not any(frames for frames, _ in self._unsettled()))

    async def keeps(self, *numbers: int, unit: int = 0) -> None:
        """Until these are stored."""
        try:
            async with asyncio.timeout(10):
                while not set(numbers) <= set(await self.stored(unit)):
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            read = [frame.payload for frame in self.frames]
            raise AssertionError(f"{numbers} of {unit}: stored {await self.stored(unit)}, read {read}") from error

    def _unsettled(self) -> list[tuple[int, int]]:
        """Frames and bytes of the machines that wait for the journal, or for being acknowledged."""
        return [each for key, each in self.bench.ingest.depth().items() if key != "gateway"]

    async def connected(self) -> None:
        await until(lambda: self.link.state != "down")

    async def loses(self) -> None:
        """Until it is known that the peer has gone; where the connection ends with it, some attempts later."""
        before = self.bench.counter("connect_failures")
        if self.rig.ends:
            await until(lambda: self.bench.counter("connect_failures") >= before + 3)
        else:
            await until(lambda: all(sight.gap is not None for sight in self.link.sights.values()))

    async def regains(self) -> None:
        """Until the peer is back."""
        if self.rig.ends:
            await self.connected()
        else:
            await until(lambda: all(sight.gap is None for sight in self.link.sights.values()))

    async def reads(self, count: int) -> None:
        """Until so many frames were read and are not committed; where one frame may hold several messages, or none, until all
        that the rig has just said was, by its bytes."""
        said = getattr(self.rig, "said", 0)

        def read() -> bool:
            depth = self._unsettled()
            return sum(size for _, size in depth) >= said if said else sum(frames for frames, _ in depth) >= count

        await until(read)

    def start(self) -> None:
        self._running = asyncio.create_task(self.supervisor.run(), name="supervisor")

    async def leave(self) -> None:
        """Close the connection in good order, as stopping does, whatever is committed by then."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    @asynccontextmanager
    async def crashing(self) -> AsyncIterator[None]:
        """While the block runs a commit is under way, at its end the writer dies in it. The peer is to be down then."""
        entered, gate = threading.Event(), threading.Event()

        def effect(_: Transaction) -> None:
            entered.set()
            gate.wait(30)
            raise Crash

        self.bench.ingest.store("test", "test", [], effect=effect)
        await until(entered.is_set)
        try:
            yield
        finally:
            gate.set()
            await until(lambda: not self.bench.ingest.alive)


@asynccontextmanager
async def hosting(rig: Rig, folder: Path) -> AsyncIterator[Host]:
    """Running and connected, over the journal of this folder. At the end it stops as the daemon does."""
    folder.mkdir(exist_ok=True)
    async with bench(folder, stations=rig.stations()) as behind:
        host = Host(rig, behind)
        host.start()
        try:
            await host.connected()
            yield host
            if behind.ingest.alive:
                await behind.ingest.drain(5)
        finally:
            await host.leave()
