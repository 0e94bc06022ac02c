"""What decoding a frame yields: the input of a machine class."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from gateway.core.event import UnitRef
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


Observation = CfxMessage | Unreadable
"""Signals and records of profiled machines join this union with the profiles."""
