"""What the gateway is to make of a report about a panel that nobody saw coming in: the report is the work.

WorkStarted of when it began, if it says so; what was found; WorkCompleted (docs/classes of electrical test and of
inspection). Computed from what the machine has written of the facts, not by reading it again.
"""

from __future__ import annotations

from typing import Any

from simulators.voices.items import Item, Moment
from simulators.voices.voice import Told

_PRODUCTION = "CFX.Production"
STARTED = f"{_PRODUCTION}.WorkStarted"
COMPLETED = f"{_PRODUCTION}.WorkCompleted"
INSPECTED = f"{_PRODUCTION}.TestAndInspection.UnitsInspected"
TESTED = f"{_PRODUCTION}.TestAndInspection.UnitsTested"
FOUND = (INSPECTED, TESTED)
"""What is told again, as a revision, when a file is rewritten: the work is the one that it was."""

Values = dict[str, Any]


def told(station: str, said: Item, at: float) -> tuple[Told, ...]:
    """said: an `inspection` or a `test`, as far as it is written. at: virtual second at which it is."""
    boards = said.all(f"{said.name}.unit")
    count = _count(said.fields.get("units")) or len(boards) or 1
    unit = said.fields.get("unit")
    panel = (unit,) if isinstance(unit, str) else ()
    started, ended = said.fields.get("started"), said.fields.get("ended")
    over = ended.at if isinstance(ended, Moment) else None
    found: list[Told] = []
    if isinstance(started, Moment):
        found.append(_told(station, STARTED, started.at, at, panel, count=count, values={}))
    if said.name == "test":
        units, values = _tested(said, boards, panel)
        found.append(_told(station, TESTED, over, at, units, values=values))
    else:
        units, values = _inspected(said, boards, panel, single=count <= 1 and len(boards) <= 1)
        found.append(_told(station, INSPECTED, over, at, units, values=values))
    result = "Failed" if said.fields.get("result") == "Failed" else "Completed"
    found.append(_told(station, COMPLETED, over, at, panel, count=count, values={"Result": result}))
    return tuple(found)


def _told(
    station: str,
    message: str,
    at: float | None,
    seen: float,
    units: tuple[str, ...],
    *,
    values: Values,
    count: int | None = None,
) -> Told:
    """Boards that go by their panel's identifier are named once, as events do."""
    once = tuple(dict.fromkeys(units))
    return Told(station=station, message=message, at=at, seen=seen, units=once, count=count, values=values)


def _count(word: object) -> int | None:
    return int(word) if isinstance(word, int | float) else None


def _ids(boards: tuple[Item, ...]) -> tuple[str, ...]:
    return tuple(unit for board in boards if isinstance(unit := board.fields.get("unit"), str))


def _tested(said: Item, boards: tuple[Item, ...], panel: tuple[str, ...]) -> tuple[tuple[str, ...], Values]:
    values = _recipe(said)
    if not boards:
        values |= _unit("TestedUnits.0", said) | _tests("TestedUnits.0", said)
        return panel, values
    for index, board in enumerate(boards):
        values |= _unit(f"TestedUnits.{index}", board) | _tests(f"TestedUnits.{index}", board)
    return _ids(boards), values


def _tests(at: str, board: Item) -> Values:
    """That every measurement is there is shown by the last of each step."""
    values: Values = {}
    for index, step in enumerate(board.all("test.step")):
        where = f"{at}.Tests.{index}"
        values[f"{where}.Result"] = step.fields["result"]
        measurements = step.all("measurement")
        if measurements:
            last = measurements[-1].fields
            values[f"{where}.Measurements.{len(measurements) - 1}.MeasurementName"] = last["name"]
            values[f"{where}.Measurements.{len(measurements) - 1}.Result"] = last["result"]
        for kind, place, code in (
            ("symptom", "SymptomsFound", "SymptomCode"),
            ("defect", "DefectsFound", "DefectCode"),
        ):
            for number, each in enumerate(step.all(kind)):
                values[f"{where}.{place}.{number}.{code}"] = each.fields["code"]
    return values


def _inspected(
    said: Item, boards: tuple[Item, ...], panel: tuple[str, ...], *, single: bool
) -> tuple[tuple[str, ...], Values]:
    """The panel as a whole stands behind its boards. One board of which nothing says who it is, goes by the panel's."""
    values = _recipe(said)
    if single:
        board = boards[0] if boards else said
        return (_ids(boards) or panel), values | _unit("InspectedUnits.0", board) | _defects("InspectedUnits.0", board)
    values |= _unit("InspectedPanel", said)
    if not boards:
        return panel, values | _loose(said)
    for index, board in enumerate(boards):
        values |= _unit(f"InspectedUnits.{index}", board) | _defects(f"InspectedUnits.{index}", board)
    return (*_ids(boards), *panel), values


def _loose(said: Item) -> Values:
    """Parts that name the position of their board: of a panel that passed, all boards are told, else those of parts."""
    passed = said.fields.get("result") == "Passed"
    placed: dict[int, list[Item]] = {}
    for part in said.children:
        placed.setdefault(int(str(part.fields["position"])), []).append(part)
    values: Values = {}
    positions = range(1, (_count(said.fields.get("units")) or 1) + 1) if passed else ()
    for index, position in enumerate(sorted({*placed, *positions})):
        values[f"InspectedUnits.{index}.UnitPositionNumber"] = position
        board = Item("inspection.unit", {}, tuple(placed.get(position, ())))
        values |= _defects(f"InspectedUnits.{index}", board)
    return values


def _unit(at: str, board: Item) -> Values:
    return {f"{at}.{name}": board.fields[word] for name, word in _UNIT.items() if word in board.fields}


_UNIT = {"OverallResult": "result", "UnitPositionNumber": "position", "TotalInspectionCount": "count"}


def _defects(at: str, board: Item) -> Values:
    """In the order of the items of the board; what stands in none comes last, together."""
    values: Values = {}
    items = board.all("inspection.item")
    loose = Item("inspection.item", {}, tuple(each for each in board.children if each.name != "inspection.item"))
    for index, item in enumerate((*items, loose) if loose.children else items):
        where = f"{at}.Inspections.{index}"
        if "name" in item.fields:
            values[f"{where}.InspectionName"] = item.fields["name"]
        if "result" in item.fields:
            values[f"{where}.Result"] = item.fields["result"]
        for number, defect in enumerate(item.all("defect")):
            values[f"{where}.DefectsFound.{number}.DefectCode"] = defect.fields["code"]
        measured = [each for each in item.children if each.name in ("measurement", "paste")]
        if measured and _plain(measured[-1]) and "result" in measured[-1].fields:
            before = sum(map(_entries, measured[:-1]))
            values[f"{where}.Measurements.{before}.Result"] = measured[-1].fields["result"]
    return values


def _percentages(measured: Item) -> int:
    return sum(name.endswith(".percent") for name in measured.fields)


def _plain(measured: Item) -> bool:
    """It has an entry of its own, with its result; paste of which only percentages are known has not."""
    return not _percentages(measured) or any(name in measured.fields for name in _QUANTITIES)


def _entries(measured: Item) -> int:
    """Of paste, every percentage is a measurement of its own: CFX has no room for them beside quantities."""
    return _percentages(measured) + _plain(measured)


_QUANTITIES = ("volume", "height", "area", "length", "width", "offset.x", "offset.y")


def _recipe(said: Item) -> Values:
    recipe = said.fields.get("recipe")
    return {} if recipe is None else {"RecipeName": recipe}
