"""What runs while a session is connected: publishing, the look at the server's clock, and what was missed before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from asyncua import ua

from adapters.opcua_buffer import Buffer
from adapters.opcua_history import History
from adapters.opcua_items import Watch, resolve
from adapters.opcua_progress import Progress
from adapters.opcua_publish import Forgotten, Publisher
from adapters.opcua_session import NOW, Session, telling
from adapters.opcua_settings import OpcUaConnection
from gateway.core import times
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.core.times import Micros
from gateway.profile.bound_nodes import Change, Nodes
from gateway.profile.node_frame import Payload

_SILENT = 3
"""Intervals without a sign of life after which something is gone."""
_LATE: Micros = 60_000_000
"""A server may record values so long after their source times."""
_CONDITION_TYPE, _CONDITION_REFRESH = ua.NodeId(2782), ua.NodeId(3875)


class Run:
    """One connection of a session. Made anew for each, also for a session that is taken up again (`again`).

    progress: where history is to be read; kept by the adapter from one connection to the next.
    """

    def __init__(
        self, settings: OpcUaConnection, session: Session, stations: Mapping[str, Nodes], progress: Progress | None
    ) -> None:
        self.session = session
        self._settings = settings
        self._stations = stations
        self._progress = progress
        self._watches: dict[int, Watch] = {}
        self._stirred = asyncio.Event()
        self._buffer = Buffer(settings.buffer_bytes, self._stirred)
        self._publisher = Publisher(
            settings.name,
            session,
            self._watches,
            self._buffer,
            most=settings.publishes,
            progress=progress,
            proven=self._stirred,
        )
        self._tasks: list[asyncio.Task[None]] = []

    def again(self) -> Run:
        """For the same session over a new channel, with the subscriptions that it has."""
        run = Run(self._settings, self.session, self._stations, self._progress)
        run._watches.update(self._watches)
        return run

    def items(self) -> AsyncGenerator[Delivery | Notice]:
        """In order. Raises NotConnected once the connection is gone, behind what came before."""
        return self._buffer.items()

    async def begin(self) -> None:
        """Subscribe, and wait until it is proven by data; or, where there is history to be read first, until it comes.
        Raises NotConnected."""
        if self._progress is not None:
            self._progress.begin()
        if self._progress is not None and self._progress.begun:
            self._start(self._caught_up(self._progress), "history")
        else:
            await self._subscribe()
            self._start(self._live(), "publishing")
            self._start(self._beat(), "heartbeat")
        await self._stirred.wait()
        if not self._buffer.filled:
            self._buffer.check()

    async def resume(self) -> None:
        """Take up the subscriptions that there are. Raises NotConnected, Forgotten when the server has them no more."""
        with telling("taking up the subscriptions"):
            parameters = ua.SetPublishingModeParameters(PublishingEnabled=True, SubscriptionIds=list(self._watches))
            answers = await self.session.services.set_publishing_mode(parameters)
        if any(answer.is_bad() for answer in answers):
            raise Forgotten("the server has forgotten a subscription")
        self._present()
        await self._buffer.put(Notice(kind=NoticeKind.SESSION_KEPT, at=times.now()))
        await self._buffer.put(Notice(kind=NoticeKind.CATCHING_UP, at=times.now()))
        self._publisher.behind.update(self._watches)
        self._start(self._recovered(), "publishing")
        self._start(self._beat(), "heartbeat")

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], what: str) -> None:
        self._tasks.append(asyncio.create_task(self._guarded(work), name=f"{what} {self._settings.name}"))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Its end is that of the connection."""
        try:
            with telling("connection lost"):
                await work
        except Exception as error:  # noqa: BLE001  (handed to whoever reads, who knows what it is)
            self._buffer.fail(error)

    async def _caught_up(self, progress: Progress) -> None:
        """What was recorded until now; and once the subscriptions have begun, what was recorded until then."""
        await self._buffer.put(Notice(kind=NoticeKind.CATCHING_UP, at=times.now()))
        past = await self._clock()
        await self._history(progress, None, past, twice=False)
        await self._subscribe()
        self._start(self._beat(), "heartbeat")
        unknown = await self._history(progress, past - _LATE, await self._clock(), twice=True)
        for station, count in unknown.items():
            await self._buffer.put(Notice(kind=NoticeKind.CAUGHT_UP, at=times.now(), peer=station, count=count))
        await self._live()

    async def _clock(self) -> Micros:
        """By which the server stamps what it records."""
        at = await self.session.clock()
        return times.now() if at is None else at

    async def _recovered(self) -> None:
        await self._publisher.recover()
        await self._publisher.run()

    async def _live(self) -> None:
        for watch in self._watches.values():
            await self._tell_refused(watch, watch.refused)
        for station in self._stations:
            if self._dark(station):
                detail = "the server lets us see nothing of it"
                await self._buffer.put(Notice(kind=NoticeKind.PEER_DOWN, at=times.now(), peer=station, detail=detail))
        await self._publisher.run()

    def _dark(self, station: str) -> bool:
        return all(watch.dark for watch in self._watches.values() if watch.station == station)

    async def _subscribe(self) -> None:
        with telling("subscribing"):
            for station, nodes in self._stations.items():
                for bound in nodes.subscriptions:
                    watch = Watch(station, bound)
                    await watch.begin(self.session, self._settings)
                    self._watches[watch.id] = watch
                    if any(event.conditions for event in watch.events.values()):
                        await self._refresh(watch)

    async def _refresh(self, watch: Watch) -> None:
        """Ask for the alarms that there are now (OPC 10000-9, 5.5.7). A server that cannot tell has them unknown."""
        request = ua.CallMethodRequest(
            ObjectId=_CONDITION_TYPE,
            MethodId=_CONDITION_REFRESH,
            InputArguments=[ua.Variant(watch.id, ua.VariantType.UInt32)],
        )
        with suppress(ua.UaStatusCodeError):
            await self.session.services.call([request])

    async def _tell_refused(self, watch: Watch, refused: Mapping[str, int]) -> None:
        """Nodes that the server does not let us see are bad, like any other value of that status."""
        nodes = set(watch.bound.nodes)
        changes = tuple(Change(k=node, s=code) for node, code in refused.items() if node in nodes)
        if changes:
            frame = self._publisher.frame(watch, Payload(v=changes), times.now())
            await self._buffer.put(Delivery(frame, peer=watch.station))

    # -- signs of life

    async def _beat(self) -> None:
        """Looks at the server's clock, and at how long the subscriptions have been silent."""
        keepalive_s = self._settings.keepalive_s
        now = renewed = tried = time.monotonic()
        while True:
            due = renewed + self.session.renew_s
            await asyncio.sleep(min(keepalive_s, max(due - now, 0)))
            if time.monotonic() >= due:
                await self.session.renew()
                renewed = time.monotonic()
            await self.session.read([NOW])
            now = time.monotonic()
            self._look(now)
            if now - tried >= self._settings.retry_bad_s:
                tried = now
                await self._again()

    def _look(self, now: float) -> None:
        if self._buffer.waiting:  # then it is we who are silent
            self._present()
            return
        for watch in self._watches.values():
            allowed = _SILENT * max(watch.keepalive_s, self._settings.keepalive_s)
            if now - watch.heard > allowed:
                raise Forgotten(f"{watch.channel}: the server answers, and publishes nothing since {allowed:g} s")
            if watch.beat is not None and now - watch.beat > allowed + watch.bound.publish_s:
                raise Forgotten(f"{watch.channel}: published is nothing new, not even the server's clock")

    def _present(self) -> None:
        """All silence is forgotten."""
        for watch in self._watches.values():
            watch.heard = time.monotonic()
            watch.beat = watch.heard if watch.beat is not None else None

    async def _again(self) -> None:
        for watch in self._watches.values():
            if not watch.refused:
                continue
            dark = self._dark(watch.station)
            with telling("subscribing"):
                await self.session.name_spaces()
                await watch.again(self.session)
            if dark and not self._dark(watch.station):
                await self._buffer.put(Notice(kind=NoticeKind.PEER_UP, at=times.now(), peer=watch.station))

    # -- history

    async def _history(self, progress: Progress, start: Micros | None, end: Micros, *, twice: bool) -> dict[str, int]:
        """What was recorded from the newest that each station was seen with, or from `start`. Returns of how many things
        of each station it is not known what they said: nodes without history, events, and what is too long ago."""
        unknown: dict[str, int] = {}
        for station, nodes in self._stations.items():
            since = progress.since(station)
            texts = [text for bound in nodes.subscriptions for text in bound.nodes]
            unknown[station] = sum(len(bound.events) for bound in nodes.subscriptions)
            if not since:
                unknown[station] += len(texts)
                continue
            earliest = end - round(self._settings.history_most_s * 1_000_000)
            first = max(min(since.values()) if start is None else start, earliest)
            watch = Watch(station, nodes.subscriptions[0])
            found = dict(zip(texts, await resolve(self.session, texts), strict=True))
            history = History(self.session, {text: node for text, node in found.items() if node is not None}, since)
            async for changes in history.between(first, end):
                progress.told(station, changes, twice=twice)
                frame = self._publisher.frame(watch, Payload(v=changes), times.now(), history=True)
                await self._buffer.put(Delivery(frame, peer=station))
                self._stirred.set()
            if max(since.values()) < earliest:  # so long it was surely seen
                unknown[station] += len(texts)
            unknown[station] += sum(found[text] is None or text in history.without for text in texts)
        return unknown
