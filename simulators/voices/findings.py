"""What testers and inspection machines have to say about a panel, from the facts: records with everything nested in them.

Boards, parts of boards, measurements and defects are put where the profile has them: where it has no board in a panel,
they lie directly in the whole, with the position of their board.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from simulators.model.facts import BoardResult, Defect, Inspected, Measure, Tested
from simulators.voices.items import Item, Moment, Quantity, Word
from simulators.voices.known import Known
from simulators.voices.layout import Layout

_STEPS = {"R": "RESISTORS", "C": "CAPACITORS", "L": "INDUCTORS", "D": "DIODES"}
_OTHERS, _NETS = "OTHERS", "NETS"
_SHORTS = ("BRIDG", "SHORT")
"""In names of defects that join two nets; all others, as a tester sees them, part one."""
_PERCENT = ("volume", "height", "area", "length", "width")
"""Of paste: in percent of the expected, or as a quantity."""


def inspection(layout: Layout, inspected: Inspected, known: Known) -> Item:
    """What SPI, AOI or X-ray say, all of it."""
    whole = _whole(inspected.panel, inspected.job, inspected.at, inspected.boards, known)
    boards = [(board, tuple(_looked_at(layout, board))) for board in inspected.boards]
    return Item("inspection", {**whole, "count": inspected.count}, _placed(layout, "inspection", boards))


def test(layout: Layout, tested: Tested, known: Known) -> Item:
    """What a tester says, all of it."""
    whole = _whole(tested.panel, tested.job, tested.at, tested.boards, known)
    boards = [(board, tuple(_tested(layout, board))) for board in tested.boards]
    return Item("test", whole, _placed(layout, "test", boards))


def _whole(panel: str, job: str, at: float, boards: Sequence[BoardResult], known: Known) -> dict[str, Word]:
    recipe, revision = known.program(panel)
    began = known.began(job)
    return {
        "unit": known.read(panel),
        "units": len(boards),
        "recipe": recipe,
        "revision": revision,
        "operator": known.operator,
        "started": Moment(at if began is None else began),
        "ended": Moment(at),
        "result": _result(all(board.passed or board.skipped for board in boards)),
    }


def _result(passed: bool) -> str:
    return "Passed" if passed else "Failed"


def _placed(layout: Layout, around: str, boards: Iterable[tuple[BoardResult, tuple[Item, ...]]]) -> tuple[Item, ...]:
    unit = f"{around}.unit"
    if layout.has(unit, around):
        return tuple(
            Item(
                unit,
                {
                    "unit": board.board or None,
                    "position": board.position,
                    "result": "Skipped" if board.skipped else _result(board.passed),
                },
                () if board.skipped else parts,
            )
            for board, parts in boards
        )
    return tuple(
        part._replace(fields={**part.fields, "position": board.position})
        for board, parts in boards
        if not board.skipped
        for part in parts
    )


def _looked_at(layout: Layout, board: BoardResult) -> Iterator[Item]:
    """By component where the profile has those, else one after the other."""
    paste = any(table.name == "paste" for table in layout.profile.record)
    items = any(table.name == "inspection.item" for table in layout.profile.record)
    components = dict.fromkeys(
        [*(each.component for each in board.measures), *(each.component for each in board.defects)]
    )
    names = dict.fromkeys(_pin(each)[0] for each in components) if items else {}
    for name in names:
        measures = [each for each in board.measures if _pin(each.component)[0] == name]
        defects = [each for each in board.defects if _pin(each.component)[0] == name]
        fields: dict[str, Word] = {
            "name": name,
            "result": _result(not defects and all(each.passed for each in measures)),
        }
        yield Item("inspection.item", fields, (*map(_measurement, measures), *map(_defect, defects)))
    if items:
        return
    if paste:
        for component in components:
            measures = [each for each in board.measures if each.component == component]
            if measures:
                yield _paste(component, measures)
    else:
        yield from map(_measurement, board.measures)
    yield from map(_defect, board.defects)


def _pin(component: str) -> tuple[str, str | None]:
    """Of `R2.3`: R2 and 3."""
    name, _, pin = component.partition(".")
    return name, pin or None


def _measurement(measure: Measure) -> Item:
    name, pin = _pin(measure.component)
    return Item(
        "measurement",
        {
            "name": measure.name,
            "component": name,
            "pin": pin,
            "value": measure.value,
            "value.unit": measure.unit,
            "expected": measure.expected,
            "low": measure.low,
            "high": measure.high,
            "result": _result(measure.passed),
        },
    )


def _paste(component: str, measures: Sequence[Measure]) -> Item:
    name, pin = _pin(component)
    fields: dict[str, Word] = {
        "component": name,
        "pin": pin,
        "result": _result(all(each.passed for each in measures)),
    }
    for each in measures:
        word = each.name.lower()
        word = f"{word}.percent" if word in _PERCENT and each.unit == "%" else word
        fields[word] = Quantity(each.value, each.unit)
    return Item("paste", fields)


def _defect(defect: Defect) -> Item:
    name, pin = _pin(defect.component)
    return Item("defect", {"code": defect.code, "text": defect.code, "component": name, "pin": pin})


def _tested(layout: Layout, board: BoardResult) -> Iterator[Item]:
    """In steps by the kind of component, as testers are programmed; all at once where the profile has no steps."""
    stepped = any(table.name == "test.step" for table in layout.profile.record)
    symptoms = any(table.name == "symptom" for table in layout.profile.record)
    found = [_symptom(each) if symptoms else _defect(each) for each in board.defects]
    if not stepped:
        yield from (_tested_value(each) for each in board.measures)
        yield from found
        return
    steps: dict[str, list[Measure]] = {}
    for measure in board.measures:
        steps.setdefault(_STEPS.get(measure.component[:1], _OTHERS), []).append(measure)
    for number, (name, measures) in enumerate(steps.items(), 1):
        yield _step(number, name, all(each.passed for each in measures), tuple(map(_tested_value, measures)))
    if found or not steps:
        yield _step(len(steps) + 1, _NETS, not found, tuple(found))


def _step(number: int, name: str, passed: bool, parts: tuple[Item, ...]) -> Item:
    return Item("test.step", {"id": str(number * 100), "name": name, "result": _result(passed)}, parts)


def _tested_value(measure: Measure) -> Item:
    """A tester names what it measures by the component."""
    made = _measurement(measure)
    return made._replace(fields={**made.fields, "component": measure.component, "name": measure.component})


def _symptom(defect: Defect) -> Item:
    """Which net it is stands in no fact: it is named after the component."""
    code = "SHORT" if any(word in defect.code.upper() for word in _SHORTS) else "OPEN"
    name, _ = _pin(defect.component)
    return Item("symptom", {"code": code, "text": f"NET-{name}", "component": defect.component})
