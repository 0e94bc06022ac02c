"""Settings of `modbus-tcp`, `modbus-rtu` and `modbus-rtu-tcp` connections.

Which unit a station is, its own source says: several may share one connection, known by its protocol, host and port.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.transport.modbus import Serial, Tcp
from gateway.transport.modbus_frames import MOST_BITS, MOST_REGISTERS

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]

_LONG_TIMEOUT_S = 5.0
_TURNAROUND_S = 0.01
"""What a unit on a serial line typically takes before it answers."""


class _ModbusConnection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    profile_protocol: ClassVar[str] = "modbus"
    """What its machines' profiles name as their protocol."""
    claims: ClassVar[tuple[str, ...]] = ("unit",)
    """What a source on it says beside these settings."""
    units: ClassVar[range] = range(256)
    """Numbers that a machine on it may have. Modbus TCP speaks to the host itself by 255 or 0, and a gateway hands on the
    others (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 4.4.1.1)."""

    name: str = Field(min_length=1, description="Name of the connection, unique in the gateway.")
    answer_timeout_s: Seconds = Field(
        default=1.0,
        description="How long an answer may take. So long a unit that is silent holds up the others of this "
        "connection, each time it is tried.",
    )
    pause_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        allow_inf_nan=False,
        description="Least pause between an answer and the next request, for machines that need one.",
    )
    most_registers: int = Field(
        default=MOST_REGISTERS,
        ge=1,
        le=MOST_REGISTERS,
        description="Registers to ask for at once. A machine that refuses long requests is found out without this.",
    )
    most_bits: int = Field(default=MOST_BITS, ge=1, le=MOST_BITS, description="Coils or discrete inputs, likewise.")
    silent_most_s: Seconds = Field(
        default=60.0, description="A unit that is silent is tried after growing pauses, up to this."
    )

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant. Opens no connection."""
        if self.answer_timeout_s <= _LONG_TIMEOUT_S:
            return []
        return [
            f"{self.name}: answer_timeout_s = {self.answer_timeout_s:g}: a unit that is silent holds up all others of "
            "this connection for so long"
        ]


class _ModbusNetworkConnection(_ModbusConnection):
    host: str = Field(min_length=1, description="Host of the machine, or of the gateway or converter before it.")
    port: int = Field(default=502, ge=1, le=65_535, description="Its port.")
    connect_timeout_s: Seconds = Field(default=5.0, description="How long connecting may take.")

    @property
    def widest_gap(self) -> int:
        """Bytes that nobody wants, in an answer, that are cheaper than another request: on a network, all of them."""
        return 1_000


_SLAVES = range(1, 248)
"""Of machines on a serial line: 0 speaks to all of them at once, which is not answered, and from 248 on numbers are
reserved (MODBUS over Serial Line V1.02, 2.2)."""


class ModbusTcpConnection(_ModbusNetworkConnection):
    """A `[[connection]]` with `protocol = "modbus-tcp"`."""

    protocol: Literal["modbus-tcp"]

    @property
    def options(self) -> Tcp:
        return Tcp(host=self.host, port=self.port, connect_timeout_s=self.connect_timeout_s)


class ModbusRtuTcpConnection(_ModbusNetworkConnection):
    """A `[[connection]]` with `protocol = "modbus-rtu-tcp"`: a serial line behind a converter that passes bytes on."""

    protocol: Literal["modbus-rtu-tcp"]
    units: ClassVar[range] = _SLAVES

    @property
    def options(self) -> Tcp:
        return Tcp(host=self.host, port=self.port, framing="rtu", connect_timeout_s=self.connect_timeout_s)


class ModbusRtuConnection(_ModbusConnection):
    """A `[[connection]]` with `protocol = "modbus-rtu"`: a serial port of this computer. Always eight data bits."""

    protocol: Literal["modbus-rtu"]
    units: ClassVar[range] = _SLAVES
    port: str = Field(min_length=1, description="The serial port, best as `/dev/serial/by-id/…`.")
    baudrate: int = Field(default=19_200, ge=50, le=4_000_000, description="Bits a second.")
    parity: Literal["none", "even", "odd"] = Field(default="even", description="As all units of the line have it.")
    stopbits: Literal[1, 2] = Field(default=1, description="The standard wants 2 with parity `none`; many have 1.")

    @property
    def options(self) -> Serial:
        return Serial(port=self.port, baudrate=self.baudrate, parity=self.parity, stopbits=self.stopbits)

    @property
    def widest_gap(self) -> int:
        """As on a network, but here every byte takes its time: what a request costs beside its data, in bytes."""
        line = self.options
        request_s = line.travel_s(13) + 2 * line.silence_s + _TURNAROUND_S + self.pause_s
        return int(request_s / line.travel_s(1))

    def warnings(self) -> list[str]:
        found = super().warnings()
        if self.port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
            found.append(
                f"{self.name}: {self.port} may be another device after a restart; use its name in /dev/serial/by-id"
            )
        return found


ModbusConnection = ModbusTcpConnection | ModbusRtuConnection | ModbusRtuTcpConnection
