"""Modbus: machines are asked for their registers, each poll of a profile at its own rate.

One bus (a TCP connection or a serial port) with all stations on it, one request at a time. Payload of a frame: what one
reading of one poll brought, as gateway.profile.register_frame encodes it. Channel: `STATION/POLL`. Metadata: `missed`, how many ticks of
this poll brought no frame since the last one. See docs/modbus.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import msgspec

from adapters.modbus_read import PollReader
from adapters.modbus_schedule import Schedule, Slot
from adapters.modbus_settings import ModbusConnection, ModbusTcpConnection
from gateway.core import times
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Delivery, Frame, Notice, NoticeKind
from gateway.core.observation import Observation, Readings
from gateway.profile import register_frame
from gateway.profile.bound import Block, Machine, Poll, Registers, Table
from gateway.transport.modbus import Bus, NoAnswer, bus

_FIRST_REST_S = 1.0


class ModbusAdapter:
    """One `[[connection]]` of a Modbus protocol; implements gateway.core.adapter.Adapter.

    Raises ConfigError when settings and profiles do not go together.
    """

    basis = Basis.POLLED

    def __init__(self, settings: ModbusConnection, machines: Sequence[Machine]) -> None:
        problems = _problems(settings, machines)
        if problems:
            raise ConfigError(problems)
        self.settings = settings
        self._machines = list(machines)
        self._stations = {machine.station: _registers(machine) for machine in machines}
        self._polls = [_polls(machine) for machine in machines]
        self._channels = {(machine.station, poll.name) for machine in machines for poll in _polls(machine)}
        self._reader = _reader(settings)
        self._attempts = 0
        self._down: set[str] = set()  # stations that were last told of as silent

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def protocol(self) -> str:
        return self.settings.protocol

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        """Entering succeeds when a unit has answered: that a port could be opened says nothing of the machines."""
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        settings = self.settings
        self._reader.forget()
        async with (
            bus(settings.options, answer_timeout_s=settings.answer_timeout_s, pause_s=settings.pause_s) as opened,
            aclosing(self._poll(opened)) as items,
        ):
            heard: list[Delivery | Notice] = []
            async for item in items:
                heard.append(item)
                if isinstance(item, Delivery):
                    break
            async with aclosing(_chain(heard, items)) as whole:
                yield whole

    def _schedule(self) -> Schedule:
        # A poll that its machine never answers must not be the first of every attempt to connect.
        turn, self._attempts = self._attempts, self._attempts + 1
        settings = self.settings
        return Schedule(
            [some[turn % len(some) :] + some[: turn % len(some)] for some in self._polls],
            time.monotonic(),
            # RTU: the bus waits for so long for what may come late, and the other units should not wait with it.
            again_s=0.0 if isinstance(settings, ModbusTcpConnection) else settings.answer_timeout_s,
            rest_s=max(_FIRST_REST_S, settings.answer_timeout_s),
            rest_most_s=settings.silent_most_s,
        )

    async def _poll(self, opened: Bus) -> AsyncGenerator[Delivery | Notice]:
        """Whatever is due, for ever. Raises NotConnected when the peer is gone, or no unit answers any more."""
        clock = time.monotonic  # the event loop's own may stand still for a millisecond
        schedule = self._schedule()
        while True:
            due, slot = schedule.next()
            pause = due - clock()
            if pause > 0:
                await asyncio.sleep(pause)
            schedule.begin(slot, clock())
            machine = self._machines[slot.unit.number]
            try:
                blocks = await self._reader.read(opened, machine.unit, slot.poll)
            except NoAnswer as error:
                new = schedule.unanswered(slot, clock())
                if schedule.all_silent:
                    raise NotConnected(f"{self.settings.options.place}: {error}") from error
                if new:
                    self._down.add(machine.station)
                    yield Notice(kind=NoticeKind.PEER_DOWN, at=times.now(), peer=machine.station, detail=str(error))
                continue
            received = times.now()
            schedule.answered(slot)
            if machine.station in self._down:  # perhaps since an earlier connection
                self._down.discard(machine.station)
                self._reader.forget(machine.unit)
                yield Notice(kind=NoticeKind.PEER_UP, at=received, peer=machine.station)
            yield self._delivery(machine, slot, blocks, received)

    def _delivery(self, machine: Machine, slot: Slot, blocks: Sequence[Block], received: times.Micros) -> Delivery:
        missed, slot.missed = slot.missed, 0
        frame = Frame(
            connection=self.settings.name,
            received=received,
            channel=f"{machine.station}/{slot.poll.name}",
            payload=register_frame.encode(blocks),
            meta={"missed": missed} if missed else {},
        )
        return Delivery(frame, acknowledged=False, peer=machine.station)

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """The readings of one poll."""
        station, _, poll = frame.channel.partition("/")
        if (station, poll) not in self._channels:
            raise DecodeError("unknown-channel", f"{frame.channel!r} is no poll of a station on {self.name}")
        keys, values = self._stations[station].decode(poll, register_frame.decode(frame.payload))
        return (Readings(station=station, keys=keys, values=values),)


async def _chain(
    heard: Sequence[Delivery | Notice], items: AsyncIterator[Delivery | Notice]
) -> AsyncGenerator[Delivery | Notice]:
    for item in heard:
        yield item
    async for item in items:
        yield item


class Look(msgspec.Struct, frozen=True):
    """What reading one poll once brought. problem: why there are no blocks; None when there are."""

    poll: Poll
    blocks: tuple[Block, ...]
    problem: str | None = None


async def look(settings: ModbusConnection, machine: Machine) -> AsyncGenerator[Look]:
    """Connect, read every poll once, close. For `probe`. Raises NotConnected, and ConfigError as ModbusAdapter does."""
    problems = _problems(settings, [machine])
    if problems:
        raise ConfigError(problems)
    reader = _reader(settings)
    async with bus(settings.options, answer_timeout_s=settings.answer_timeout_s, pause_s=settings.pause_s) as opened:
        for poll in _polls(machine):
            try:
                yield Look(poll, tuple(await reader.read(opened, machine.unit, poll)))
            except NoAnswer as error:
                yield Look(poll, (), str(error))


def _registers(machine: Machine) -> Registers:
    assert machine.bound.registers is not None  # it is a Modbus profile, `_problems` has looked
    return machine.bound.registers


def _polls(machine: Machine) -> list[Poll]:
    """Those with something in them that anybody wants."""
    return [poll for poll in _registers(machine).polls if poll.atoms]


def _reader(settings: ModbusConnection) -> PollReader:
    def widest_gap(table: Table) -> int:
        return settings.widest_gap * 8 if table.bits else settings.widest_gap // 2

    return PollReader(most_registers=settings.most_registers, most_bits=settings.most_bits, widest_gap=widest_gap)


def _problems(settings: ModbusConnection, machines: Sequence[Machine]) -> list[str]:
    found = []
    if not machines:
        found.append("no station is on it")
    if len({machine.station for machine in machines}) < len(machines):
        found.append("a station is on it twice")
    for machine in machines:
        if machine.bound.registers is None or not _polls(machine):
            found.append(f"{machine.station}: profile {machine.bound.name!r} has nothing to poll")
            continue
        for poll in _polls(machine):
            if poll.every_s <= 0:
                found.append(f"{machine.station}: poll {poll.name!r}: every is 0; allowed: any time, such as 200ms")
            most = settings.most_bits if poll.table.bits else settings.most_registers
            found += [
                f"{machine.station}: poll {poll.name!r}: the value at {at} is {count} long; allowed at once: {most}"
                for at, count in poll.atoms
                if count > most
            ]
    return [f"{settings.name}: {problem}" for problem in found]
