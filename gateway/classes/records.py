"""The records that every class understands, and how the others reach their class."""

from __future__ import annotations

from gateway.cfx import states
from gateway.classes import faults, works
from gateway.classes.turn import MOST_BOARDS, Turn
from gateway.core.event import TimeQuality
from gateway.core.observation import Record
from gateway.core.sample import Value
from gateway.core.times import Micros, parse_rfc3339


def follow_record(turn: Turn, record: Record) -> None:
    """What the machine says has happened. A time of its own is the time of everything that comes of it."""
    before = turn.time, turn.quality
    if record.time is not None:
        turn.time, turn.quality = record.time, TimeQuality.GOOD
    own = turn.setup.machine_class.records.get(record.name)
    if own is not None:
        own(turn, record)
    else:
        _common(turn, record)
    turn.time, turn.quality = before


def said_text(record: Record, field: str) -> str | None:
    """A field as text; an empty one is none."""
    value = record.fields.get(field)
    return None if value is None or value == "" else str(value)


def said_number(record: Record, field: str) -> float | None:
    value = record.fields.get(field)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def said_flag(record: Record, field: str) -> bool:
    """Whether a field says so; one that is not there does not."""
    return record.fields.get(field) is True


def said_time(record: Record, field: str) -> Micros | None:
    """A time, which is text as RFC 3339 has it; None for anything else."""
    value = record.fields.get(field)
    if not isinstance(value, str):
        return None
    try:
        return parse_rfc3339(value)
    except (ValueError, OverflowError):
        return None


def said_position(record: Record) -> int | None:
    """Of a board on its panel, from 1; None for what can be none."""
    value = said_number(record, "position")
    return round(value) if value is not None and 1 <= value <= MOST_BOARDS else None


def said_unit(turn: Turn, record: Record, field: str = "unit") -> str | None:
    """An identifier, unless it is what readers say when they could not read."""
    return turn.identifier(record.fields.get(field))


def _common(turn: Turn, record: Record) -> None:
    lane, stage, fields = record.lane, record.stage, record.fields
    unit, result = said_unit(turn, record), said_text(record, "result")
    match record.name:
        case "unit.arrived":
            works.arrive(turn, lane, unit, turn.boards(lane, said_number(record, "units")))
        case "unit.departed":
            works.depart(turn, lane, unit, result)
        case "work.started":
            works.begin(turn, lane, unit, turn.boards(lane, said_number(record, "units")))
        case "work.completed":
            works.end(turn, lane, unit, result)
        case "fault.raised":
            code = said_text(record, "code") or ""
            known = faults.alarm_of(turn, code)
            faults.occur(
                turn,
                fault_key(code, lane, stage),
                code,
                text=said_text(record, "text") or (None if known is None else known.text),
                severity=said_text(record, "severity") or (None if known is None else known.severity),
                lane=lane,
                stage=stage,
                extra={} if known is None else known.extra,
            )
        case "fault.cleared":
            _clear(turn, fields.get("code"), lane, stage)
        case "recipe.activated":
            turn.set_recipe(said_text(record, "name"), said_text(record, "revision"), lane=lane)
        case "state.changed":
            code_ = states.parse(fields.get("state"))
            if code_ is not None:
                turn.set_state(code_, stage=stage)


def fault_key(code: str, lane: int | None, stage: str | None) -> str:
    """Under which a fault is kept that a record told of."""
    return f"{faults.SAID}{code}@{'' if lane is None else lane}:{stage or ''}"


def _clear(turn: Turn, code: Value, lane: int | None, stage: str | None) -> None:
    if code is not None:
        faults.clear(turn, fault_key(str(code), lane, stage))
        return
    for key in [key for key in turn.faults if key.startswith(faults.SAID)]:
        faults.clear(turn, key)
