"""Marker and labeller: which identifiers it gave, and what else it wrote on a unit (IPC-CFX UnitsInitialized,
UnitsPersonalized, LaserMarkingProcessData)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from gateway.classes import common
from gateway.classes.data import UNITS_PROCESSED, processed
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.records import said_text, said_time, said_unit
from gateway.classes.state import Work
from gateway.classes.structures import structure, whole
from gateway.classes.turn import Turn
from gateway.classes.works import within_work
from gateway.core.observation import Record
from gateway.core.sample import SignalKey, signal_key
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

UNITS_INITIALIZED = "CFX.Production.UnitsInitialized"
UNITS_PERSONALIZED = "CFX.Production.Assembly.UnitsPersonalized"

SIGNALS = (
    SignalSpec(
        name="mark.id",
        kind=Kind.TEXT,
        lane=True,
        meaning="The identifier that was marked last: of the unit, or of the panel.",
    ),
    SignalSpec(
        name="board.id",
        kind=Kind.TEXT,
        lane=True,
        array=True,
        meaning="Those of the boards on the panel, by their position.",
    ),
    SignalSpec(
        name="mark.time", kind=Kind.NUMBER, unit="s", lane=True, meaning="How long it worked on the last one."
    ),
)  # fmt: skip

_MARKS = frozenset(("mark.id", "board.id"))
_STARTED = FieldSpec(name="started", kind=Kind.TIME, meaning="When it began.")
_POSITION = FieldSpec(name="position", kind=Kind.NUMBER, unit="1", meaning="Its position on the panel.")

RECORDS = (
    RecordSpec(
        name="unit.initialized",
        lane=True,
        fields=(common.UNIT, _STARTED),
        children=("board", "characteristic"),
        meaning="A unit, or a panel with its boards, was given its identifiers.",
    ),
    RecordSpec(
        name="unit.personalized",
        lane=True,
        fields=(common.UNIT, _POSITION, _STARTED),
        children=("board", "characteristic"),
        meaning="Something that belongs to this one unit was written on or into it.",
    ),
    RecordSpec(
        name="board",
        fields=(common.UNIT, _POSITION),
        children=("characteristic",),
        meaning="A board on the panel.",
    ),
    RecordSpec(
        name="characteristic",
        fields=(
            FieldSpec(name="name", kind=Kind.TEXT, meaning="What it is: `MAC address`."),
            FieldSpec(name="value", kind=Kind.TEXT, required=True, meaning="What was written."),
        ),
        meaning="Something that was written.",
    ),
)


def _completed(turn: Turn, work: Work) -> None:
    lane = turn.lane
    unit = turn.fresh("mark.id", lane)
    places = range(1, len(turn.array("board.id", lane=lane)) + 1)
    boards = [turn.fresh(str(SignalKey("board.id", index)), lane) for index in places]
    if unit is not None or any(boards):
        _initialized(turn, work, unit, [*enumerate(boards, 1)])
    time = turn.number("mark.time", lane=lane)
    if time is not None:
        name, _ = turn.recipe(lane)
        data = {"LaserProcessingTime": time, "RecipeName": name}
        processed(turn, work, structure("LaserMarking.LaserMarkingProcessData", data))


def _looked(turn: Turn, before: Mapping[str, object]) -> None:
    """What a register holds when it is seen for the first time may be of a unit that has long gone."""
    for key in before:
        if signal_key(key).name in _MARKS and key not in turn.ids:
            turn.ids[key] = turn.identifier(turn.values.get(key)) or ""


def _initialized(turn: Turn, work: Work, unit: str | None, boards: list[tuple[int, str | None]]) -> None:
    """UnitsInitialized of the boards that are told, else of as many as the work has."""
    named = [{**turn.units(board, 1)[0], "PositionNumber": position} for position, board in boards]
    turn.emit(
        UNITS_INITIALIZED,
        {
            "TransactionID": work.transaction,
            "PrimaryIdentifier": unit,
            "WorkOrderIdentifier": turn.order(),
            "Units": named or turn.units(unit, work.count),
        },
    )


def _given(turn: Turn, record: Record) -> None:
    with _work(turn, record) as work:
        boards = [(place, said_unit(turn, board)) for place, board in _boards(record)]
        _initialized(turn, work, said_unit(turn, record), boards)
        _personalized(turn, record, work)


def _written(turn: Turn, record: Record) -> None:
    with _work(turn, record) as work:
        _personalized(turn, record, work)


def _work(turn: Turn, record: Record) -> AbstractContextManager[Work]:
    return within_work(
        turn,
        record.lane,
        said_unit(turn, record),
        count=len(_boards(record)) or None,
        began=said_time(record, "started"),
    )


def _boards(record: Record) -> list[tuple[int, Record]]:
    """Boards on the panel, with their positions."""
    boards = [child for child in record.children if child.name == "board"]
    return [(_place(board, index), board) for index, board in enumerate(boards, 1)]


def _personalized(turn: Turn, record: Record, work: Work) -> None:
    """UnitsPersonalized of the unit itself and of the boards, as far as anything was written on them."""
    units = [
        {
            "UnitIdentifier": said_unit(turn, each) or (work.unit if each is record else None),
            "UnitPositionNumber": place,
            "Characteristics": characteristics,
        }
        for place, each in ((_place(record, 1), record), *_boards(record))
        if (characteristics := _characteristics(each))
    ]
    if units:
        turn.emit(UNITS_PERSONALIZED, {"TransactionId": work.transaction, "PersonalizedUnits": units})


def _characteristics(record: Record) -> list[dict[str, object]]:
    return [
        {"Name": said_text(child, "name"), "Value": said_text(child, "value")}
        for child in record.children
        if child.name == "characteristic"
    ]


def _place(record: Record, index: int) -> int:
    position = whole(record.fields.get("position"))
    return index if position is None else position


CLASS = MachineClass(
    name="marker",
    title="Marker, labeller",
    vocabulary=common.vocabulary("marker", SIGNALS, RECORDS),
    messages=(*common.WORKING, UNITS_INITIALIZED, UNITS_PERSONALIZED, UNITS_PROCESSED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Marking: identifiers of new units",
            messages=(UNITS_INITIALIZED,),
            needs=("mark.id + units.out", "board.id + units.out", "unit.initialized"),
        ),
        Requirement(
            capability="Marking: process data of each unit",
            messages=(UNITS_PROCESSED,),
            needs=("mark.time + units.out", "mark.time + unit.departed"),
        ),
        Requirement(
            capability="Personalisation (optional)",
            messages=(UNITS_PERSONALIZED,),
            needs=("unit.personalized + characteristic",),
            note="registers do not tell what a characteristic is",
        ),
    ),
    completed=_completed,
    records={"unit.initialized": _given, "unit.personalized": _written},
    looked=_looked,
    watched=_MARKS,
)
