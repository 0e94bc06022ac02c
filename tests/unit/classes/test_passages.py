"""Records that stood in files: ids that do not depend on when they were read, and revisions of rewritten files."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.classes import passages
from gateway.core.observation import Passage, Record
from tests.unit.classes.machines import Machine, Made, names, one, record


def inspected(
    unit: str | None,
    result: str = "Failed",
    *,
    version: str = "1",
    at: str = "inspection 1",
    file: str = "a.xml",
    **more: Any,
) -> Record:
    """more: of the passage."""
    passage = Passage(file=file, version=version, at=at, revised=version != "1", **more)
    fields = {"result": result, "started": "2026-11-20T11:59:00Z"} | ({} if unit is None else {"unit": unit})
    return record("inspection", fields, passage=passage)


def aoi() -> Machine:
    return Machine("aoi", told=["inspection"])


def ids(made: list[Made]) -> list[tuple[str, str, str | None]]:
    return [(each.name, each.id, each.transaction) for each in made]


def test_the_same_file_gives_the_same_ids_whenever_it_is_read() -> None:
    first = aoi().say(inspected("A1"))
    late = aoi()
    late.say(inspected("B1", file="b.xml"), wait=86_400)
    assert ids(late.say(inspected("A1"), wait=50)) == ids(first)
    assert names(first) == ["WorkStarted", "UnitsInspected", "WorkCompleted"]


@pytest.mark.parametrize("other", [{"version": "2"}, {"at": "inspection 2"}, {"file": "b.xml"}])
def test_another_place_gives_other_ids(other: dict[str, str]) -> None:
    first, second = aoi().say(inspected("A1")), aoi().say(inspected("A1", **other))
    assert {each.id for each in first}.isdisjoint(each.id for each in second)
    assert one(first, "UnitsInspected").transaction != one(second, "UnitsInspected").transaction


def test_a_rewritten_file_revises_each_time_what_it_said_before() -> None:
    """In one attempt: its work has begun and ended already."""
    machine = aoi()
    first = one(machine.say(inspected("A1")), "UnitsInspected")
    machine.restart()
    (second,) = machine.say(inspected("A1", "Passed", version="2"))
    (third,) = machine.say(inspected("A1", version="3"))
    assert (first.revises, second.revises, third.revises) == (None, first.id, second.id)
    assert first.transaction == second.transaction == third.transaction


@pytest.mark.parametrize(
    ("before", "after", "grows", "revises"),
    [
        ("A1", "A1", False, True),
        (None, "A1", False, True),  # the label could not be read at first
        ("A1", None, False, True),
        ("A1", "A2", False, False),
        ("A1", "A1", True, True),
        (None, None, True, False),  # perhaps another log
        (None, "A1", True, False),
    ],
)
def test_what_is_revised_is_of_the_same_unit(before: str | None, after: str | None, grows: bool, revises: bool) -> None:
    machine = aoi()
    first = one(machine.say(inspected(before, grows=grows)), "UnitsInspected")
    second = one(machine.say(inspected(after, version="2", grows=grows)), "UnitsInspected")
    assert second.revises == (first.id if revises else None)
    assert (second.transaction == first.transaction) is revises


def test_boards_tell_a_panel_from_another() -> None:
    def panel(version: str, *boards: str) -> Record:
        said = inspected(None, version=version)
        children = tuple(record("inspection.unit", {"unit": board, "result": "Passed"}) for board in boards)
        return Record(station=said.station, name=said.name, fields=said.fields, children=children, passage=said.passage)

    machine = aoi()
    first = one(machine.say(panel("1", "A1", "A2")), "UnitsInspected")
    second = one(machine.say(panel("2", "A2", "A3")), "UnitsInspected")
    third = one(machine.say(panel("3", "B1", "B2")), "UnitsInspected")
    assert (second.revises, third.revises) == (first.id, None)


def test_what_is_no_longer_known_is_not_revised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so many records it is remembered what came of them."""
    monkeypatch.setattr(passages, "_MOST_READ", 3)
    machine = aoi()
    first = [one(machine.say(inspected(f"A{n}", file=f"{n}.xml")), "UnitsInspected") for n in range(5)]
    assert len(machine.state.read) == 3
    again = [one(machine.say(inspected(f"A{n}", file=f"{n}.xml", version="2")), "UnitsInspected") for n in (4, 0)]
    assert [each.revises for each in again] == [first[4].id, None]
    assert names(machine.made[-3:]) == ["WorkStarted", "UnitsInspected", "WorkCompleted"]


def test_records_from_elsewhere_leave_nothing_behind() -> None:
    machine = aoi()
    machine.say(record("inspection", {"unit": "A1", "result": "Passed"}))
    assert machine.state.read == {}


def test_other_messages_are_revised_too() -> None:
    machine = aoi()

    def activated(name: str, version: str) -> Record:
        passage = Passage(file="a.xml", version=version, at="recipe.activated 1", revised=version != "1")
        return record("recipe.activated", {"name": name}, passage=passage)

    (first,) = machine.say(activated("R1", "1"))
    (second,) = machine.say(activated("R2", "2"))
    assert (first.revises, second.revises) == (None, first.id)
