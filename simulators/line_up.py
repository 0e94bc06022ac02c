"""Every machine of a simulated line in its place: its voice, and the server or client that it speaks through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.profile.bound import Bound
from gateway.transport.modbus_wire import Serial
from gateway.transport.serial_port import SerialPort
from simulators.faces import folder, hermes, modbus, opcua, text, text_line
from simulators.faces.cfx import CfxFace, Way
from simulators.faces.cfx_amqp import CfxAmqpFace
from simulators.faces.cfx_mqtt import CfxMqttFace
from simulators.faces.folder_writing import Manner
from simulators.faces.network import relay
from simulators.faces.registers import serve_registers
from simulators.model.scenario import Kind, Scenario
from simulators.player import Machine
from simulators.script import Switchboard
from simulators.voices.cfx_machines import cfx_voice
from simulators.voices.files import BY_DAY, BY_PANEL_AND_TIME, FilesVoice, Retest
from simulators.voices.hermes import HermesVoice
from simulators.voices.layout import Layout
from simulators.voices.opcua import OpcUaVoice
from simulators.voices.registers import RegisterVoice
from simulators.voices.text_reader import TextReader
from simulators.voices.text_report import TextReport

_UTC = ZoneInfo("UTC")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How a station of the scenario speaks. protocol: as in a configuration. handle: of one that speaks CFX.

    bound, layout: its profile, of registers or nodes, of text or files. zone: where it stands. settings: of its
    connection, as far as they say where it is: `host` and `port` to listen on, `port` of a serial line, `path` of a
    folder; left out: free ones.
    """

    station: str
    protocol: str
    handle: str | None = None
    bound: Bound | None = None
    layout: Layout | None = None
    unit: int = 1
    zone: ZoneInfo = _UTC
    settings: Mapping[str, Any] = {}


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the machines share. mqtt, amqp: host and port of the broker, and of the listener that machines connect to.

    folder: for pseudo terminals and files. heartbeat_s: virtual seconds between heartbeats. failing: the ways over TCP
    lead through a network that can be made to fail.
    """

    scenario: Scenario
    seed: int
    folder: Path
    mqtt: tuple[str, int] = ("127.0.0.1", 1883)
    amqp: tuple[str, int] = ("127.0.0.1", 5672)
    heartbeat_s: float = 60.0
    failing: bool = False


class LineUp:
    """machines: in the order of the places. addresses: by station, the settings under which each can be reached.

    boards: by station, what can be made to fail. clients: those that connect to somebody else, and run only then.
    """

    def __init__(self) -> None:
        self.machines: list[Machine] = []
        self.addresses: dict[str, dict[str, Any]] = {}
        self.boards: dict[str, list[Switchboard]] = {}
        self.clients: list[CfxFace] = []

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Machines that connect to somebody do so while the block runs."""
        async with AsyncExitStack() as stack:
            for client in self.clients:
                await stack.enter_async_context(client.running())
            yield


@asynccontextmanager
async def line_up(world: World, places: Iterable[Place]) -> AsyncIterator[LineUp]:
    """Servers serve, and folders and ports are there, until the block is left.

    Raises LinesideError for what cannot be served, ValueError for a place that does not fit its protocol.
    """
    async with AsyncExitStack() as stack:
        made = LineUp()
        for place in places:
            await _PROTOCOLS[place.protocol](world, place, made, stack)
        yield made


def _join(made: LineUp, place: Place, machine: Machine, address: dict[str, Any], *boards: object) -> None:
    made.machines.append(machine)
    made.addresses[place.station] = address
    made.boards[place.station] = [each for each in (machine.face, *boards) if isinstance(each, Switchboard)]


async def _reached(world: World, stack: AsyncExitStack, host: str, port: int) -> tuple[str, int, list[object]]:
    """Host and port under which a server is reached, and what can fail on the way."""
    if not world.failing:
        return host, port, []
    network = await stack.enter_async_context(relay(host, port, seed=world.seed))
    return *network.address, [network]


async def _cfx(world: World, place: Place, made: LineUp, stack: AsyncExitStack) -> None:
    if place.handle is None:
        raise ValueError(f"{place.station}: no handle")
    over_mqtt = place.protocol == "cfx-mqtt"
    host, port, boards = await _reached(world, stack, *(world.mqtt if over_mqtt else world.amqp))
    way: Way = (
        CfxMqttFace(handle=place.handle, host=host, port=port)
        if over_mqtt
        else CfxAmqpFace(handle=place.handle, host=host, port=port)
    )
    voice = cfx_voice(
        world.scenario,
        place.station,
        place.handle,
        seed=world.seed,
        heartbeat_s=world.heartbeat_s,
        zone=place.zone.key,
    )
    face = CfxFace(way, seed=world.seed)
    made.clients.append(face)
    _join(made, place, Machine(voice, face), {}, *boards)


