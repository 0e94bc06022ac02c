"""UnitsInspected, from what a machine or a person says about a unit, at once or later."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.classes.inspection_parts import Measures, Parts, Structure, measurement, numeric, outcome, worst
from gateway.classes.machine_class import Requirement
from gateway.classes.records import said_flag, said_number, said_position, said_text, said_time, said_unit
from gateway.classes.rules import person
from gateway.classes.state import Work
from gateway.classes.structures import structure
from gateway.classes.turn import Turn
from gateway.classes.works import within_work
from gateway.core.observation import Record

UNITS_INSPECTED = "CFX.Production.TestAndInspection.UnitsInspected"


def requirement(kind: str, needs: Sequence[str] = (), note: str = "") -> Requirement:
    """needs: beside an inspection's record and its result in a signal."""
    return Requirement(
        capability=f"{kind}: inspection of each unit",
        messages=(UNITS_INSPECTED,),
        needs=("inspection", "inspection.result", "board.result", *needs),
        note=note,
    )


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What a class says of how it inspects.

    method: CFX InspectionMethod. measures: of the class's own kinds. readings: what its signals say about the whole of
    the unit that goes out, as measurements. human: a person inspects; who is signed in is the inspector.
    """

    method: str
    measures: Measures = {}
    readings: Callable[[Turn], list[Structure]] | None = None
    human: bool = False

    def inspected(self, turn: Turn, record: Record) -> None:
        """The record `inspection`."""
        if said_flag(record, "again"):
            self.judged(turn, record)
        else:
            self._within_work(turn, record)

    def judged(self, turn: Turn, record: Record) -> None:
        """The record `verdict`: revises what was told of this unit, in the same transaction. Of a unit that nothing was
        told of, it is the first that is told."""
        unit = said_unit(turn, record)
        before = None if unit is None else turn.verdicts.get(unit)
        if before is None:
            self._within_work(turn, record)
            return
        count = turn.boards(record.lane, said_number(record, "units") or _boards(record))
        work = Work(transaction=before.transaction, unit=unit, count=count, started=True, since=turn.now)
        self._tell(turn, record, work, revises=before.event)

    def _within_work(self, turn: Turn, record: Record) -> None:
        count = said_number(record, "units") or _boards(record)
        started = said_time(record, "started")
        ended = "Failed" if said_text(record, "result") == "Failed" else None
        unit = said_unit(turn, record)
        with within_work(turn, record.lane, unit, count=count, began=started, result=ended) as work:
            self._tell(turn, record, work)

    def _tell(self, turn: Turn, record: Record, work: Work, revises: str | None = None) -> None:
        parts = Parts(turn, work.transaction, {"measurement": measurement, **self.measures})
        boards = [child for child in record.children if child.name == "inspection.unit"]
        single = work.count <= 1 and len(boards) <= 1
        if boards:
            units = [
                _board(turn, parts, board, index, work if single else None)
                for index, board in enumerate(_with_parts(boards, record), 1)
            ]
            units = _passed(units, said_text(record, "result"))
        else:
            units = _loose(parts, record, work)
        panel = None if single else _panel(parts, record, work)
        body: Structure = {
            "RecipeName": said_text(record, "recipe"),
            "RecipeRevision": said_text(record, "revision"),
            "Inspector": person(said_text(record, "operator")),
        }
        self._emit(turn, work, record.lane, units, panel, body, revises)

    def completed(self, turn: Turn, work: Work) -> None:
        """What signals say about the unit that goes out, unless it was told already or the profile has records of it."""
        if turn.setup.tells("inspection") or not any(map(turn.has, ("inspection.result", "board.result"))):
            return
        if work.transaction == turn.kept.get("inspected"):
            return
        lane = turn.lane
        said = turn.text("inspection.result", lane=lane)
        found = [value if isinstance(value, str) else None for value in turn.array("board.result", lane=lane)]
        result, verification = said or worst(found), turn.text("inspection.verification", lane=lane)
        count, defects = turn.number("inspection.count", lane=lane), turn.number("inspection.defects", lane=lane)
        measured = [] if self.readings is None else self.readings(turn)
        measured += [] if defects is None else [numeric("Defects", defects, None)]
        overall = {"OverallResult": result, "Verification": verification, "TotalInspectionCount": count}
        inspections = [structure("Inspection", {"Result": result, "Measurements": measured})] if measured else []
        if not found and work.count <= 1:
            unit = {"UnitIdentifier": work.unit, "UnitPositionNumber": 1, "Inspections": inspections, **overall}
            self._emit(turn, work, lane, [structure("InspectedUnit", unit)], None, {}, None)
            return
        panel = structure("InspectedPanel", {"UnitIdentifier": work.unit, "Inspections": inspections, **overall})
        results = found or ["Passed" if said == "Passed" else None] * work.count
        units = [
            structure("InspectedUnit", {"UnitPositionNumber": position, "OverallResult": each})
            for position, each in enumerate(results, 1)
            if each is not None
        ]
        self._emit(turn, work, lane, units, panel, {}, None)

    def _emit(
        self, turn: Turn, work: Work, lane: int | None, units: Sequence[Structure], panel: Structure | None,
        said: Structure, revises: str | None,
    ) -> None:  # fmt: skip
        name, revision = turn.recipe(lane)
        told = said.get("RecipeName") is not None
        event = turn.emit(
            UNITS_INSPECTED,
            {
                "TransactionId": work.transaction,
                "InspectionMethod": self.method,
                "Inspector": said.get("Inspector") or (person(turn.operator) if self.human else None),
                "RecipeName": said["RecipeName"] if told else name,
                "RecipeRevision": said["RecipeRevision"] if told else revision,
                "InspectedUnits": units,
                "InspectedPanel": panel,
            },
            revises=revises,
        )
        transaction = work.transaction or ""
        turn.kept["inspected"] = transaction
        for unit in dict.fromkeys((work.unit, *(each.get("UnitIdentifier") for each in units))):
            turn.remember(unit if isinstance(unit, str) else None, event, transaction)


def _boards(record: Record) -> int | None:
    return sum(child.name == "inspection.unit" for child in record.children) or None


def _with_parts(boards: Sequence[Record], record: Record) -> list[Record]:
    """Parts that lie beside the boards, with the position of one of them, are in that."""
    placed: dict[int | None, list[Record]] = {}
    for child in record.children:
        if child.name != "inspection.unit":
            placed.setdefault(said_position(child), []).append(child)
    return [
        msgspec.structs.replace(board, children=(*board.children, *placed.get(said_position(board) or index, ())))
        for index, board in enumerate(boards, 1)
    ]


def _top(record: Record) -> Structure:
    """Of the inspection that has all loose parts: what the whole record says of it."""
    return {
        "InspectionStartTime": said_time(record, "started"),
        "InspectionEndTime": said_time(record, "ended"),
        "Comments": said_text(record, "comments"),
    }


def _board(turn: Turn, parts: Parts, record: Record, index: int, work: Work | None) -> Structure:
    """work: it is the only board of this one."""
    unit = said_unit(turn, record)
    position = said_position(record) or index
    return structure(
        "InspectedUnit",
        {
            "UnitIdentifier": work.unit if unit is None and work is not None else unit,
            "UnitPositionNumber": position,
            "OverallResult": outcome(record),
            "Inspections": parts.inspections(record.children, position, {}),
            "Verification": said_text(record, "verification"),
            "TotalInspectionCount": said_number(record, "count"),
        },
    )


def _passed(units: list[Structure], said: str | None) -> list[Structure]:
    """On a panel that passed, every board did. Of one that did not, only the boards can say which."""
    if said == "Passed":
        for unit in units:
            if not isinstance(unit.get("OverallResult"), str):
                unit["OverallResult"] = "Passed"
    return units


def _loose(parts: Parts, record: Record, work: Work) -> list[Structure]:
    """Boards of a record without any `inspection.unit`: one, or those on the panel of which something is said."""
    if work.count <= 1:
        children = record.children
        fields = {
            "UnitIdentifier": work.unit,
            "UnitPositionNumber": 1,
            "OverallResult": outcome(record),
            "Inspections": parts.inspections(children, 1, {**_top(record), "Result": outcome(record)}),
            "Verification": said_text(record, "verification"),
            "TotalInspectionCount": said_number(record, "count"),
        }
        return [structure("InspectedUnit", fields)]
    said = said_text(record, "result")
    placed: dict[int, list[Record]] = {}
    for child in record.children:
        position = said_position(child)
        if position is not None:
            placed.setdefault(position, []).append(child)
    units = []
    for position in sorted({*placed, *(range(1, work.count + 1) if said == "Passed" else ())}):
        mine = placed.get(position, [])
        result = worst(outcome(child) for child in mine) or ("Passed" if said == "Passed" else None)
        inspections = parts.inspections(mine, position, {})
        unit = {"UnitPositionNumber": position, "OverallResult": result, "Inspections": inspections}
        units.append(structure("InspectedUnit", unit))
    return units


def _panel(parts: Parts, record: Record, work: Work) -> Structure:
    """The panel as a whole, with the parts of which no board is said."""
    rest = [child for child in record.children if child.name != "inspection.unit" and said_position(child) is None]
    return structure(
        "InspectedPanel",
        {
            "UnitIdentifier": work.unit,
            "OverallResult": outcome(record),
            "Inspections": parts.inspections(rest, None, _top(record)),
            "Verification": said_text(record, "verification"),
            "TotalInspectionCount": said_number(record, "count"),
        },
    )
