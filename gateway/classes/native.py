"""A station that speaks CFX itself: nothing is derived, but its state is followed.

Pure: the same state and message give the same result, so a batch that was rolled back can be stepped again.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from gateway.classes import state as followed
from gateway.classes.clock import UNKNOWN, Clock, Stamp, stamp
from gateway.core.observation import NO_FACTS, CfxMessage, Facts, FaultFact
from gateway.core.times import Micros

VERSION = 1
"""Of the stored form of State. Another version is read as unknown."""

_TRANSACTIONS = 64
_FAULTS = 200
_UNITS = 1000
_PLACES = 100
"""Stages, and lanes with a recipe: machines name them, and what was named last is kept."""


class Work(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the station said about one transaction."""

    lane: int | None
    units: tuple[str, ...]
    open: bool


class OpenFault(msgspec.Struct, frozen=True, gc=False):
    fault: FaultFact
    since: Micros
    acknowledged: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a station. Codes are SEMI E10/E58 as CFX ResourceState; None: not known.

    recipes: active (name, revision) by lane (`""`: the whole station). works: the newest transactions, newest last.
    machine: what its class remembers, where the machine speaks no CFX. text: of its report that is not at its end.
    """

    state: int | None = None
    since: Micros | None = None
    online: bool | None = None
    heartbeat_s: float | None = None
    stages: dict[str, tuple[int, Micros]] = {}
    recipes: dict[str, tuple[str | None, str | None]] = {}
    faults: dict[str, OpenFault] = {}
    works: dict[str, Work] = {}
    clock: Clock = UNKNOWN
    reported_offset_ms: int | None = None
    machine: followed.State | None = None
    text: bytes = b""


EMPTY = State()
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(State)


def save(state: State) -> bytes:
    return _encoder.encode(state)


def load(version: int, data: bytes) -> State:
    """Raises ValueError when the bytes are of another version or damaged: the state is unknown then."""
    if version != VERSION:
        raise ValueError(f"station state of version {version}, this Lineside reads {VERSION}")
    return _decoder.decode(data)


class Remark(msgspec.Struct, frozen=True, gc=False):
    """What the station's past adds to a message: its time and how far to trust it, the clock offset known before it, the
    transaction's lane and its units known so far."""

    stamp: Stamp
    offset_ms: int | None
    lane: int | None
    also_units: tuple[str, ...]


def step(state: State, message: CfxMessage, received: Micros, zone: ZoneInfo) -> tuple[State, Remark]:
    """Follow one message. `zone` is for stamps that name none."""
    offset = state.clock.offset_ms
    stamped = stamp(message, received, zone, offset)
    facts = message.facts
    lane: int | None = facts.lane
    also: tuple[str, ...] = ()
    changes: dict[str, object] = {}
    if stamped.clocked:
        changes["clock"] = state.clock.heard(stamped.time, received)
    if facts is not NO_FACTS:
        if facts.transaction is not None:
            changes["works"], lane, also = _work(state.works, message.name, facts)
        _follow(state, facts, stamped.time, changes)
    after = msgspec.structs.replace(state, **changes) if changes else state
    return after, Remark(stamped, offset, lane, also)


def follow(state: State, name: str, facts: Facts, at: Micros) -> tuple[State, int | None, tuple[str, ...]]:
    """Follow a message that was made for a station. Returns its lane, and its transaction's units known before it."""
    lane: int | None = facts.lane
    also: tuple[str, ...] = ()
    changes: dict[str, object] = {}
    if facts.transaction is not None:
        changes["works"], lane, also = _work(state.works, name, facts)
    _follow(state, facts, at, changes)
    return msgspec.structs.replace(state, **changes) if changes else state, lane, also


def alone(message: CfxMessage, received: Micros, zone: ZoneInfo) -> Remark:
    """What a message says by itself: for one that is stored long after its time."""
    return Remark(stamp(message, received, zone, None), None, message.facts.lane, ())


def _follow(state: State, facts: Facts, at: Micros, changes: dict[str, object]) -> None:
    if facts.state is not None and facts.state != state.state:
        changes["state"], changes["since"] = facts.state, at
    if facts.stage_state is not None and facts.stage is not None:
        stages = {key: value for key, value in state.stages.items() if key != facts.stage}
        changes["stages"] = dict([*stages.items(), (facts.stage, (facts.stage_state, at))][-_PLACES:])
    if facts.recipe is not None:
        lane = "" if facts.lane is None else str(facts.lane)
        recipes = {key: value for key, value in state.recipes.items() if key != lane}
        if not facts.recipe_deactivated:
            recipes[lane] = facts.recipe
        changes["recipes"] = dict([*recipes.items()][-_PLACES:])
    faults = _faults(state.faults, facts, at)
    if faults is not state.faults:
        changes["faults"] = faults
    if facts.heartbeat_s is not None and facts.heartbeat_s != state.heartbeat_s:
        changes["heartbeat_s"] = facts.heartbeat_s
    if facts.online is not None and facts.online != state.online:
        changes["online"] = facts.online


def _work(works: dict[str, Work], name: str, facts: Facts) -> tuple[dict[str, Work], int | None, tuple[str, ...]]:
    """The works with this message, the lane of its transaction, and the transaction's units known before it."""
    assert facts.transaction is not None
    said = tuple(dict.fromkeys([ref.id for ref in facts.units if ref.id is not None]))
    before = works.get(facts.transaction)
    known: tuple[str, ...] = ()
    if before is None:
        lane, work = facts.lane, Work(facts.lane, said, name != "CFX.Production.WorkCompleted")
    else:
        lane, known = before.lane if facts.lane is None else facts.lane, before.units
        units = known if said == known else tuple(dict.fromkeys((*known, *said)))[:_UNITS]
        work = Work(lane, units, before.open and name != "CFX.Production.WorkCompleted")
        if work == before:
            return works, lane, known
    works = works.copy()
    works.pop(facts.transaction, None)  # it becomes the newest
    works[facts.transaction] = work
    while len(works) > _TRANSACTIONS:
        del works[next(iter(works))]
    return works, lane, known


def _faults(faults: dict[str, OpenFault], facts: Facts, at: Micros) -> dict[str, OpenFault]:
    if facts.faults_active is not None:
        if [fault.occurrence for fault in facts.faults_active] == list(faults):
            return faults
        return {
            fault.occurrence: faults.get(fault.occurrence, OpenFault(fault, at))
            for fault in facts.faults_active[:_FAULTS]
        }
    changed = faults
    for fault in facts.faults_raised:
        if fault.occurrence not in changed and len(changed) < _FAULTS:
            changed = {**changed, fault.occurrence: OpenFault(fault, at)}
    if facts.fault_cleared in changed:
        changed = {key: value for key, value in changed.items() if key != facts.fault_cleared}
    if (known := changed.get(facts.fault_acknowledged or "")) is not None and not known.acknowledged:
        changed = {**changed, known.fault.occurrence: msgspec.structs.replace(known, acknowledged=True)}
    return changed


def with_reported_offset(state: State, offset_ms: int) -> State:
    """After ClockOffsetChanged was made for it."""
    return msgspec.structs.replace(state, reported_offset_ms=offset_ms)
