"""What is in a capture: an MCAP file (mcap.dev, specification 0) of profile `lineside`.

A capture is one file or several that follow each other. Each begins with attachments, so that it can be read without the
others:

- `site.json`: the configuration that decoding and stepping depend on (`Site`), without secrets and addresses of sinks.
- `profile/CLASS/MODEL.toml` and so on: the profiles in use with those that they extend, as their files were.
- `states.msgpack`: what was remembered of each station when the file began (`Remembered`).

Then come messages, in the order in which the gateway committed: of every commit first `known` (what the journal knew
already, where it was asked), then the frames as they were stepped, then the events that came of them. The log time of a
message is when its frame was received (or event stored), the publish time when it was captured, in nanoseconds since
1970; its sequence counts all messages of a capture from 1, over its files, and starts again at 2**32.

Each connection has a channel of its own for what came in and one for what we sent, with its name as the topic and what
`ChannelKind` says in the metadata. Frames, and what was known, are MessagePack (`Wire`, `Known`).

Events are in a message together with those of the same commit: MessagePack, a list of rows, with the names of a row's
fields in the channel's metadata under `fields` (those of `gateway.core.event.Event`). A channel of encoding `json` has an
event in each message instead, as every reader of the gateway gets them. The first is what the gateway writes: it takes a
third of the time.

Where frames are missing there is a message of kind `hole` (`Gone`), with what was remembered of the stations behind it. The
channels that a chunk uses are written at its beginning, so that each chunk can be read without those before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from gateway.core.frame import Frame
from gateway.core.times import Micros

PROFILE = "lineside"
VERSION = 1
"""In the metadata record `lineside`, as text, with the other facts of `About`. Fields are only added in one version. There is
also the CRC-32 of each attachment, under `sum:` and its name, and under `sum` that of all these facts: MCAP protects only
chunks."""

SITE, STATES, PROFILES = "site.json", "states.msgpack", "profile/"
SUFFIX = ".mcap"


class ChannelKind(StrEnum):
    """In a channel's metadata under `kind`. Frames have the metadata `connection` and `protocol` too."""

    IN = "in"  # a frame that came from a machine, or one of the gateway's own (a tick, sight lost)
    OUT = "out"  # what we sent to a machine: an answer
    EVENT = "event"  # an event that followed from frames
    OWN = "own"  # an event that did not: of the gateway's own doing, such as gaps and answers
    KNOWN = "known"  # what the journal knew when it was asked
    HOLE = "hole"  # frames that could not be kept up with, and what the stations had come to behind them


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Which capture it is. capture: a UUID that all its files share. part: counts the files from 1. began: of this part.

    journal, site, gateway: as in events. made_by: version of Lineside. redacted: identifiers of boards are replaced.
    name: given by whoever started it. first: number of its first message. follows: nothing is missing between the part before this one and this one.
    chosen: ids of the stations that it is about, a line each; empty: all. Frames of others may still be in it, where one
    tells of several stations, or where it is not known whose it is.
    """

    capture: str
    part: int
    began: Micros
    journal: str
    site: str
    gateway: str
    made_by: str
    redacted: bool = False
    name: str = ""
    first: int = 1
    follows: bool = True
    chosen: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A station as it was configured. routes: as `gateway.config.plan.RoutePlan`, by connection. profile: the name of the
    attachment's file, without folder and suffix; None for machines that need none."""

    id: str
    line: str | None
    name: str
    machine_class: str
    zone: str
    routes: tuple[dict[str, Any], ...]
    heartbeat_s: float | None = None
    after: tuple[str, ...] = ()
    profile: str | None = None
    hermes: bool = False


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """gateway: the table of the configuration. connections: settings by name, `protocol` among them; secrets as they are
    written, which is never the secret itself."""

    gateway: dict[str, Any]
    connections: dict[str, dict[str, Any]]
    stations: tuple[Place, ...]


class Remembered(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is known of one station. state: as the journal has it, of this version. look: the last sight of its signals,
    MessagePack; empty when there was none."""

    version: int
    state: bytes
    look: bytes = b""


class Wire(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A frame, but for its connection and time, which are the channel's and the message's. peer, principal, handles,
    acknowledged: of its delivery."""

    channel: str
    payload: bytes
    redelivered: bool = False
    meta: Mapping[str, str | int] = {}
    peer: str | None = None
    principal: str | None = None
    handles: tuple[str, ...] = ()
    acknowledged: bool = True


class KnownId(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """As `gateway.journal.transaction.Seen`."""

    id: str
    owner: str
    digest: bytes | None
    repeats: int = 0
    reused: bool = False


class KnownPosition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far the source was read, of that."""

    connection: str
    of: str
    position: bytes


class Known(msgspec.Struct, frozen=True, array_like=True):
    """Ids of events and positions of sources that the journal had before the next frames, where they asked."""

    ids: tuple[KnownId, ...] = ()
    positions: tuple[KnownPosition, ...] = ()


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """So many frames are missing, with so many bytes, received from `since` to `until`; and the states behind them."""

    frames: int
    bytes: int
    since: Micros
    until: Micros
    states: dict[str, Remembered]


class Captured(msgspec.Struct, frozen=True):
    """A frame of a capture. number: the message's sequence. at: when it was captured."""

    number: int
    at: Micros
    kind: ChannelKind
    protocol: str
    frame: Frame
    peer: str | None = None
    principal: str | None = None
    handles: tuple[str, ...] = ()
    acknowledged: bool = True


class Stored(msgspec.Struct, frozen=True):
    """An event of a capture, as JSON. kind: EVENT or OWN. number: of the message, which those of a commit may share."""

    number: int
    at: Micros
    kind: ChannelKind
    document: bytes


class Asked(msgspec.Struct, frozen=True):
    """What the journal knew, for the frames behind it."""

    number: int
    known: Known


class Hole(msgspec.Struct, frozen=True):
    """Something is missing here, and what comes next begins from these states. gone: what, where that is known; not where
    files or parts of them are missing."""

    number: int
    states: Mapping[str, Remembered]
    gone: Gone | None = None


Entry = Captured | Stored | Asked | Hole


def checksum(facts: Mapping[str, str]) -> int:
    """Of what is known of a file, its other checksums included."""
    return zlib.crc32(repr(sorted(facts.items())).encode())
