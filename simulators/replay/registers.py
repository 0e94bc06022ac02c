"""Machines with registers on a bus, as they were captured: over Modbus TCP, RTU over TCP, or on a serial line.

A unit that was out of sight answers nothing, and one that was the last of its bus in sight takes the connection with it, until
it is told of again: then everything that the gateway had read of it in its first round is there at once. What was never read is
not there (exception 2), what was refused is refused in the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Any, Self

from gateway.core.errors import DecodeError
from gateway.core.frame import Frame
from gateway.core.times import Micros
from gateway.profile import register_frame
from gateway.profile.bound import Table
from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus import Listen, ModbusFace, serve
from simulators.faces.modbus_faults import Fault, Trouble
from simulators.replay.actor import Role, Seat, Stage, Unplayable
from simulators.replay.register_unit import Cells, Unit, cells

_LOOK_S = 0.01
_BEGINNING_S = 2.0
"""Longer than any round of reading takes, beside the time between two of them."""
_NOTICED = 2
"""Requests without an answer after which a gateway knows that a unit says nothing."""
_SILENT_MOST_S = 60.0

_REFUSED = Fault(trouble=Trouble.REFUSE)


class RegistersActor:
    """All units of one connection."""

    def __init__(self, role: Role, stage: Stage) -> None:
        self._role = role
        self._place = _place(role, stage)
        self._patience_s = stage.patience_s
        rests_s = role.settings.get("silent_most_s", _SILENT_MOST_S)
        self._back_s = stage.patience_s + float(rests_s)
        self._units: dict[int, Unit] = {seat.unit: Unit(stage.patience_s) for seat in role.seats}
        self._numbers = {seat.station: seat.unit for seat in role.seats}
        self._channels = {f"{seat.station}/{poll}": seat.unit for seat in role.seats for poll in _polls(role, seat)}
        self._window: Micros = round((2 * _slowest_s(role) + _BEGINNING_S) * 1e6)
        self._began: Micros | None = None
        self._returning: dict[str, tuple[Table, Cells]] = {}
        self._asked_then: dict[int, int] = {}
        self._cut = False
        self._stack = AsyncExitStack()

    def rehearse(self, frame: Frame) -> bool:
        """What registers begin with: what was read first, in the first round. Units that were silent then are so here."""
        if self._began is None:
            self._began = frame.received
        if frame.received - self._began > self._window:
            return False
        with suppress(Unplayable):
            unit, table, contents = self._read(frame)
            if not unit.knows(frame.channel):
                unit.now(frame.channel, table, contents)
        return not all(self._units[unit].knows(channel) for channel, unit in self._channels.items())

    @property
    def addresses(self) -> Mapping[str, Any]:
        address = self._face.address
        return {"port": self._face.place} if address is None else {"host": address[0], "port": address[1]}

    @property
    def place(self) -> str:
        return self._face.place if self._role.protocol != "modbus-rtu-tcp" else f"{self._face.place}, RTU over TCP"

    async def __aenter__(self) -> Self:
        self._face: ModbusFace = await self._stack.enter_async_context(serve(self._place, self._units))
        for number, unit in self._units.items():
            self._stack.callback(unit.close)
            if not unit.told:
                await self._leave(number)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def met(self) -> None:
        """Somebody asks for something."""
        while sum(self._face.asked.values()) == 0:  # noqa: ASYNC110, requests tell nobody
            await asyncio.sleep(_LOOK_S)

    async def play(self, frame: Frame, peer: str | None) -> None:
        unit, table, contents = self._read(frame)
        if unit.away:
            if frame.channel not in self._returning:
                self._returning[frame.channel] = (table, contents)
                if any(channel not in self._returning for channel in self._expected(frame.channel)):
                    return
                await self._come_back(frame.channel)
                return
            await self._come_back(frame.channel)
        unit.then(frame.channel, table, contents)
        await unit.room()

    async def lose(self, station: str) -> None:
        number = self._numbers.get(station)
        if number is None or self._units[number].away:
            return
        await self._units[number].empty()
        await self._leave(number)
        if self._face.address is not None and all(unit.away for unit in self._units.values()):
            self._cut = True
            await self._face.begin(_REFUSED)
            self._face.drop()

    async def done(self) -> None:
        for channel in tuple(self._returning):
            if channel in self._returning:
                await self._come_back(channel)
        async with asyncio.TaskGroup() as group:
            for unit in self._units.values():
                if not unit.away:
                    group.create_task(unit.empty())

    def _read(self, frame: Frame) -> tuple[Unit, Table, Cells]:
        number = self._channels.get(frame.channel)
        if number is None:
            raise Unplayable(f"{frame.channel!r} is no poll of a station on {self._role.connection}")
        try:
            return self._units[number], *cells(register_frame.decode(frame.payload))
        except DecodeError as error:
            raise Unplayable(f"no frame of registers: {error}") from error

    # -- out of sight, and back

    async def _leave(self, number: int) -> None:
        self._units[number].away = True
        self._asked_then[number] = self._face.asked.get(number, 0)
        await self._face.begin(_silence(number))

    def _expected(self, channel: str) -> list[str]:
        """What is read in the round in which this is."""
        number = self._channels[channel]
        return [each for each, unit in self._channels.items() if self._cut or unit == number]

    async def _come_back(self, channel: str) -> None:
        """With everything that was read of it since: whatever else there is did not answer."""
        told = {each: self._returning.pop(each) for each in self._expected(channel) if each in self._returning}
        numbers = {self._channels[each] for each in told}
        for each, (table, contents) in told.items():
            self._units[self._channels[each]].now(each, table, contents)
        if not self._cut:
            await self._noticed(self._channels[channel])
        for number in numbers:
            self._units[number].back(self._back_s)
            await self._face.end(_silence(number))
        if self._cut:
            self._cut = False
            await self._face.end(_REFUSED)

    async def _noticed(self, number: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while self._face.asked.get(number, 0) - self._asked_then[number] < _NOTICED:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)


def _silence(number: int) -> Fault:
    return Fault(trouble=Trouble.SILENT, unit=number)


def _place(role: Role, stage: Stage) -> Listen | Serial:
    if role.protocol == "modbus-rtu":
        kept = {key: role.settings[key] for key in ("baudrate", "parity", "stopbits") if key in role.settings}
        return Serial(port=role.at or str(stage.folder / f"{role.connection}.tty"), **kept)
    host, port = role.address or (stage.host, 0)
    return Listen(host=host, port=port, framing="tcp" if role.protocol == "modbus-tcp" else "rtu")


def _polls(role: Role, seat: Seat) -> list[str]:
    if seat.bound is None or seat.bound.registers is None:
        raise Unplayable(f"{role.connection}: {seat.station} needs a profile with registers")
    return [poll.name for poll in seat.bound.registers.polls if poll.atoms]


def _slowest_s(role: Role) -> float:
    periods = [
        poll.every_s
        for seat in role.seats
        if seat.bound is not None and seat.bound.registers is not None
        for poll in seat.bound.registers.polls
        if poll.atoms
    ]
    return max(periods, default=0.0)