async def _registers(world: World, place: Place, made: LineUp, stack: AsyncExitStack) -> None:
    assert place.bound is not None, place.station
    voice = RegisterVoice(place.station, place.bound, count_only=place.station in world.scenario.switches.count_only)
    serial = place.protocol == "modbus-rtu"
    at: modbus.Listen | Serial = (
        Serial(port=_port(world, place))
        if serial
        else modbus.Listen(
            host=_host(place), port=_tcp(place), framing="rtu" if place.protocol == "modbus-rtu-tcp" else "tcp"
        )
    )
    faces = await stack.enter_async_context(serve_registers(at, {place.unit: voice}, seed=world.seed))
    face = faces[place.unit]
    if isinstance(at, Serial):
        _join(made, place, Machine(voice, face), {"port": at.port, "parity": "none"}, face.bus)
        return
    assert face.bus.address is not None
    host, port, boards = await _reached(world, stack, *face.bus.address)
    _join(made, place, Machine(voice, face), {"host": host, "port": port}, face.bus, *boards)


async def _hermes(world: World, place: Place, made: LineUp, stack: AsyncExitStack) -> None:
    voice = HermesVoice(place.station, machine_class=world.scenario.station(place.station).kind.value)
    face = await stack.enter_async_context(
        hermes.serve(hermes.Machine(machine_id=place.station), host=_host(place), port=_tcp(place), seed=world.seed)
    )
    host, port, boards = await _reached(world, stack, *face.address)
    _join(made, place, Machine(voice, face), {"host": host, "port": port}, *boards)


async def _nodes(world: World, place: Place, made: LineUp, stack: AsyncExitStack) -> None:
    assert place.bound is not None, place.station
    voice = OpcUaVoice(place.station, place.bound)
    face = await stack.enter_async_context(
        opcua.serve(opcua.Listen(host=_host(place), port=_tcp(place)), place.bound, voice.beginning)
    )
    host, port, boards = await _reached(world, stack, *face.address)
    _join(made, place, Machine(voice, face), {"url": f"opc.tcp://{host}:{port}"}, *boards)


async def _text(world: World, place: Place, made: LineUp, stack: AsyncExitStack) -> None:
    assert place.layout is not None, place.station
    reader = world.scenario.station(place.station).kind is Kind.READER
    voice = (TextReader if reader else TextReport)(place.station, place.layout, zone=place.zone)
    serial = place.protocol == "serial-text"
    at = SerialPort(port=_port(world, place)) if serial else text_line.Listen(host=_host(place), port=_tcp(place))
    face = await stack.enter_async_context(text.serve(at, seed=world.seed))
    if face.address is None:
        _join(made, place, Machine(voice, face), {"port": _port(world, place)})
        return
    host, port, boards = await _reached(world, stack, *face.address)
    _join(made, place, Machine(voice, face), {"host": host, "port": port}, *boards)


async def _files(world: World, place: Place, made: LineUp, stack: AsyncExitStack) -> None:
    assert place.layout is not None, place.station
    path = Path(place.settings.get("path", world.folder / place.station))
    form = getattr(place.layout.profile.frame, "format", "text")
    identical = world.scenario.switches.identical_retest > 0
    voice = FilesVoice(
        place.station,
        place.layout,
        name=BY_DAY if form == "text" else BY_PANEL_AND_TIME.replace(".xml", f".{form}"),
        retest=Retest.COPIED if identical else Retest.APART,
    )
    face = await stack.enter_async_context(folder.serve(path, Manner(), zone=place.zone, seed=world.seed))
    _join(made, place, Machine(voice, face), {"path": path})


def _host(place: Place) -> str:
    return str(place.settings.get("host", "127.0.0.1"))


def _tcp(place: Place) -> int:
    """The port to listen on; 0 for a free one."""
    return int(place.settings.get("port", 0))


def _port(world: World, place: Place) -> str:
    """The serial port; a pseudo terminal is made where there is none."""
    return str(place.settings.get("port", world.folder / f"{place.station}.tty"))


_PROTOCOLS = {
    "cfx-mqtt": _cfx,
    "cfx-amqp": _cfx,
    "modbus-tcp": _registers,
    "modbus-rtu": _registers,
    "modbus-rtu-tcp": _registers,
    "hermes-vertical": _hermes,
    "opcua": _nodes,
    "serial-text": _text,
    "tcp-text": _text,
    "files": _files,
}
