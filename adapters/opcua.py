"""OPC UA: one session at a server, and in it the subscriptions of each station on it.

A frame is what one publish response said of one station; its payload is gateway.profile.node_frame's, its channel
`STATION/SUBSCRIPTION`. Metadata: `history` is 1 where it was not published, but read from what the server has recorded.
See docs/opcua.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from adapters.opcua_progress import Progress
from adapters.opcua_publish import Forgotten
from adapters.opcua_run import Run
from adapters.opcua_session import Session
from adapters.opcua_settings import OpcUaConnection
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Delivery, Frame, Notice
from gateway.core.observation import Observation, Readings
from gateway.profile import node_frame
from gateway.profile.bound import Machine


class OpcUaAdapter:
    """One `[[connection]]` of protocol `opcua`; implements gateway.core.adapter.Adapter.

    positions: how far the journal has read it. Raises ConfigError when settings and profiles do not go together.
    """

    protocol = "opcua"

    def __init__(
        self,
        settings: OpcUaConnection,
        stations: Sequence[Machine],
        positions: Mapping[str, bytes] | None = None,
    ) -> None:
        problems = _problems(stations)
        if problems:
            raise ConfigError([f"{settings.name}: {problem}" for problem in problems])
        self.settings = settings
        self._stations = {each.station: nodes for each in stations if (nodes := each.bound.nodes) is not None}
        self._channels = {
            f"{station}/{each.name}": station
            for station, nodes in self._stations.items()
            for each in nodes.subscriptions
        }
        read = {
            station: [text for each in nodes.subscriptions for text in each.nodes]
            for station, nodes in self._stations.items()
        }
        self._progress = Progress(positions or {}, read) if settings.history else None
        self._told: set[str] = set()
        self._kept: tuple[Run, float] | None = None
        self.resumed = False

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def basis(self) -> Basis:
        """The server's queues outlive a short outage and no more; its history is another thing."""
        return Basis.MACHINE_BUFFER if self.settings.history else Basis.HEARTBEAT_ONLY

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        """Entering succeeds when every subscription has delivered: that the server took them proves nothing. After an
        outage the session that the server still has is taken up again, with what it queued meanwhile."""
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        run = await self._resumed()
        self.resumed = run is not None
        run = run or await self._begun()
        try:
            async with aclosing(run.items()) as items:
                yield items
        except Forgotten:
            await run.stop()
            await run.session.close()
            raise
        except NotConnected:
            await run.stop()
            run.session.drop()
            self._kept = (run, time.monotonic() + run.session.timeout_s)
            raise
        except BaseException:
            await run.stop()
            await run.session.close()
            raise
        else:
            await run.stop()
            await run.session.close()

    async def _begun(self) -> Run:
        session = Session(self.settings, self._told)
        run = Run(self.settings, session, self._stations, self._progress)
        cancelled = _cancellation()
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                await session.open()
                cancelled()
            async with asyncio.timeout(self.settings.connect_timeout_s):
                await run.begin()
                cancelled()
        except TimeoutError:
            await run.stop()
            await session.close()
            seconds = self.settings.connect_timeout_s
            raise NotConnected(f"{self.settings.url}: not connected and subscribed within {seconds:g} s") from None
        except BaseException:
            await run.stop()
            await session.close()
            raise
        return run

    async def _resumed(self) -> Run | None:
        """With the session of before; None when it is not there any more."""
        if self._kept is None:
            return None
        before, until = self._kept
        if time.monotonic() > until:
            self._kept = None
            return None
        run = before.again()
        cancelled = _cancellation()
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                await run.session.reopen()
                cancelled()
                await run.resume()
                cancelled()
        except (LookupError, Forgotten):
            self._kept = None
            await run.stop()
            await run.session.close()
            return None
        except TimeoutError:
            await run.stop()
            run.session.drop()
            seconds = self.settings.connect_timeout_s
            raise NotConnected(f"{self.settings.url}: not connected within {seconds:g} s") from None
        except BaseException:
            await run.stop()
            run.session.drop()
            raise
        self._kept = None
        return run

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """Readings and records by the machine's times; where only the server's clock is told, that the station is
        there."""
        station = self._channels.get(frame.channel)
        if station is None:
            raise DecodeError("unknown-channel", f"{frame.channel!r} is no subscription of a station on {self.name}")
        payload = node_frame.decode(frame.payload)
        found = self._stations[station].decode(station, payload.v, payload.e)
        return found or (Readings(station=station, keys=(), values=()),)


def _cancellation() -> Callable[[], None]:
    """Raises CancelledError when this task was cancelled since: asyncua waits with functions that forget it when what they
    wait for comes in the same turn of the event loop."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()

    def check() -> None:
        if task.cancelling() > before:
            raise asyncio.CancelledError

    return check


def _problems(stations: Sequence[Machine]) -> list[str]:
    found = [] if stations else ["no station is on it"]
    if len({each.station for each in stations}) < len(stations):
        found.append("a station is on it twice")
    found += [
        f"{each.station}: profile {each.bound.name!r} has nothing to subscribe to"
        for each in stations
        if each.bound.nodes is None or not any(one.nodes or one.events for one in each.bound.nodes.subscriptions)
    ]
    return found
