"""modbus-tcp, modbus-rtu-tcp and modbus-rtu: two units on one bus whose registers a test sets.

The units are those of the simulators, without a life of their own: what they answer with is pymodbus's framing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from adapters.modbus import ModbusAdapter
from adapters.modbus_settings import ModbusConnection, ModbusRtuConnection, ModbusRtuTcpConnection, ModbusTcpConnection
from gateway.core.adapter import Adapter
from gateway.ingest.stations import Stations
from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus import Listen, ModbusFace, serve
from simulators.faces.modbus_faults import Fault, Trouble
from tests.build import until
from tests.contract.relay import HOST, Relay, RelayFaults, relay
from tests.contract.rig import Entry, Faults, Mute
from tests.contract.rigs.registers import Talk

_NAME = "bus"
_ANSWER_S = 0.2
_SETTINGS: dict[str, type[ModbusTcpConnection | ModbusRtuTcpConnection | ModbusRtuConnection]] = {
    "modbus-tcp": ModbusTcpConnection,
    "modbus-rtu-tcp": ModbusRtuTcpConnection,
    "modbus-rtu": ModbusRtuConnection,
}


class ModbusRig:
    """where: the settings that say how the bus is reached."""

    units = 2
    acknowledged = brokered = False
    conflates = True
    ends = True
    gives_up_s = 1.4  # each unit is asked twice; in RTU it is also waited for answers that are late
    prompt_s = 1.0
    most_bytes = 0

    def __init__(self, talk: Talk, protocol: str, where: dict[str, Any]) -> None:
        self.talk = talk
        self.faults: Faults
        settings = {"protocol": protocol, "name": _NAME, "answer_timeout_s": _ANSWER_S, **where}
        self._settings: ModbusConnection = _SETTINGS[protocol].model_validate(settings)

    def adapter(self) -> ModbusAdapter:
        return ModbusAdapter(self._settings, self.talk.machines)

    def stations(self) -> Stations:
        return self.talk.stations(_NAME)

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        for number in numbers:
            self.talk.show(unit, {"recipe.name": self.talk.name(number)})

    async def garbage(self, unit: int = 0) -> None:
        """A text of characters that there are not."""
        self.talk.spoil(unit)

    async def work_begins(self) -> None:
        self.talk.show(0, {"units.in": 11, "unit.in.id": "PNL-1"})

    async def work_ends(self) -> None:
        self.talk.show(0, {"units.out": 11})


async def _quiet(face: ModbusFace) -> None:
    """Until everything was asked again, or nothing is asked any more: a bus is never quiet while somebody reads it."""
    begun = dict(face.asked)
    last, same = begun, 0
    async with asyncio.timeout(20):
        while same < 10 and any(face.asked.get(unit, 0) - begun.get(unit, 0) < 2 for unit in (1, 2)):
            await asyncio.sleep(0.02)
            now = dict(face.asked)
            last, same = now, same + 1 if now == last else 0


class _NetworkFaults(RelayFaults):
    def __init__(self, between: Relay, rig: ModbusRig, face: ModbusFace) -> None:
        super().__init__(between, rig.adapter)
        self._face = face

    async def silence(self, unit: int) -> None:
        await self._face.begin(Fault(trouble=Trouble.SILENT, unit=unit + 1))

    async def quiet(self) -> None:
        await _quiet(self._face)


class _Line:
    """A serial line that can be pulled out: a pseudo terminal, linked as `/dev/serial/by-id` has them."""

    def __init__(self, link: Path, talk: Talk) -> None:
        self.link = link
        self._talk = talk
        self._stack = AsyncExitStack()
        self._face: ModbusFace | None = None
        self._idle = 0

    @property
    def face(self) -> ModbusFace:
        assert self._face is not None, "it is pulled out"
        return self._face

    async def plug(self) -> None:
        self._face = await self._stack.enter_async_context(serve(Serial(port=str(self.link)), self._talk.banks))
        self._idle = self._holders()

    async def unplug(self) -> None:
        self._face = None
        await self._stack.aclose()

    def _holders(self) -> int:
        """Descriptors of this process on it, of which the simulated one is one."""
        device = self.link.resolve()
        return sum(path.resolve() == device for path in Path("/proc/self/fd").iterdir())

    @property
    def opened(self) -> bool:
        return self._holders() > self._idle


class _MuteLine:
    """Nobody answers on it; implements tests.contract.rig.Mute."""

    def __init__(self, line: _Line) -> None:
        self.left = asyncio.Event()
        self._met = asyncio.Event()
        self._line = line

    async def met(self, adapter: Adapter) -> None:
        await until(self._met.is_set)

    async def watch(self) -> None:
        await until(lambda: self._line.opened)
        self._met.set()
        await until(lambda: not self._line.opened)
        self.left.set()


class _LineFaults:
    def __init__(self, line: _Line, rig: ModbusRig) -> None:
        self._line = line
        self._rig = rig

    @asynccontextmanager
    async def absent(self) -> AsyncIterator[Adapter]:
        await self._line.unplug()
        yield self._rig.adapter()
        await self._line.plug()

    @asynccontextmanager
    async def mute(self) -> AsyncIterator[Mute]:
        async with self._line.face.fault(Fault(trouble=Trouble.SILENT)):
            mute = _MuteLine(self._line)
            watching = asyncio.create_task(mute.watch(), name="mute")
            yield mute
            await watching

    async def peer_down(self) -> None:
        await self._line.unplug()

    async def peer_up(self) -> None:
        await self._line.plug()

    async def stall(self) -> None:
        await self._line.face.begin(Fault(trouble=Trouble.STALL))

    async def silence(self, unit: int) -> None:
        await self._line.face.begin(Fault(trouble=Trouble.SILENT, unit=unit + 1))

    def received(self) -> int:
        raise NotImplementedError("only for a test that is exempt")

    async def quiet(self) -> None:
        await _quiet(self._line.face)


@asynccontextmanager
async def _open_network(_: object, folder: Path, *, framing: Literal["tcp", "rtu"]) -> AsyncIterator[ModbusRig]:
    talk = Talk(folder)
    async with serve(Listen(framing=framing), talk.banks) as face:
        assert face.address is not None
        port = face.address[1]
        async with relay(lambda: port) as between:
            protocol = "modbus-tcp" if framing == "tcp" else "modbus-rtu-tcp"
            rig = ModbusRig(talk, protocol, {"host": HOST, "port": between.port, "connect_timeout_s": 1.0})
            rig.faults = _NetworkFaults(between, rig, face)
            yield rig


@asynccontextmanager
async def _open_line(_: object, folder: Path) -> AsyncIterator[ModbusRig]:
    talk = Talk(folder)
    line = _Line(folder / "usb-FTDI_USB-RS485_FT1234-if00-port0", talk)
    await line.plug()
    try:
        rig = ModbusRig(talk, "modbus-rtu", {"port": str(line.link), "baudrate": 115_200})
        rig.faults = _LineFaults(line, rig)
        yield rig
    finally:
        await line.unplug()


RIGS = (
    Entry("modbus-tcp", partial(_open_network, framing="tcp")),
    Entry("modbus-rtu-tcp", partial(_open_network, framing="rtu")),
    Entry("modbus-rtu", _open_line),
)
