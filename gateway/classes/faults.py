"""Faults: pairs of FaultOccurred and FaultCleared with one occurrence id, and values that have to last to count."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.cfx.catalogue import compound
from gateway.cfx.check import check, may_be_null
from gateway.cfx.complete import LeftOut, complete
from gateway.classes import common
from gateway.classes.machine_class import MachineClass
from gateway.classes.state import Fault, Pending
from gateway.classes.turn import Turn
from gateway.core.errors import InvalidMessage
from gateway.core.ids import LINESIDE, derived
from gateway.core.sample import Value, signal_key
from gateway.core.times import Micros, to_datetime
from gateway.profile.bound import Alarm

_MOST = 200
"""Faults that are remembered as active. A machine that never clears its faults must not fill the memory."""


def settle(turn: Turn, key: str, value: Value, current: Value, debounce: int) -> Micros | None:
    """Since when `value` counts; None while it has to last longer, or when it is what counts already."""
    if value == current:
        turn.pending.pop(key, None)
        return None
    if debounce == 0:
        return turn.time
    waiting = turn.pending.get(key)
    if waiting is None or waiting.value != value:
        turn.pending[key] = Pending(value, turn.time, turn.now + debounce)
        return None
    if turn.now < waiting.due:
        return None
    del turn.pending[key]
    return waiting.since


def follow_alarm(turn: Turn, alarm: Alarm, value: Value) -> None:
    """An alarm bit as it is now. While it is not known, its fault stays as it was."""
    if value is None:
        turn.pending.pop(alarm.key, None)
        return
    since = settle(turn, alarm.key, bool(value), alarm.key in turn.faults, alarm.debounce)
    if since is None:
        return
    if value:
        occur(
            turn, alarm.key, alarm.code, text=alarm.text, severity=alarm.severity, lane=alarm.lane, stage=alarm.stage,
            extra=alarm.extra, since=since,
        )  # fmt: skip
    else:
        clear(turn, alarm.key, since=since)


def follow_code(turn: Turn, key: str, value: Value, extra: Mapping[str, object] | None = None) -> None:
    """A register with the code of the active fault: another code ends one fault and begins the next. extra: further
    fields of the fault."""
    if value is None:
        turn.pending.pop(key, None)
        return
    active = turn.faults.get(key)
    code = str(value)
    since = settle(turn, key, code, active.code if active is not None else "", turn.setup.bound.signals[key].debounce)
    if since is None:
        return
    if active is not None:
        clear(turn, key, since=since)
    if code:
        parts = signal_key(key)
        known = alarm_of(turn, code)
        occur(
            turn, key, code,
            text=None if known is None else known.text, severity=None if known is None else known.severity,
            lane=parts.lane, stage=parts.stage, extra={**({} if known is None else known.extra), **(extra or {})},
            since=since,
        )  # fmt: skip


def alarm_of(turn: Turn, code: str) -> Alarm | None:
    """What the profile says about a code."""
    return next((alarm for alarm in turn.setup.bound.alarms.values() if alarm.code == code), None)


def occur(
    turn: Turn, key: str, code: str, *, text: str | None, severity: str | None, lane: int | None, stage: str | None,
    extra: Mapping[str, object] | None = None, since: Micros | None = None,
) -> None:  # fmt: skip
    """A fault has come up under `key`; nothing happens when it is active already."""
    if key in turn.faults or len(turn.faults) >= _MOST:
        return
    at = turn.time if since is None else since
    occurrence = turn.new_id("fault")
    turn.faults[key] = Fault(occurrence=occurrence, code=code, since=at, lane=lane, stage=stage)
    work = turn.inside(lane)
    fault: dict[str, object] = {
        "TransactionID": work[0].transaction if len(work) == 1 else None,
        "Cause": LeftOut.UNKNOWN,
        "Severity": severity or LeftOut.UNKNOWN,
        "FaultCode": code,
        "FaultOccurrenceId": occurrence,
        "Lane": lane,
        "Stage": None if stage is None else turn.stage(stage),
        "Description": text,
        "OccurredAt": to_datetime(at),
    }
    turn.emit(
        common.FAULT_OCCURRED, {"Fault": described(turn.setup.machine_class, fault, extra)}, time=since, said=False
    )


_GENERAL = {"Cause", "SideLocation", "AccessType"}
"""Fields that every Fault has; any other belongs to the class's own kind of fault."""


def described(
    machine_class: MachineClass, fault: Mapping[str, object], extra: Mapping[str, object] | None
) -> dict[str, object]:
    """With further fields; a dot leads into a structure: `MaterialLocation.LocationName`. Of the class's kind of fault
    where one of them wants it; what such a kind must have and is not known is left out."""
    whole: dict[str, object] = dict(fault)
    for path, value in (extra or {}).items():
        *outer, last = path.split(".")
        inner = whole
        for name in outer:
            inner = inner.setdefault(name, {})  # type: ignore[assignment]
        inner[last] = value
    if machine_class.fault_type is None or not {path.split(".")[0] for path in extra or {}} - _GENERAL:
        return whole
    kind = f"CFX.Structures.{machine_class.fault_type}"
    structure = compound(kind)
    assert structure is not None, kind
    unknown = {
        field.name: LeftOut.UNKNOWN
        for field in structure.fields.values()
        if field.name not in _ALWAYS and not may_be_null(field)
    }
    return {"$type": f"{kind}, CFX", **unknown, **whole}


_FAULT = compound("CFX.Structures.Fault")
_ALWAYS = frozenset(() if _FAULT is None else _FAULT.fields)


def unfit(machine_class: MachineClass, alarm: Alarm) -> str | None:
    """Why a profile's further fields of this alarm's fault cannot be sent; None when they can."""
    fault: dict[str, object] = {
        "FaultOccurrenceId": derived(LINESIDE, "alarm"),
        "OccurredAt": to_datetime(0),
        "Severity": alarm.severity,
    }
    try:
        body = complete(common.FAULT_OCCURRED, {"Fault": described(machine_class, fault, alarm.extra)})
        check(common.FAULT_OCCURRED, body)
    except InvalidMessage as error:
        return str(error)
    return None


def clear(turn: Turn, key: str, *, since: Micros | None = None) -> None:
    """It is over."""
    fault = turn.faults.pop(key, None)
    if fault is not None:
        turn.emit(common.FAULT_CLEARED, {"FaultOccurrenceId": fault.occurrence}, time=since, said=False)


SAID = "said."
"""Before the key of a fault that a record told of; every other is that of an alarm or of a signal with a code."""


def clear_untold(turn: Turn) -> None:
    """Faults of alarms and signals that the profile had once: nobody will ever tell that they are over."""
    bound = turn.setup.bound
    for key in [key for key in turn.faults if not key.startswith(SAID)]:
        if key not in bound.alarms and key not in bound.signals:
            clear(turn, key)
