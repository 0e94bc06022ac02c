"""The tables of the configuration. A field's description is its documentation: the reference is made from it."""

from __future__ import annotations

import difflib
import zoneinfo
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.config.address import Address, Listen
from gateway.config.capture import Capture
from gateway.config.journal import Journal
from gateway.config.table import Table
from gateway.core.files import LocalFile
from gateway.core.sizes import Bytes
from gateway.profile.bound import Bound

NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,255}$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]

MachineClass = Literal[
    "generic",
    "solder_paste_printer",
    "spi",
    "pick_and_place",
    "reflow_oven",
    "aoi",
    "axi",
    "review_station",
    "repair_station",
    "electrical_test",
    "selective_soldering",
    "wave_soldering",
    "marker",
    "depaneler",
    "magazine_loader",
    "magazine_unloader",
    "conveyor",
    "barcode_reader",
]


def _zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("zone", "must be the name of a time zone in quotes")
    try:
        return ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(zoneinfo.available_timezones())
        if not known:
            raise PydanticCustomError(
                "zone", "this system has no time zones; install the package tzdata (Debian, PyPI)"
            ) from None
        close = difflib.get_close_matches(value, known, 1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        raise PydanticCustomError(
            "zone",
            "{word} is no time zone{hint}; allowed: IANA names such as Europe/Berlin, UTC",
            {"word": repr(value), "hint": hint},
        ) from None


Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "IANA time zone"}),
]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Handles = Annotated[
    tuple[Text, ...],
    BeforeValidator(_several),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Gateway(Table):
    """Who this gateway is."""

    name: Name = Field(description="Name of this gateway: in every event, and in metrics.")
    site: Text = Field(description="The plant; in every event.")
    handle: Text = Field(
        default_factory=lambda data: f"Lineside.Gateway.{data['name']}",
        description="CFX handle under which it answers AreYouThere and the like. Default: `Lineside.Gateway.` and the name.",
    )
    timezone: Zone = Field(
        default_factory=lambda: ZoneInfo("UTC"),
        description="IANA time zone of machines whose time stamps name none.",
        json_schema_extra={"default": "UTC"},
    )
    ignore_ids: tuple[Text, ...] = Field(
        default=(), description='What readers send in place of an id they could not read, such as `"NOREAD"`.'
    )
    golden_ids: tuple[Text, ...] = Field(
        default=(), description="Ids of reference boards that are run for checking; `*` stands for any characters."
    )


class Http(Table):
    """The HTTP interface."""

    listen: Listen = Field(
        default=Address("127.0.0.1", 8080),
        json_schema_extra={"default": "127.0.0.1:8080"},
        description="Address and port. Anything but this machine's own address needs `[auth]` or `allow_anonymous = true`.",
    )
    hosts: tuple[Text, ...] = Field(
        default=(), description="Host names, beside those of this machine itself, under which browsers may ask for it."
    )
    allow_anonymous: bool = Field(
        default=False, description="Whoever reaches the address may read and operate without a token."
    )
    keepalive_s: Seconds = Field(
        default=15.0, description="Longest silence on a stream of events, after which its position is sent."
    )
    write_timeout_s: Seconds = Field(
        default=30.0, description="A reader of a stream that takes nothing for this long is cut off; it may resume."
    )
    readers: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1_000, description="Streams and exports at one time; more are refused."
    )
    session_s: Annotated[float, Field(gt=0, le=31 * 86_400)] = Field(
        default=12 * 3600.0, description="How long a browser stays signed in."
    )


class Auth(Table):
    """Who may use the HTTP interface."""

    tokens: LocalFile = Field(description='File with the hashed tokens, `"file:PATH"`; `lineside token` writes it.')


class Limits(Table):
    """Bounds of memory. Reading from machines that wait for an acknowledgement pauses at them; nothing is dropped."""

    queue_frames: Annotated[int, Field(ge=1)] = Field(
        default=1_000, description="Messages that one connection may have read and not yet stored."
    )
    queue_bytes: Bytes = Field(
        default=16 << 20, description="The same in bytes; a larger single message is let in alone."
    )
    batch_events: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1_000, description="Most messages in one commit."
    )
    batch_bytes: Bytes = Field(
        default=4 << 20, description="Most bytes in one commit, a larger single message excepted."
    )
    unacknowledged_bytes: Bytes = Field(
        default=64 << 20, description="Bytes that one connection may have read and not acknowledged."
    )
    decode_aside_bytes: Bytes = Field(
        default=32 << 10,
        description="Larger messages are decoded beside the event loop, so that small ones need not wait.",
    )


