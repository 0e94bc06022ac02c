"""A server of OPC UA, as it was captured, with all stations that were on it: the same values, types, status codes and source
times, the same events and alarms.

A frame is said when the one before it has been published, so that a gateway gets the same in the same portions. Where sight was
lost nobody can connect until something is told again: by a server that still knows its clients, or, where all was told anew, by
one that has forgotten them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from gateway.core.errors import DecodeError, LinesideError
from gateway.core.frame import Frame
from gateway.core.times import Micros
from gateway.profile import node_frame
from gateway.profile.bound_nodes import Change, Happening
from gateway.profile.happenings import REFRESH_START
from gateway.profile.node_frame import Payload
from simulators.replay.actor import Role, Seat, Stage, Unplayable
from simulators.replay.address import spelt
from simulators.replay.node_server import NodeServer, begun
from simulators.replay.node_values import refused

_LOOK_S = 0.005
_SETTLED_S = 1.0
"""A client that watches nothing more for so long watches all that it wants."""
_BEGINNING: Micros = 10_000_000
"""Within so long after the first frame everything has been told that a server has to tell to a new client."""


class NodesActor:
    """One server."""

    def __init__(self, role: Role, stage: Stage) -> None:
        if not role.seats or any(not _has_nodes(seat) for seat in role.seats):
            raise Unplayable(f"{role.connection}: a server of OPC UA needs stations with profiles of nodes")
        self._role = role
        self._host, self._port = role.address or (stage.host, 0)
        self._patience_s = stage.patience_s
        self._channels = {
            f"{seat.station}/{each.name}": (seat.station, bool(each.nodes))
            for seat in role.seats
            if seat.bound is not None and seat.bound.nodes is not None
            for each in seat.bound.nodes.subscriptions
        }
        self._began: Micros | None = None
        self._first: dict[tuple[str, str], Change] = {}
        self._alarms: dict[str, Sequence[Happening]] = {}
        self._returning: dict[str, list[Change]] = {}
        self._away = False
        self._watched = 1
        self._alone = False

    def rehearse(self, frame: Frame) -> bool:
        """What a client is told first. What was not told then has no value until it has one: it had changed later."""
        if self._began is None:
            self._began = frame.received
        if frame.received - self._began > _BEGINNING:
            return False
        try:
            station, payload = self._read(frame)
        except Unplayable:
            return True
        for each in payload.v:
            if each.o or refused(each):
                self._first.setdefault((station, each.k), each)
        if payload.e and _refreshed(payload):
            self._alarms.setdefault(station, payload.e)
        return True

    @property
    def addresses(self) -> Mapping[str, Any]:
        return {"url": self.place}

    @property
    def place(self) -> str:
        return f"opc.tcp://{spelt(*self._server.address)}"

    async def __aenter__(self) -> Self:
        self._server: NodeServer = await begun(self._host, self._port, self._role.seats)
        try:
            for (station, _), change in self._first.items():
                await self._server.show(station, self._server.news(station, [change]))
            for station, happenings in self._alarms.items():
                await self._server.happen(station, happenings, unseen=True)
            await self._server.open()
        except LinesideError:
            await self._server.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.close()

    async def met(self) -> None:
        """Somebody watches all that the profiles name, or as much as he wants."""
        loop = asyncio.get_running_loop()
        watched, since = 0, loop.time()
        while watched == 0 or self._server.owed or (watched < self._server.wanted and loop.time() - since < _SETTLED_S):
            await asyncio.sleep(_LOOK_S)
            if self._server.watched != watched:
                watched, since = self._server.watched, loop.time()
        self._watched = watched

    async def play(self, frame: Frame, peer: str | None) -> None:
        station, payload = self._read(frame)
        if self._away and not await self._returned(frame.channel, station, payload):
            return
        self._server.date(payload.h or frame.received)
        news = self._server.news(station, payload.v)
        for portion in self._server.portions(station, news):
            await self._turn()
            await self._server.show(station, portion)
        if payload.e:
            if not news:
                await self._turn()
            await self._server.happen(station, payload.e)

    async def lose(self, station: str) -> None:
        if not self._away:
            await self.done()
            self._away = True
            await self._server.cut()

    async def done(self) -> None:
        if self._returning:
            await self._come_back()
        await self._turn()

    def _read(self, frame: Frame) -> tuple[str, Payload]:
        if frame.channel not in self._channels:
            raise Unplayable(f"{frame.channel!r} is no subscription of a station on {self._role.connection}")
        try:
            return self._channels[frame.channel][0], node_frame.decode(frame.payload)
        except DecodeError as error:
            raise Unplayable(f"no frame of OPC UA: {error}") from error

    async def _turn(self) -> None:
        """Whoever watches has been told of everything; or was not there in time, and is not waited for until he is."""
        if self._away or (self._alone and self._server.watched < self._watched):
            return
        self._alone = False
        try:
            async with asyncio.timeout(self._patience_s):
                while self._server.watched < self._watched or self._server.owed:  # noqa: ASYNC110, servers tell nobody
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            self._alone = True
            self._watched = max(self._server.watched, 1)

    # -- out of sight, and back

    async def _returned(self, channel: str, station: str, payload: Payload) -> bool:
        """Whether it is there again and this is to be played; what a new client is told is kept until it was all told."""
        old = [each for each in payload.v if each.o or refused(each)]
        if old:
            self._returning.setdefault(channel, []).extend(old)
        if payload.e and _refreshed(payload):
            await self._server.happen(station, payload.e, unseen=True)
            return False
        complete = all(each in self._returning for each, (_, nodes) in self._channels.items() if nodes)
        if len(old) == len(payload.v) and not payload.e and not complete:
            return False
        await self._come_back()
        return True

    async def _come_back(self) -> None:
        returning, self._returning = self._returning, {}
        for channel, changes in returning.items():
            station, _ = self._channels[channel]
            await self._server.show(station, self._server.news(station, changes))
        await self._server.come_back(forgetting=bool(returning))
        self._away = False


def _has_nodes(seat: Seat) -> bool:
    return seat.bound is not None and seat.bound.nodes is not None


def _refreshed(payload: Payload) -> bool:
    """It tells all alarms that there are."""
    return any(len(each.v) > 1 and each.v[1][1] == REFRESH_START for each in payload.e)
