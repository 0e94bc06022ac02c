"""What an inspection has found, as an event tells it, and what a subscriber is to get of that.

The event may tell of the whole panel only, of its boards, of its defects, or of both, as far as its profile has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from simulators.model.facts import BoardResult, Defect, Inspected

Fields = Mapping[str, Any]
_UNIT, _DEFECT = "inspection.unit", "defect"


class Says(NamedTuple):
    """What the event has fields for: of the whole, and of the records nested in it by their names."""

    whole: frozenset[str]
    nested: Mapping[str, frozenset[str]]


class _Board(NamedTuple):
    """As it is told. position: where that is."""

    position: int | None
    unit: str | None
    result: str | None
    defects: tuple[Defect, ...]


def passed(is_so: bool) -> str:
    return "Passed" if is_so else "Failed"


def result(fact: Inspected) -> str:
    """Of the panel: boards that were not looked at do not count."""
    return passed(all(board.passed or board.skipped for board in fact.boards))


def result_of(board: BoardResult) -> str:
    return "Skipped" if board.skipped else passed(board.passed)


def parts(says: Says, fact: Inspected) -> Iterator[tuple[str, Fields]]:
    """Records nested in the inspection."""
    for board in fact.boards:
        yield _UNIT, {"unit": board.board or None, "position": board.position, "result": result_of(board)}
        for defect in () if board.skipped else board.defects:
            yield _DEFECT, {"position": board.position, **_named(says, defect)}


def _named(says: Says, defect: Defect) -> Fields:
    name, _, pin = defect.component.partition(".")
    split = "pin" in says.nested.get(_DEFECT, ())
    component = {"component": name, "pin": pin or None} if split else {"component": defect.component}
    return {"id": defect.id, "code": defect.code, "text": defect.code, **component}


class Told(NamedTuple):
    """units: identifiers in its body. values: by dotted path."""

    units: tuple[str, ...]
    values: dict[str, Any]


def told(says: Says, fact: Inspected, whole: Fields, unit: str | None, count: int) -> Told:
    """What UnitsInspected says of it. whole: the fields of the event. unit: who the panel is for whoever hears of it.
    count: boards on it, as was known when it came."""
    boards = list(_boards(says, fact, unit, count))
    single = count <= 1 and (_UNIT not in says.nested or len(boards) <= 1)
    values: dict[str, Any] = {"RecipeName": whole["recipe"]} if "recipe" in says.whole and whole["recipe"] else {}
    overall = {"OverallResult": whole["result"]} if "result" in says.whole else {}
    if "count" in says.whole:
        overall["TotalInspectionCount"] = whole["count"]
    if not single:
        values |= {f"InspectedPanel.{key}": value for key, value in {"UnitIdentifier": unit, **overall}.items()}
    elif _UNIT not in says.nested:
        values |= {f"InspectedUnits.0.{key}": value for key, value in overall.items()}
    for index, board in enumerate(boards):
        values |= {f"InspectedUnits.{index}.{key}": value for key, value in _values(says, board).items()}
    units = [board.unit for board in boards] + ([] if single else [unit])
    return Told(tuple(dict.fromkeys(each for each in units if each is not None)), values)


def _boards(says: Says, fact: Inspected, unit: str | None, count: int) -> Iterator[_Board]:
    fields, tells_defects = says.nested.get(_UNIT), _DEFECT in says.nested
    if fields is not None:
        for board in fact.boards:
            own = board.board if "unit" in fields else ""
            named = own or (unit if count <= 1 and len(fact.boards) <= 1 else None)
            found = board.defects if tells_defects and not board.skipped else ()
            yield _Board(board.position, named, result_of(board) if "result" in fields else None, found)
        return
    if count <= 1:
        defects = tuple(each for board in fact.boards for each in board.defects) if tells_defects else ()
        yield _Board(1, unit, None, defects)
        return
    by_position = {board.position: board.defects if tells_defects else () for board in fact.boards}
    all_passed = "result" in says.whole and result(fact) == "Passed"
    for position in range(1, count + 1):
        defects = by_position.get(position, ())
        if defects or all_passed:
            yield _Board(position, None, passed(not defects), defects)


def _values(says: Says, board: _Board) -> dict[str, Any]:
    found: dict[str, Any] = {"UnitPositionNumber": board.position}
    if board.result is not None:
        found["OverallResult"] = board.result
    if board.unit is not None:
        found["UnitIdentifier"] = board.unit
    fields = says.nested.get(_DEFECT, frozenset())
    for index, defect in enumerate(board.defects):
        where = f"Inspections.0.DefectsFound.{index}"
        if "code" in fields:
            found[f"{where}.DefectCode"] = defect.code
        if "component" in fields:
            found[f"{where}.ComponentOfInterest.ReferenceDesignator"] = defect.component
    return found
