"""The JSON of every answer, as types: they are what is encoded, and what the OpenAPI document is made from."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.core.sample import Quality, Value

Cursor = Annotated[str, Meta(description="A position in a journal: opaque, compare it with nothing but itself.")]
Time = Annotated[str, Meta(description="RFC 3339, UTC, in microseconds.")]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    pass


class State(Answer, frozen=True):
    """A SEMI E10/E58 state as CFX has it. name: of CFX ResourceState, null for a vendor's own code. e10: its roll-up."""

    code: int
    name: str | None
    e10: str
    since: Time | None


class Stage(Answer, frozen=True):
    """state: null while the station is not seen; last_state: what it was when it was last known."""

    name: str
    state: State | None
    last_state: State | None


class Recipe(Answer, frozen=True):
    name: str | None
    revision: str | None


class Lane(Answer, frozen=True):
    lane: int
    recipe: Recipe | None


class OpenFault(Answer, frozen=True):
    occurrence: str
    code: str | None
    severity: str | None
    description: str | None
    lane: int | None
    stage: str | None
    since: Time
    acknowledged: bool


class StationLink(Answer, frozen=True):
    """What the gateway sees of a station through one connection.

    state: `down`, `connected` or `proven` (a frame came since). reason: why it is down. basis: what completeness rests
    on. gap: id of the observation gap that is open now. heard: when the station last said something, since this process
    started. peer: whether the machine itself is connected, where it connects to us.
    """

    connection: str
    protocol: str
    state: str
    since: Time | None
    reason: str | None
    basis: str
    gap: str | None
    heard: Time | None
    peer: bool | None


class LastEvent(Answer, frozen=True):
    cursor: Cursor
    id: str
    time: Time
    received: Time
    message: str


class Station(Answer, frozen=True):
    """A station as last known.

    seen: whether the gateway sees it now: connected, no gap open. While it does not, `state` is null, for a state that
    is not known is not the last one; `last_state`, faults, lanes and stages say what was last known. `recipe` is the
    station's, `lanes` has those of its lanes. clock_offset_ms: gateway minus machine.
    """

    id: str
    site: str
    gateway: str
    line: str | None
    name: str
    machine_class: str = msgspec.field(name="class")
    after: list[str]
    seen: bool
    online: bool | None
    state: State | None
    last_state: State | None
    stages: list[Stage]
    recipe: Recipe | None
    lanes: list[Lane]
    faults: list[OpenFault]
    links: list[StationLink]
    last_event: LastEvent | None
    heartbeat_s: float | None
    clock_offset_ms: int | None
    order: None = None
    profile: str | None = None
    evidence: str | None = None


class Stations(Answer, frozen=True):
    stations: list[Station]
    as_of: Cursor


class OneStation(Answer, frozen=True):
    station: Station
    as_of: Cursor


class Signal(Answer, frozen=True):
    """One series of a station with its newest value.

    signal: the series' name, `name[index]@lane:stage`; its parts follow, null where the machine has none. unit: UCUM,
    null for texts and states; a signal whose unit changed is here once for each. value: null while it is not known; one
    that this process has not heard yet has the quality `unavailable` and no times.
    """

    signal: str
    name: str
    index: int | None
    lane: int | None
    stage: str | None
    unit: str | None
    value: Value
    quality: Quality
    time: Time | None
    received: Time | None


class Signals(Answer, frozen=True):
    station: str
    site: str
    gateway: str
    signals: list[Signal]
    as_of: Cursor


class Samples(Answer, frozen=True):
    """Samples of one signal in the order of arrival; what is at the same place in `t`, `v` and `q` is one sample.

    t: microseconds since 1970 (UTC). v: null when it is not known, NaN too. A page has one unit: where the unit changed,
    the next one begins.
    """

    station: str
    signal: str
    unit: str | None
    t: list[int]
    v: list[Value]
    q: list[Quality]
    next: Cursor
    more: bool
    as_of: Cursor


class Line(Answer, frozen=True):
    """stations: ids in the order of the route."""

    name: str
    site: str
    stations: list[str]


class Lines(Answer, frozen=True):
    """stations: ids of those that belong to no line."""

    lines: list[Line]
    stations: list[str]
    as_of: Cursor


class Gap(Answer, frozen=True):
    """A time in which a machine may have said something that we do not have. `to` is null while it lasts."""

    id: str
    site: str
    gateway: str
    source: str
    station: str | None
    cause: str
    basis: str
    recovered: str | None
    start: Time = msgspec.field(name="from")
    end: Time | None = msgspec.field(name="to")
    opened: Cursor
    closed: Cursor | None


class Gaps(Answer, frozen=True):
    gaps: list[Gap]
    next: Cursor
    more: bool
    as_of: Cursor


class Quarantined(Answer, frozen=True):
    """A message that could not be understood. first, last, count: the same bytes from the same source count up."""

    id: int
    source: str
    station: str | None
    channel: str
    reason: str
    detail: str
    digest: str
    size: int
    first: Time
    last: Time
    count: int


class Quarantine(Answer, frozen=True):
    quarantine: list[Quarantined]
    next: Cursor
    more: bool
    as_of: Cursor


class Retried(Answer, frozen=True):
    """understood: false when it went into quarantine again."""

    id: int
    understood: bool


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class Session(Answer, frozen=True):
    """name: the token's, null where none is needed. expires: null when no session was needed."""

    name: str | None
    scopes: list[str]
    expires: Time | None


class Alive(Answer, frozen=True):
    alive: bool
    version: str
    started: Time


class Component(Answer, frozen=True):
    """ready: whether it stands in the way of readiness; a connection that was tried does not, even when it is down."""

    name: str
    kind: str
    ready: bool
    state: str
    since: Time | None
    reason: str | None


class Readiness(Answer, frozen=True):
    """components: null for callers without the scope `read`."""

    ready: bool
    components: list[Component] | None


class Keep(Answer, frozen=True, forbid_unknown_fields=True):
    """A ring: whole files older than that go, and the oldest when all are larger than that. null: no such limit."""

    seconds: Annotated[float, Meta(ge=1)] | None = None
    bytes: Annotated[int, Meta(ge=100_000)] | None = None


class CaptureOrder(Answer, frozen=True, forbid_unknown_fields=True):
    """stations, sources: their ids and names; none of both: everything that is heard. keep: null: nothing goes. redact: serial
    numbers are replaced."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    stations: list[str] = []
    sources: list[str] = []
    keep: Keep | None = None
    redact: bool = False


class CaptureFile(Answer, frozen=True):
    """written: when it was written to last."""

    name: str
    bytes: int
    written: Time


class Capture(Answer, frozen=True):
    """reason: why it stopped by itself. The counts are of this run, null when it does not run; missed_frames: what could not
    be kept up with; left_out_frames: what could not be redacted."""

    name: str
    running: bool
    reason: str | None
    stations: list[str]
    sources: list[str]
    keep: Keep | None
    redact: bool
    bytes: int
    frames: int | None
    events: int | None
    missed_frames: int | None
    left_out_frames: int | None
    files: list[CaptureFile]


class Captures(Answer, frozen=True):
    captures: list[Capture]
