"""Settings of `serial-text` and `tcp-text` connections. How frames begin and end is the profile's matter."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.core.sizes import Bytes
from gateway.transport.serial_port import SerialPort
from gateway.transport.text_wire import Tcp

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})")
_CLIENT_ONLY = frozenset({"port", "connect_timeout_s"})
_LISTENER_ONLY = frozenset({"allow", "allow_anonymous"})


class _TextConnection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1, description="Name of the connection, unique in the gateway.")
    answer_timeout_s: Seconds = Field(
        default=2.0, description="Of a machine that is asked (`ask` in its profile): how long an answer may take."
    )
    most_frame_bytes: Bytes = Field(
        default=1 << 20, ge=64, description="A line or frame that is longer goes to quarantine with as many bytes."
    )
    buffer_bytes: Bytes = Field(
        default=8 << 20,
        ge=1024,
        description="Bytes that are read and wait for the journal. What comes beyond is lost, and a gap.",
    )


class SerialTextConnection(_TextConnection):
    """A `[[connection]]` with `protocol = "serial-text"`: a serial port of this computer."""

    profile_protocol: ClassVar[str] = "serial-text"
    """What its machine's profile names as its protocol."""

    protocol: Literal["serial-text"]
    port: str = Field(min_length=1, description="The serial port, best as `/dev/serial/by-id/…`.")
    baudrate: int = Field(default=9600, ge=50, le=4_000_000, description="Bits a second.")
    databits: Literal[7, 8] = Field(default=8, description="Bits of a character.")
    parity: Literal["none", "even", "odd", "mark", "space"] = Field(
        default="none", description="As the machine has it."
    )
    stopbits: Literal[1, 2] = Field(default=1, description="As the machine has it.")
    flow: Literal["none", "xon-xoff", "rts-cts", "dsr-dtr"] = Field(
        default="none", description="How one side holds the other back."
    )

    @property
    def options(self) -> SerialPort:
        return SerialPort(
            port=self.port,
            baudrate=self.baudrate,
            databits=self.databits,
            parity=self.parity,
            stopbits=self.stopbits,
            flow=self.flow,
        )

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant. Opens no connection."""
        if not self.port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
            return []
        return [f"{self.name}: {self.port} may be another device after a restart; use its name in /dev/serial/by-id"]


class TcpTextConnection(_TextConnection):
    """A `[[connection]]` with `protocol = "tcp-text"`: exactly one of `host` and `listen`."""

    profile_protocol: ClassVar[str] = "tcp-text"
    """What its machine's profile names as its protocol."""

    protocol: Literal["tcp-text"]
    host: str | None = Field(
        default=None, min_length=1, description="Host of the machine, or of the converter before it."
    )
    port: int | None = Field(default=None, ge=1, le=65_535, description="Its port.")
    connect_timeout_s: Seconds = Field(default=5.0, description="How long connecting may take.")
    listen: str | None = Field(default=None, description="Or HOST:PORT that the machine connects to.")
    allow: tuple[str, ...] = Field(default=(), description="IP addresses that may connect; with `listen`.")
    allow_anonymous: bool = Field(default=False, description="Any address may connect; with `listen`.")

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            match = _LISTEN.fullmatch(value)
            if match is None or int(match["port"]) > 65_535:
                raise ValueError('must be HOST:PORT, such as "0.0.0.0:4001" or "[::]:4001"')
            if match["six"]:
                ipaddress.IPv6Address(match["six"])
        return value

    @field_validator("allow")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_address(each)) for each in value)

    @model_validator(mode="after")
    def _form(self) -> Self:
        if (self.host is None) == (self.listen is None):
            raise ValueError("exactly one of `host` (the machine's) and `listen` (the machine connects to us)")
        wrong = _LISTENER_ONLY if self.listen is None else _CLIENT_ONLY
        given = sorted(wrong & self.model_fields_set)
        if given:
            form = "host" if self.listen is None else "listen"
            raise ValueError(f"does not go with `{form}`: {', '.join(given)}")
        if self.listen is None:
            if self.port is None:
                raise ValueError("`port` is missing: the machine's")
        elif not self.allow and not self.allow_anonymous and not _loopback(self.listen_address[0]):
            raise ValueError("needs `allow` or `allow_anonymous = true`, for others can reach this port")
        return self

    @property
    def options(self) -> Tcp:
        """Where to connect to. Without `listen`."""
        assert self.host is not None
        assert self.port is not None
        return Tcp(host=self.host, port=self.port, connect_timeout_s=self.connect_timeout_s)

    @property
    def listen_address(self) -> tuple[str, int]:
        """Host and port. Port 0 lets the system choose one."""
        match = _LISTEN.fullmatch(self.listen or "")
        assert match is not None
        return match["six"] or match["host"], int(match["port"])

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant. Opens no connection."""
        if not self.allow_anonymous or _loopback(self.listen_address[0]):
            return []
        return [f"{self.name}: allow_anonymous: anybody who reaches {self.listen} can speak for the machine"]


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


TextConnection = SerialTextConnection | TcpTextConnection