class Timing(Table):
    """Intervals, in seconds."""

    retry_first_s: Seconds = Field(
        default=1.0, description="Pause before a lost connection is tried again; doubles with each failure."
    )
    retry_most_s: Seconds = Field(default=60.0, description="Longest such pause.")
    settled_s: Seconds = Field(
        default=10.0, description="A connection that lasted this long starts over at the first pause."
    )
    stale_factor: Annotated[float, Field(ge=1, le=1_000)] = Field(
        default=2.5, description="Heartbeat intervals without a message after which a station counts as out of sight."
    )
    tick_s: Seconds = Field(default=1.0, description="How often that is looked at.")
    mark_s: Seconds = Field(
        default=10.0, description="How often the journal notes what is connected; bounds the gap after a power cut."
    )
    stalled_retry_s: Seconds = Field(
        default=1.0, description="Pause before a commit that the disk refused is tried again."
    )
    retention_check_s: Seconds = Field(
        default=30.0, description="How often it is looked whether history has become too much."
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.retry_most_s < self.retry_first_s:
            raise PydanticCustomError("retry", "retry_most_s must not be below retry_first_s")
        return self


class Claim(Table):
    """What of a connection is for this station."""

    handle: Handles | None = Field(
        default=None,
        description="CFX handle of this machine, or a list of them. May be left out where no other station is on the connection.",
    )
    unit: Annotated[int, Field(ge=0, le=255)] | None = Field(
        default=None,
        description="Modbus only: number of this machine on the bus (slave address, unit identifier). Left out: 1.",
    )
    topic: Handles | None = Field(
        default=None,
        description="`cfx-mqtt` only: topic filter of this machine, or a list of them, for machines whose envelopes name no source or a wrong one. A handle that another station claims comes before it.",
    )


class Named(Claim):
    """A source on a connection of its own table."""

    connection: Name = Field(
        description="Name of a `[[connection]]`. Or else the connection's own settings stand here, beginning with `protocol`.",
    )


class InPlace(Claim):
    """A source whose connection is written where it is used; stations that name the same endpoint share it."""

    settings: InstanceOf[BaseModel]


Source = Annotated[Named | InPlace, WithJsonSchema({})]


def _sources(value: object) -> object:
    return (value,) if isinstance(value, dict) else value


class LooseStation(Table):
    """A station that belongs to no line, such as a shared X-ray."""

    name: Name = Field(description="Name of the station.")
    class_: MachineClass | None = Field(
        default=None,
        alias="class",
        description="What kind of machine it is. Left out: what its profile says, else `generic`.",
    )
    profile: Text | None = Field(
        default=None,
        description="How this model tells what it does, for machines that speak no CFX: `CLASS/MODEL`, or a path that ends in `.toml`.",
    )
    timezone: Zone | None = Field(
        default=None, description="IANA time zone of this machine, where it is not the gateway's."
    )
    heartbeat_s: Seconds | None = Field(
        default=None, description="Seconds between its heartbeats. Left out: what the machine itself says."
    )
    source: Annotated[tuple[Source, ...], BeforeValidator(_sources), Field(min_length=1)] = Field(
        description="A table, or several as `[[….source]]`."
    )
    _bound: Bound | None = PrivateAttr(default=None)

    @property
    def bound(self) -> Bound | None:
        """The profile, found and joined with its class; None without one."""
        return self._bound

    def with_bound(self, bound: Bound | None) -> Self:
        """Once its profile is read."""
        found = self.model_copy()
        found._bound = bound
        return found


class Station(LooseStation):
    """A place in a line. Its id is `LINE.NAME`."""

    after: tuple[Name, ...] | None = Field(
        default=None,
        description="Stations of this line that boards come from. Default: the one above it in this file; `[]`: none.",
    )


class Line(Table):
    """A line, its stations in the order of the route."""

    name: Name = Field(description="Name of the line.")
    station: tuple[Station, ...] = Field(default=(), description="Its stations.")


class Config(Table):
    """Everything in the file, checked. Made by `gateway.config.load.load`."""

    gateway: Gateway = Field(description="Who this gateway is.")
    journal: Journal = Field(default_factory=Journal, description="Where history is kept.")
    http: Http = Field(default_factory=Http, description="The HTTP interface.")
    auth: Auth | None = Field(default=None, description="Who may use the HTTP interface.")
    limits: Limits = Field(default_factory=Limits, description="Bounds of memory.")
    timing: Timing = Field(default_factory=Timing, description="Intervals.")
    capture: Capture = Field(default_factory=Capture, description="Recording of what machines send, as files.")
    connection: tuple[Annotated[InstanceOf[BaseModel], WithJsonSchema({})], ...] = Field(
        default=(), description="Connections that stations share."
    )
    line: tuple[Line, ...] = Field(default=(), description="The lines.")
    station: tuple[LooseStation, ...] = Field(default=(), description="Stations that belong to no line.")
    sink: tuple[Annotated[InstanceOf[BaseModel], WithJsonSchema({})], ...] = Field(
        default=(), description="Where the journal is sent to."
    )
