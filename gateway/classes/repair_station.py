"""Repair station: what was mended on a unit, by whom, and whether it helped (UnitsRepaired)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.classes import common
from gateway.classes.inspection import UNITS_INSPECTED, Inspection, requirement
from gateway.classes.inspection_parts import Structure, designator
from gateway.classes.inspection_words import (
    COMMENTS,
    COMPONENT,
    ENDED,
    NAME,
    PART,
    PIN,
    POSITION,
    SIGNALS,
    STARTED,
    number,
    records,
    text,
)
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.records import said_number, said_position, said_text, said_time, said_unit
from gateway.classes.rules import person
from gateway.classes.scrap import SCRAPPED, UNITS_DISQUALIFIED, disqualified
from gateway.classes.state import Work
from gateway.classes.structures import structure
from gateway.classes.turn import Turn
from gateway.classes.works import within_work
from gateway.core.observation import Record
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

UNITS_REPAIRED = "CFX.Production.ReworkAndRepair.UnitsRepaired"
_RESULTS = common.choices("RepairResult")
_WORSE = ("Scrap", "UnableToRepair", "Error", "Aborted")
"""In the order in which they decide the result of the whole."""


def _result(meaning: str) -> FieldSpec:
    return FieldSpec(name="result", kind=Kind.TEXT, choices=_RESULTS, meaning=meaning)


REPAIR = RecordSpec(
    name="repair",
    lane=True,
    fields=(
        common.UNIT,
        common.UNITS,
        number("position", "Position on the panel of the board that was repaired."),
        _result("How it ended. Left out: what follows from its parts."),
        STARTED,
        ENDED,
        common.OPERATOR,
    ),
    children=("repair.action",),
    meaning="A unit has been repaired, or it was tried.",
)
ACTION = RecordSpec(
    name="repair.action",
    fields=(
        NAME,
        text("id", "Its identifier."),
        POSITION,
        COMPONENT,
        PIN,
        PART,
        text("defect", "Identifier of the defect that it mends."),
        _result("How it ended."),
        STARTED,
        ENDED,
        COMMENTS,
        text("error", "What went wrong."),
    ),
    meaning="One thing was mended.",
)
_SIGNAL = SignalSpec(
    name="repair.result",
    kind=Kind.TEXT,
    lane=True,
    choices=_RESULTS,
    meaning="How the repair of the one that went out last ended.",
)


def _repaired(turn: Turn, record: Record) -> None:
    count, began = said_number(record, "units"), said_time(record, "started")
    with within_work(turn, record.lane, said_unit(turn, record), count=count, began=began) as work:
        place = said_position(record) or _only(work)
        boards: dict[int | None, list[Record]] = {} if record.children else {place: []}
        for action in record.children:
            boards.setdefault(said_position(action) or place, []).append(action)
        said = said_text(record, "result")
        units = [_unit(work, position, actions, said) for position, actions in boards.items()]
        _emit(turn, work, units, said_text(record, "operator"))


def _only(work: Work) -> int | None:
    """Position of the board, where there is no more than one."""
    return 1 if work.count <= 1 else None


def _unit(work: Work, position: int | None, actions: Sequence[Record], said: str | None) -> Structure:
    results = [said_text(action, "result") for action in actions]
    worst = next((worse for worse in _WORSE if worse in results), None)
    if worst is None and results and all(result == "RepairSuccessful" for result in results):
        worst = "RepairSuccessful"
    return structure(
        "RepairedUnit",
        {
            "UnitIdentifier": work.unit if work.count <= 1 else None,
            "UnitPositionNumber": position,
            "OverallResult": said or worst,
            "Repairs": [_action(action) for action in actions],
        },
    )


def _action(record: Record) -> Structure:
    component, part, defect = designator(record), said_text(record, "part"), said_text(record, "defect")
    return structure(
        "Repair",
        {
            "UniqueIdentifier": said_text(record, "id"),
            "RepairName": said_text(record, "name"),
            "RepairStartTime": said_time(record, "started"),
            "RepairEndTime": said_time(record, "ended"),
            "Comments": said_text(record, "comments"),
            "ComponentOfInterest": None
            if component is None and part is None
            else {"ReferenceDesignator": component, "PartNumber": part},
            "RelatedDefectIdentifiers": [] if defect is None else [defect],
            "Result": said_text(record, "result"),
            "Error": said_text(record, "error"),
        },
    )


def _emit(turn: Turn, work: Work, units: list[Structure], operator: str | None) -> None:
    turn.emit(
        UNITS_REPAIRED,
        {
            "TransactionId": work.transaction,
            "RepairOperator": person(operator or turn.operator),
            "RepairedUnits": units,
        },
    )


_CHECK = Inspection(method="Human", human=True)


def _completed(turn: Turn, work: Work) -> None:
    """From signals: the result that stands in a register when the unit goes out."""
    if turn.has("repair.result") and not turn.setup.tells("repair"):
        _emit(turn, work, [_unit(work, _only(work), (), turn.text("repair.result", lane=turn.lane))], None)
    _CHECK.completed(turn, work)


CLASS = MachineClass(
    name="repair_station",
    title="Repair station",
    vocabulary=common.vocabulary("repair_station", (*SIGNALS, _SIGNAL), (*records(), REPAIR, ACTION, SCRAPPED)),
    messages=(*common.WORKING, UNITS_REPAIRED, UNITS_INSPECTED, UNITS_DISQUALIFIED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Repair of each unit",
            messages=(UNITS_REPAIRED,),
            needs=("repair", "repair.result"),
            note="what was mended only from records `repair.action`",
        ),
        requirement("Verification", note="after the repair, by a person"),
        Requirement(capability="Scrapping", messages=(UNITS_DISQUALIFIED,), needs=("unit.scrapped",)),
    ),
    completed=_completed,
    records={
        "repair": _repaired,
        "inspection": _CHECK.inspected,
        "verdict": _CHECK.judged,
        "unit.scrapped": disqualified,
    },
)
