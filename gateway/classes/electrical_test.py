"""Electrical test: flying probe, in-circuit, functional, cable (IPC-CFX UnitsTested).

A tester that writes a report tells of each test as a record with what was measured nested in it; one with no more than
contacts or registers tells the result of the unit that goes out.
"""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.electrical_results import overall, tested_units
from gateway.classes.electrical_words import RECORDS, SIGNALS
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.records import said_number, said_text, said_time, said_unit
from gateway.classes.rules import person
from gateway.classes.state import Work
from gateway.classes.structures import structure
from gateway.classes.turn import Turn
from gateway.classes.works import within_work
from gateway.core.event import TimeQuality
from gateway.core.observation import Record

UNITS_TESTED = "CFX.Production.TestAndInspection.UnitsTested"
_ENDED = {"Passed": "Completed", "Failed": "Failed", "Error": "Aborted", "Aborted": "Aborted", "Skipped": "Skipped"}
"""How the work ended, by the result of the test. In CFX, `Failed` is work that was done, with an undesirable result."""


def _tested(turn: Turn, record: Record) -> None:
    """Of the time at which the test ended, where the report says it."""
    ended = said_time(record, "ended")
    if record.time is None and ended is not None:
        turn.time, turn.quality = ended, TimeQuality.GOOD
    boards = sum(child.name == "test.unit" for child in record.children)
    result = overall(record)
    with within_work(
        turn,
        record.lane,
        said_unit(turn, record),
        count=said_number(record, "units") or boards or None,
        began=said_time(record, "started"),
        result=None if result is None else _ENDED[result],
    ) as work:
        name, revision = turn.recipe(record.lane)
        recipe = said_text(record, "recipe")
        _emit(
            turn,
            work,
            tested_units(turn, record),
            lane=record.lane,
            recipe=(name, revision) if recipe is None else (recipe, said_text(record, "revision")),
            method=said_text(record, "method"),
            operator=said_text(record, "operator"),
        )


def _emit(
    turn: Turn,
    work: Work,
    units: list[dict[str, object]],
    *,
    lane: int | None,
    recipe: tuple[str | None, str | None],
    method: str | None = None,
    operator: str | None = None,
) -> None:
    turn.emit(
        UNITS_TESTED,
        {
            "TransactionId": work.transaction,
            "TestMethod": method or turn.text("test.method", lane=lane) or "Automated",
            "Tester": person(operator or turn.operator),
            "RecipeName": recipe[0],
            "RecipeRevision": recipe[1],
            "TestedUnits": units,
        },
    )


def _completed(turn: Turn, work: Work) -> None:
    """From signals alone: the result of the panel, or of each board on it. Nothing is sent when there is none, since
    readers take a result that is left out for `Passed`."""
    if turn.setup.tells("test"):
        return
    whole = turn.text("test.result", lane=turn.lane)
    each = [value for value in turn.array("board.result", lane=turn.lane)[: work.count] if value]
    if len(each) == work.count > 1:
        units = [_bare(None, position, result) for position, result in enumerate(each, 1)]
    elif whole is not None:
        units = [_bare(work.unit, None, whole)]
    else:
        return
    _emit(turn, work, units, lane=turn.lane, recipe=turn.recipe(turn.lane))


def _bare(unit: str | None, position: int | None, result: object) -> dict[str, object]:
    fields = {"UnitIdentifier": unit, "UnitPositionNumber": position, "OverallResult": result, "Tests": []}
    return structure("TestedUnit", fields)


CLASS = MachineClass(
    name="electrical_test",
    title="Electrical test: flying probe, in-circuit, functional, cable",
    vocabulary=common.vocabulary("electrical_test", SIGNALS, RECORDS),
    messages=(*common.WORKING, UNITS_TESTED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Test: result of each unit",
            messages=(UNITS_TESTED,),
            needs=("test", "test.result + units.out", "board.result + units.out"),
        ),
        Requirement(
            capability="Test: measurements, symptoms and defects",
            messages=(UNITS_TESTED,),
            needs=("test + measurement", "test + symptom", "test + defect"),
            note="registers tell the result only",
        ),
    ),
    completed=_completed,
    records={"test": _tested},
)
