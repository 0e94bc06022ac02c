"""Barcode reader: what it read, and what it could not."""

from __future__ import annotations

from gateway.core.sample import Value
from tests.unit.classes.machines import Machine, counter, names, one, record


def units(body: dict[str, object]) -> list[tuple[str | None, int]]:
    found = body["Units"]
    assert isinstance(found, list)
    return [(unit["UnitIdentifier"], unit["PositionNumber"]) for unit in found]


def told() -> Machine:
    return Machine("barcode_reader", told=["read"])


def test_a_line_with_a_code() -> None:
    made = told().say(record("read", {"unit": "A"}, time=5_000_000))
    assert names(made) == ["IdentifiersRead"]
    assert made[0].body["PrimaryIdentifier"] == "A"
    assert units(made[0].body) == [("A", 1)]
    assert made[0].time == 5_000_000


def test_a_line_that_says_that_nothing_could_be_read() -> None:
    for fields in ({"unit": "NOREAD"}, {}, {"unit": ""}):
        made = told().say(record("read", fields))
        assert names(made) == ["IdentifiersNotRead"]
        assert made[0].body["PositionsNotRead"] == []


def test_several_codes_together() -> None:
    codes = (
        record("read.position", {"unit": "A"}),
        record("read.position", {"unit": "NOREAD"}),
        record("read.position", {"unit": "C", "position": 8}),
        record("read.position", {"position": 9}),
    )
    made = told().say(record("read", {}, *codes))
    assert names(made) == ["IdentifiersRead", "IdentifiersNotRead"]
    assert made[0].body["PrimaryIdentifier"] is None
    assert units(made[0].body) == [("A", 1), ("C", 8)]
    assert made[1].body["PositionsNotRead"] == [2, 9]


def test_a_carrier_whose_places_could_not_be_read() -> None:
    made = told().say(record("read", {"unit": "CARRIER"}, record("read.position")))
    assert units(one(made, "IdentifiersRead").body) == [("CARRIER", 1)]
    assert one(made, "IdentifiersNotRead").body["PositionsNotRead"] == [1]


def seen(*values: Value) -> list[list[str]]:
    """Codes of each look at a register."""
    machine = Machine("barcode_reader", "read.id")
    return [
        [each.body.get("PrimaryIdentifier", "not read") for each in machine.see({"read.id": value})] for value in values
    ]


def test_a_register_tells_when_it_changes() -> None:
    assert seen("OLD", "A", "A", "B") == [[], ["A"], [], ["B"]]


def test_a_register_that_is_emptied_tells_the_same_code_again() -> None:
    assert seen("", "A", "", "A") == [[], ["A"], [], ["A"]]


def test_a_register_that_cannot_be_read_is_not_emptied() -> None:
    assert seen("", "A", None, "A") == [[], ["A"], [], []]


def test_a_failed_reading_in_a_register() -> None:
    assert seen("", "NOREAD", "A") == [[], ["not read"], ["A"]]


def test_after_lineside_was_away_only_a_difference_counts() -> None:
    machine = Machine("barcode_reader", "read.id")
    machine.see({"read.id": ""})
    machine.see({"read.id": "A"})
    machine.restart()
    assert machine.see({"read.id": "A"}) == []
    machine.lose()
    assert names(machine.see({"read.id": "B"})) == ["IdentifiersRead"]


def test_a_count_tells_also_the_same_code_again() -> None:
    machine = Machine("barcode_reader", "read.id", counter("read.count", modulus=256))
    machine.see({"read.id": "A", "read.count": 254})
    assert names(machine.see({"read.count": 255})) == ["IdentifiersRead"]
    assert names(machine.see({"read.id": "B"})) == [], "the count comes with the next look"
    made = machine.see({"read.count": 1})
    assert [each.body["PrimaryIdentifier"] for each in made] == ["B"], "of two, only the last is known"
    assert names(machine.see({"read.id": "NOREAD", "read.count": 2})) == ["IdentifiersNotRead"]


def test_lanes_have_readers_of_their_own() -> None:
    machine = Machine("barcode_reader", "read.id@1", "read.id@2", "read.count@2")
    machine.see({"read.id@1": "", "read.id@2": "", "read.count@2": 1})
    assert names(machine.see({"read.id@1": "A", "read.id@2": "B"})) == ["IdentifiersRead"]
    assert [each.body["PrimaryIdentifier"] for each in machine.see({"read.count@2": 2})] == ["B"]
