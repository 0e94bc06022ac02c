"""Depaneler: a panel comes in, its boards go out (IPC-CFX RouterToolProcessData).

CFX has no message that says that a panel was cut. What tells it is the panel's WorkCompleted with its boards in Units, and
the UnitsDeparted of the boards.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.classes import common, passing, works
from gateway.classes.data import UNITS_PROCESSED, processed
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.records import said_number, said_text, said_unit
from gateway.classes.state import Work
from gateway.classes.structures import structure_if_known, whole
from gateway.classes.turn import Turn, known, lane_key
from gateway.classes.words import Word, seen, signals
from gateway.core.observation import Record
from gateway.core.sample import signal_key
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

_ROUTER = (
    Word("tool.diameter", "ToolDiameter_SetPoint", "Diameter of the router bit.", "mm"),
    Word("tool.distance", "ToolBitDistanceRouted", "How far the bit has cut.", "m"),
    Word("tool.distance.limit", "ToolBitChangeDistanceAlarmSet", "How far it may.", "m"),
    Word("tool.panels", "NumberOfBoardsRouted", "Panels that were cut of this batch.", "1"),
    Word("feed.setpoint", "FeedRate_SetPoint", "Set feed rate.", "mm/s"),
    Word("spindle.setpoint", "SpindleSpeed_SetPoint", "Set speed of the spindle.", "1/min"),
    Word("spindle.min", "MinSpindleRpm", "Its lowest speed.", "1/min"),
    Word("spindle.max", "MaxSpindleRpm", "Its highest speed.", "1/min"),
    Word("vacuum.pressure", "ActualVacuumLevel", "Pressure of the dust extraction.", "kPa"),
    Word("vacuum.distance", "VacuumDistanceRouted", "How far was cut since the filter was changed.", "m"),
    Word("vacuum.distance.limit", "VacuumFilterChangeDistanceAlarmSet", "How far may be.", "m"),
    Word("air.pressure", "ActualIncomingPressure", "Pressure of the compressed air.", "kPa"),
    Word("power", "ActualMachinePower", "Electric power that it takes.", "W"),
    Word("gripper.force", "ActualGripperForcePickAndPlace", "Highest force of the gripper.", "N"),
)

SIGNALS = (
    *signals(_ROUTER, lane=True),
    SignalSpec(
        name="boards.out",
        kind=Kind.COUNTER,
        lane=True,
        meaning="Counts boards that go out one by one. Where there is `units.out`, which counts panels, that counts.",
    ),
    SignalSpec(
        name="board.out.id", kind=Kind.TEXT, lane=True, meaning="What was read from the board that went out last."
    ),
)

RECORDS = (
    RecordSpec(
        name="unit.separated",
        lane=True,
        fields=(common.UNIT, common.UNITS, common.RESULT),
        children=("board",),
        meaning="A panel has been cut, and its boards have gone out.",
    ),
    RecordSpec(
        name="board",
        fields=(
            common.UNIT,
            FieldSpec(name="position", kind=Kind.NUMBER, unit="1", meaning="Its position on the panel."),
            FieldSpec(name="status", kind=Kind.TEXT, choices=common.choices("UnitStatus"), meaning="How it is."),
        ),
        meaning="A board of the panel.",
    ),
)


def _completed(turn: Turn, work: Work) -> None:
    data = structure_if_known("Depaneling.RouterToolProcessData", seen(turn, _ROUTER))
    if data is not None:
        processed(turn, work, data)


def _looked(turn: Turn, before: Mapping[str, object]) -> None:
    if turn.has("units.out"):
        return
    for key in sorted(before):
        parts = signal_key(key)
        if parts.name != "boards.out":
            continue
        count = passing.counted(turn, key)
        if not turn.inside(parts.lane):
            turn.kept.pop(_cut(parts.lane), None)
        for index in range(count):
            _board_out(turn, parts.lane, turn.fresh("board.out.id", parts.lane) if index == count - 1 else None)


def _board_out(turn: Turn, lane: int | None, unit: str | None) -> None:
    """Work on a panel is over with its last board."""
    inside, key = turn.inside(lane), _cut(lane)
    out = turn.kept.get(key)
    gone = (out if isinstance(out, int) else 0) + 1
    if inside and gone < inside[0].count:
        turn.kept[key] = gone
    else:
        turn.kept.pop(key, None)
    if inside and gone >= inside[0].count:
        panel, _ = works.take(turn, lane, None)
        panel = works.finish(turn, lane, panel, turn.text("work.result", lane=lane))
        turn.leave(panel.unit, panel.transaction)
    turn.emit(common.UNITS_DEPARTED, {"PrimaryIdentifier": unit, "Units": turn.units(unit, 1), "Lane": lane})


def _cut(lane: int | None) -> str:
    """Where it is kept how many boards of the oldest panel have gone out."""
    return f"cut@{lane_key(lane)}"


def _separated(turn: Turn, record: Record) -> None:
    lane, panel = record.lane, said_unit(turn, record)
    boards = [
        {
            **turn.units(said_unit(turn, child), 1)[0],
            "PositionNumber": whole(child.fields.get("position")) or index,
            "Status": known(said_text(child, "status")),
        }
        for index, child in enumerate(record.children, 1)
    ]
    work, _ = works.take(turn, lane, panel)
    count = len(boards) or turn.boards(lane, said_number(record, "units"))
    transaction = work.transaction or turn.new_id("transaction")
    work = msgspec.structs.replace(work, transaction=transaction, count=count)
    units = boards or turn.units(work.unit, count)
    turn.lane, turn.result = lane, said_text(record, "result")
    _completed(turn, work)
    panel_and_boards = {"PrimaryIdentifier": work.unit, "Units": units}
    turn.emit(
        common.WORK_COMPLETED,
        {"TransactionID": transaction, "Result": turn.result or "Completed", **panel_and_boards},
    )
    turn.leave(work.unit, transaction)
    turn.emit(common.UNITS_DEPARTED, {**panel_and_boards, "Lane": lane})


CLASS = MachineClass(
    name="depaneler",
    title="Depaneler",
    vocabulary=common.vocabulary("depaneler", SIGNALS, RECORDS),
    messages=(*common.WORKING, UNITS_PROCESSED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Depaneling: boards of each panel",
            messages=(common.WORK_COMPLETED, common.UNITS_DEPARTED),
            needs=("units.in + boards.out", "unit.separated"),
            note="CFX has no message for the cut itself",
        ),
        Requirement(
            capability="Depaneling: router data (optional)",
            messages=(UNITS_PROCESSED,),
            needs=tuple(word.word for word in _ROUTER),
        ),
    ),
    completed=_completed,
    records={"unit.separated": _separated},
    looked=_looked,
    watched=frozenset(("boards.out", "board.out.id")),
)
