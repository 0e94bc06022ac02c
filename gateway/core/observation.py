"""What decoding a frame yields: the input of a machine class."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from gateway.core.event import UnitRef
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros


class Kind(StrEnum):
    """What a CFX message is in the catalogue; `unknown` for a name that it does not have."""

    EVENT = "event"
    REQUEST = "request"
    RESPONSE = "response"
    UNKNOWN = "unknown"


class FaultFact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fault as a message mentions it. `occurrence` is FaultOccurrenceId as sent."""

    occurrence: str
    code: str | None = None
    severity: str | None = None
    description: str | None = None
    lane: int | None = None
    stage: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What any CFX message says about units, work and the station, whatever its class.

    units: in order of appearance, each (id, position, role) once.
    transaction: TransactionID or TransactionId as sent, also where it is nested (Fault).
    lane, stage: Lane; StageName, or StageSequence as text when the stage has no name.
    result: WorkResult, TestResult, ProcessingResult of the whole message, as sent.
    state: new station state as SEMI E10/E58 code of CFX ResourceState (`1100`), from StationStateChanged.
    stage_state: the same of one stage (`stage` says which), from StageStateChanged.
    recipe: (name, revision) that became active; deactivated: that one was deactivated.
    faults_raised: from FaultOccurred; faults_active: the complete list, from Heartbeat and GetActiveFaults (None: not
    said); fault_cleared, fault_acknowledged: occurrence ids. heartbeat_s: HeartbeatFrequency in seconds.
    online: True on StationOnline and EndpointConnected, False on StationOffline and EndpointShuttingDown.
    """

    units: tuple[UnitRef, ...] = ()
    transaction: str | None = None
    lane: int | None = None
    stage: str | None = None
    result: str | None = None
    state: int | None = None
    stage_state: int | None = None
    recipe: tuple[str | None, str | None] | None = None
    recipe_deactivated: bool = False
    faults_raised: tuple[FaultFact, ...] = ()
    faults_active: tuple[FaultFact, ...] | None = None
    fault_cleared: str | None = None
    fault_acknowledged: str | None = None
    heartbeat_s: float | None = None
    online: bool | None = None


NO_FACTS = Facts()


class CfxMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One CFX envelope, whatever form it was sent in (IPC-2591; variants in docs/cfx.md).

    raw: the envelope's bytes as received, decompressed and unwrapped (in an array: this element's bytes).
    text: the same without insignificant white space, tokens and key order untouched; `raw` itself if it had none.
    digest: 16 bytes, BLAKE2b of `text`.
    body: the MessageBody within `text`.
    source, target, request_id, version, timestamp, unique_id: as sent; None when null, missing or empty.
    time: TimeStamp as an instant when it carried a zone; local: as a naive datetime when it did not; both None when
    there is none or it is no date. coarse: whole seconds only.
    """

    raw: bytes
    text: bytes
    digest: bytes
    body: bytes
    name: str
    kind: Kind
    source: str | None
    target: str | None
    request_id: str | None
    version: str | None
    timestamp: str | None
    unique_id: str | None
    time: Micros | None
    local: datetime | None
    coarse: bool
    facts: Facts


class Unreadable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part of a frame that nobody can make sense of: quarantined with these bytes and this reason."""

    raw: bytes
    reason: str
    detail: str


class Passage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a record stood that can be read again, with the same ids for what comes of it.

    file: its name. version: what it was like then; another content is another version. at: which record of it, or from
    which byte on. revised: it was read before, with other content. grows: a log, which may as well have been begun anew.
    """

    file: str
    version: str
    at: str
    revised: bool = False
    grows: bool = False


class Readings(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Signals of one station looked at together.

    keys, values: place by place; a key is SignalKey text or an alarm's key, a value is in the vocabulary's unit, None
    when it is not known. time: the machine's, where it gave one. qualities: None when every known value is good. live: it
    was told at once, so that its time says how far the machine's clock is off; not what was so before we came.
    """

    station: str
    keys: tuple[str, ...]
    values: tuple[Value, ...]
    time: Micros | None = None
    qualities: tuple[Quality, ...] | None = None
    live: bool = True


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a machine says has happened, in the words of its class (`inspection`, `test`, ...).

    time: the machine's, where it gave one. fields: only those that it said; numbers in the vocabulary's units. live: it
    was told at once, so that its time says how far the machine's clock is off. passage: where it was read, in a file.
    """

    station: str
    name: str
    fields: Mapping[str, Value] = {}
    children: tuple[Record, ...] = ()
    time: Micros | None = None
    lane: int | None = None
    stage: str | None = None
    live: bool = False
    passage: Passage | None = None


class Lines(msgspec.Struct, frozen=True, gc=False):
    """Text of a machine's, for its profile to make records of. What is open at the end goes on with the next ones.

    whole: a file from its first line to its last, apart from whatever is open. passages: of each line, in a file.
    """

    station: str
    lines: tuple[str, ...]
    whole: bool = False
    passages: tuple[Passage, ...] = ()


class Lost(msgspec.Struct, frozen=True, gc=False):
    """The station is out of sight: from here on none of its signals is known. kept: what it says meanwhile is kept for
    us, so that a report that is open goes on; else its end may be another one's."""

    station: str
    kept: bool = False


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Nothing but time has passed: a deadline that the station's class asked for."""

    station: str


Observation = CfxMessage | Readings | Record | Lines | Lost | Tick | Unreadable
