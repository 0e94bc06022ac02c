"""Records nested in what an OPC UA server tells with one event: arrays, place by place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.observation import Record, Unreadable
from gateway.profile.bound_nodes import Happening
from tests.unit.profile.test_nodes import DOUBLE, HEAD, INT32, STRING, nodes
from tests.unit.profile.words import problems

TEST = """
[[record]]
name = "test"
event = "ns=2;i=7"
fields.unit = { field = "2:Board" }
example = { values = { "2:Board" = "0815" }, fields = { unit = "0815" } }

[[record]]
name = "measurement"
parent = "test"
fields.name = { field = "2:Names" }
fields.value = { field = "2:Values", unit = "kOhm", missing = [-1.0] }
example = { values = { "2:Names" = "R1", "2:Values" = 4.7 }, fields = { name = "R1", value = 4.7 } }
"""
COUNTED = TEST.replace('parent = "test"', 'parent = "test"\ncount_field = "2:Count"')
TIME = (13, "2026-11-20T12:44:33Z")


def told(folder: Path, text: str, *parts: tuple[int, Any]) -> tuple[list[tuple[Any, Any]], list[str]]:
    """Name and value of each measurement, and what is wrong."""
    codec = nodes(folder, text)
    (event,) = codec.subscriptions[0].events
    assert event.fields[:4] == ("Time", "2:Board", "2:Names", "2:Values")
    found = codec.decode("L1.x", (), [Happening(event.key, 25, (TIME, (STRING, "0815"), *parts))])
    (record,) = (each for each in found if isinstance(each, Record))
    assert (record.name, record.time, dict(record.fields)) == ("test", 25, {"unit": "0815"})
    assert {each.name for each in record.children} <= {"measurement"}
    wrong = [each.detail for each in found if isinstance(each, Unreadable) and each.reason == "bad-event"]
    return [(each.fields["name"], each.fields["value"]) for each in record.children], wrong


@pytest.mark.parametrize(
    ("names", "values", "found"),
    [
        (["R1", "R2"], [4.7, 10.0], [("R1", 4700.0), ("R2", 10_000.0)]),
        ([], [], []),
        (None, None, []),
        ("R1", [4.7, 4.8], [("R1", 4700.0), ("R1", 4800.0)]),  # no array: the same of all
        ("R1", None, []),
        ("R1", [], []),
        (["R1", "", ""], [4.7, -1.0, -1.0], [("R1", 4700.0)]),  # arrays as long as they can be
    ],
)
def test_places(tmp_path: Path, names: Any, values: Any, found: list[tuple[str, float]]) -> None:
    assert told(tmp_path, TEST, (STRING, names), (DOUBLE, values)) == (found, [])


def test_what_is_incomplete_is_told_and_the_rest_counts(tmp_path: Path) -> None:
    parts = (STRING, ["R1", "R2", "", "R4"]), (DOUBLE, [4.7, "NaN", 1.0])
    found, wrong = told(tmp_path, TEST, *parts)
    assert found == [("R1", 4700.0)]
    assert wrong == ["measurement 2 lacks value; measurement 3 lacks name; measurement 4 lacks value"]


@pytest.mark.parametrize(("count", "names"), [(2, ["R1", "R2"]), (9, ["R1", "R2", "old"]), (0, []), (None, [])])
def test_a_count(tmp_path: Path, count: int | None, names: list[str]) -> None:
    parts = (STRING, ["R1", "R2", "old"]), (DOUBLE, [1.0, 2.0, 3.0]), (INT32, count)
    found, wrong = told(tmp_path, COUNTED, *parts)
    assert ([name for name, _ in found], wrong) == (names, [])


def test_two_kinds_in_one_event(tmp_path: Path) -> None:
    text = TEST + (
        '[[record]]\nname = "step"\nparent = "test"\nfields.name = { field = "2:Steps" }\nconstants = { good = true }\n'
        'example = { values = { "2:Steps" = "warm" }, fields = { name = "warm" } }\n'
    )
    codec = nodes(tmp_path, text)
    (event,) = codec.subscriptions[0].events
    parts = (TIME, (STRING, "0815"), (STRING, ["R1"]), (DOUBLE, [1.0]), (STRING, ["warm", "hot"]))
    (record,) = codec.decode("L1.x", (), [Happening(event.key, 25, parts)])
    assert isinstance(record, Record)
    assert [(each.name, each.fields["name"]) for each in record.children] == [
        ("measurement", "R1"),
        ("step", "warm"),
        ("step", "hot"),
    ]
    assert record.children[1].fields["good"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEST.replace('parent = "test"', 'parent = "tets" #<'), "did you mean 'test'"),
        (TEST.replace('parent = "test"', 'parent = "test"\nevent = "i=1" #<'), "stands beside parent"),
        (TEST.replace('event = "ns=2;i=7"\n', "").replace("[[record]]", "[[record]] #<", 1).partition("\n\n")[0], "event: is missing"),
        (TEST.replace('event = "ns=2;i=7"', 'event = "ns=2;i=7"\ncount_field = "2:C" #<'), "goes with parent"),
        (TEST.replace('name = "measurement"\nparent = "test"', 'name = "unit.departed"\nparent = "test" #<').partition("fields.name")[0]
         + 'example = { values = {} }', "a test has no unit.departed in it"),
        (TEST.replace('unit = "kOhm", missing = [-1.0] }', 'unit = "Cel" } #<'), "cannot be converted"),
        (TEST.replace('"R1", "2:Values" = 4.7 }', '"R1", "2:Values" = 4.8 }').removesuffix("\n") + " #<\n", "value is 4800.0"),
    ],
)  # fmt: skip
def test_problems(tmp_path: Path, text: str, message: str) -> None:
    (found,) = problems(tmp_path, HEAD + text)
    assert message in found
