"""Values and events of an OPC UA server, decoded by a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.observation import Readings, Record, Unreadable
from gateway.core.sample import Quality, Value
from gateway.profile.bound_nodes import Change, Happening, Nodes
from tests.unit.profile.words import TOP, bound

HEAD = TOP + 'protocol = "opcua"\n[subscribe.fast]\npublish = "100ms"\n'
BAD, UNCERTAIN = 0x80350000, 0x40900000
BOOLEAN, INT32, FLOAT, DOUBLE, STRING = 1, 6, 10, 11, 12


def nodes(folder: Path, text: str) -> Nodes:
    found = bound(folder, HEAD + text).nodes
    assert found is not None
    return found


def looks(folder: Path, text: str, *changes: Change) -> list[Readings]:
    found = nodes(folder, text).decode("L1.x", changes, ())
    assert all(isinstance(each, Readings) for each in found)
    return [each for each in found if isinstance(each, Readings)]


def decoded(folder: Path, text: str, raw: Any, type_: int = DOUBLE, status: int = 0) -> tuple[Value, Quality]:
    """Of the only signal."""
    (look,) = looks(folder, text, Change("i=1", raw, type_, status, 5))
    assert look.qualities is not None
    return look.values[0], look.qualities[0]


NUMBER = '[signal.pressure]\nnode = "i=1"\nunit = "bar"\nscale = 0.1\nmissing = [-99.9]\nexample = 2.0\n'
STATE = '[signal.state]\nnode = "i=1"\nmap = { 0 = "SBY", 1 = "PRD", Fault = "USD" }\nexample = "PRD"\n'
FLAG = '[signal.door]\nnode = "i=1"\ninverted = true\nexample = true\n'
TEXT = '[signal."recipe.name"]\nnode = "i=1"\nempty = [""]\nexample = "P1"\n'
PLAIN = '[signal."recipe.name"]\nnode = "i=1"\nexample = "P1"\n'
COUNT = '[signal."units.out"]\nnode = "i=1"\nmodulus = 65536\nexample = 7\n'
CHOICE = '[signal.result]\nnode = "i=1"\nmap = { true = "Passed", false = "Failed" }\nexample = "Passed"\n'


@pytest.mark.parametrize(
    ("text", "raw", "type_", "value"),
    [
        (NUMBER, 15.0, DOUBLE, 150.0),
        (NUMBER, 15, INT32, 150),
        (NUMBER, -99.9, DOUBLE, None),
        (NUMBER, -99.9000015258789, FLOAT, None),
        (NUMBER, "NaN", DOUBLE, None),
        (NUMBER, "-Infinity", FLOAT, None),
        (NUMBER, "15", STRING, None),
        (NUMBER, True, BOOLEAN, None),
        (NUMBER, None, 0, None),
        (NUMBER, [1.0, 2.0], DOUBLE, None),
        (STATE, 1, INT32, "PRD"),
        (STATE, 1.0, DOUBLE, "PRD"),
        (STATE, "1", STRING, "PRD"),
        (STATE, "Fault", STRING, "USD"),
        (STATE, 7, INT32, None),
        (STATE, "Unheard", STRING, None),
        (FLAG, False, BOOLEAN, True),
        (FLAG, 1, INT32, False),
        (FLAG, 2, INT32, None),
        (FLAG, "true", STRING, None),
        (TEXT, " P1\0\0", STRING, "P1"),
        (TEXT, "", STRING, ""),
        (TEXT, "\x01", STRING, None),
        (TEXT, 12, INT32, "12"),
        (TEXT, "NaN", STRING, "NaN"),
        (TEXT, "NaN", DOUBLE, None),
        (PLAIN, "  ", STRING, None),
        (COUNT, 9, INT32, 9),
        (COUNT, 9.0, DOUBLE, 9),
        (COUNT, 9.5, DOUBLE, None),
        (CHOICE, True, BOOLEAN, "Passed"),
        (CHOICE, False, BOOLEAN, "Failed"),
        (CHOICE, 1, INT32, None),
    ],
)
def test_values_by_their_types(tmp_path: Path, text: str, raw: Any, type_: int, value: Value) -> None:
    got, quality = decoded(tmp_path, text, raw, type_)
    assert (got, type(got)) == (value, type(value))
    assert quality is (Quality.UNAVAILABLE if value is None else Quality.GOOD)


def test_status_is_quality(tmp_path: Path) -> None:
    assert decoded(tmp_path, NUMBER, 15.0, status=UNCERTAIN) == (150.0, Quality.UNCERTAIN)
    assert decoded(tmp_path, NUMBER, 15.0, status=BAD) == (None, Quality.BAD)
    assert decoded(tmp_path, NUMBER, 15.0, status=0xC0000000) == (None, Quality.BAD)
    assert decoded(tmp_path, NUMBER, None, status=UNCERTAIN) == (None, Quality.UNAVAILABLE)


TWO = NUMBER + '[signal."recipe.name"]\nnode = "i=2"\nexample = "P1"\n'


def test_what_was_so_at_one_time_is_one_look(tmp_path: Path) -> None:
    found = looks(
        tmp_path,
        TWO,
        Change("i=1", 1.0, DOUBLE, t=20),
        Change("i=1", 2.0, DOUBLE, t=30),
        Change("i=2", "A", STRING, t=20),
    )
    assert [(each.time, each.keys, each.values) for each in found] == [
        (20, ("pressure", "recipe.name"), (10.0, "A")),
        (30, ("pressure",), (20.0,)),
    ]


def test_two_values_at_one_time_are_two_looks(tmp_path: Path) -> None:
    found = looks(tmp_path, TWO, Change("i=1", 1.0, DOUBLE, t=20), Change("i=1", 2.0, DOUBLE, t=20))
    assert [(each.time, each.values) for each in found] == [(20, (10.0,)), (20, (20.0,))]


def test_a_clock_that_goes_back_turns_nothing_round(tmp_path: Path) -> None:
    found = looks(tmp_path, TWO, Change("i=1", 1.0, DOUBLE, t=50), Change("i=1", 2.0, DOUBLE, t=20))
    assert [(each.time, each.values) for each in found] == [(50, (10.0,)), (20, (20.0,))]


def test_without_source_time_the_servers_counts(tmp_path: Path) -> None:
    found = looks(tmp_path, TWO, Change("i=1", 1.0, DOUBLE, r=9), Change("i=2", "A", STRING))
    assert [(each.time, each.keys) for each in found] == [(9, ("pressure", "recipe.name"))]


def test_an_unknown_node_stops_nothing(tmp_path: Path) -> None:
    found = nodes(tmp_path, NUMBER).decode("L1.x", (Change("i=9", 1), Change("i=1", 1.0, DOUBLE, t=1)), ())
    assert [type(each) for each in found] == [Readings, Unreadable]


def test_arrays(tmp_path: Path) -> None:
    one = '[signal."zone.temperature"]\nnode = "i=1"\narray = 3\nunit = "Cel"\nexample = [1.0, 2.0, 3.0]\n'
    (look,) = looks(tmp_path, one, Change("i=1", [1.5, "NaN"], FLOAT, t=1))
    assert look.keys == ("zone.temperature[1]", "zone.temperature[2]", "zone.temperature[3]")
    assert look.values == (1.5, None, None)
    (look,) = looks(tmp_path, one, Change("i=1", 7.0, FLOAT, t=1))
    assert look.values == (None, None, None)
    many = '[signal."zone.temperature"]\nnodes = ["i=1", "i=2"]\nunit = "Cel"\nexample = [1.0, 2.0]\n'
    (look,) = looks(tmp_path, many, Change("i=2", 7.0, DOUBLE, t=1))
    assert (look.keys, look.values) == (("zone.temperature[2]",), (7.0,))


ALARMS = "".join(
    f'[[alarm]]\nnode = "i=1"\nbit = {bit}\ncode = "A{bit}"\ntext = "t"\nseverity = "Error"\nexample = {str(bit == 3).lower()}\n'
    for bit in (0, 3)
)


def test_bits(tmp_path: Path) -> None:
    (look,) = looks(tmp_path, ALARMS, Change("i=1", 8, INT32, t=1))
    assert dict(zip(look.keys, look.values, strict=True)) == {"alarm.A0": False, "alarm.A3": True}
    (look,) = looks(tmp_path, ALARMS, Change("i=1", 8.0, DOUBLE, t=1))
    assert look.values == (None, None)
    assert nodes(tmp_path, ALARMS).encode({"alarm.A0": True, "alarm.A3": True}) == {"i=1": 9}


def test_examples_come_back(tmp_path: Path) -> None:
    text = NUMBER + STATE.replace("i=1", "i=2") + FLAG.replace("i=1", "i=3") + COUNT.replace("i=1", "i=4")
    text += CHOICE.replace("i=1", "i=5") + TEXT.replace("i=1", "i=6")
    found = bound(tmp_path, HEAD + text)
    assert found.nodes is not None
    told = found.nodes.encode(found.examples)
    assert told == {"i=1": 20.0, "i=2": 1, "i=3": False, "i=4": 7, "i=5": True, "i=6": "P1"}
    back = found.nodes.decode("L1.x", [Change(node, value, t=1) for node, value in told.items()], ())
    (look,) = (each for each in back if isinstance(each, Readings))
    assert dict(zip(look.keys, look.values, strict=True)) == dict(found.examples)
    assert found.nodes.encode({"pressure": None}) == {"i=1": -99.9}
    with pytest.raises(ValueError, match="not in the map"):
        found.nodes.encode({"state": "NST"})


RECORD = """
[[record]]
name = "batch"
event = "ns=2;i=7"
fields.count = { field = "2:Count" }
fields.heat = { field = "2:Heat", unit = "K", scale = 0.1 }
fields.open = { field = "2:Open", map = { true = true, false = false } }
constants = { now = "PRD" }
stage_field = "2:Stage"
example = { values = { "2:Count" = 3, "2:Heat" = 2731.5, "2:Open" = true, "2:Stage" = "top" }, fields = { count = 3, heat = 273.15, open = true } }
"""


def test_events_are_records_in_order_with_values(tmp_path: Path) -> None:
    codec = nodes(tmp_path, NUMBER + RECORD)
    (event,) = codec.subscriptions[0].events
    assert event.fields == ("Time", "2:Count", "2:Heat", "2:Open", "2:Stage")
    told = Happening(event.key, 25, ((13, "x"), (INT32, 3), (DOUBLE, 2731.5), (BOOLEAN, True), (STRING, "top")))
    dumb = Happening(event.key, 26, ((13, "x"), (0, None), (DOUBLE, "NaN"), (0, None), (0, None)))
    changes = (Change("i=1", 1.0, DOUBLE, t=20), Change("i=1", 2.0, DOUBLE, t=30))
    first, record, unreadable, last = codec.decode("L1.x", changes, (told, dumb))
    assert isinstance(first, Readings)
    assert isinstance(last, Readings)
    assert isinstance(record, Record)
    assert (record.name, record.time, record.stage) == ("batch", 25, "top")
    assert dict(record.fields) == {"now": "PRD", "count": 3, "heat": pytest.approx(0.0), "open": True}
    assert isinstance(unreadable, Unreadable)
    assert (unreadable.reason, unreadable.detail) == ("bad-event", "batch lacks count")


CONDITIONS = """
[[alarm]]
condition = "TooHot"
source = "Zone1"
code = "A1"
text = "t"
severity = "Error"

[[alarm]]
condition = "TooCold"
code = "A2"
text = "t"
severity = "Error"
"""


def _condition(key: str, type_: str, source: str = "", name: str = "", active: bool | None = None) -> Happening:
    return Happening(key, 9, ((13, "x"), (17, type_), (STRING, source), (STRING, name), (BOOLEAN, active)))


def test_alarms_that_are_not_named_are_not_active(tmp_path: Path) -> None:
    codec = nodes(tmp_path, CONDITIONS)
    (event,) = codec.subscriptions[0].events
    assert event.conditions
    told = [
        _condition(event.key, "i=2787"),
        _condition(event.key, "i=9341", "Zone1", "TooHot", active=True),
        _condition(event.key, "i=9341", "Zone2", "TooHot", active=True),
        _condition(event.key, "i=2788"),
        _condition(event.key, "i=9341", "Zone9", "TooCold", active=True),
    ]
    found = [each for each in codec.decode("L1.x", (), told) if isinstance(each, Readings)]
    assert [(each.keys, each.values) for each in found] == [
        (("alarm.A1",), (True,)),
        (("alarm.A2",), (False,)),
        (("alarm.A2",), (True,)),
    ]


def test_queues(tmp_path: Path) -> None:
    text = TOP + 'protocol = "opcua"\n[subscribe.a]\npublish = "1s"\nsample = "100ms"\n[subscribe.b]\npublish = "1s"\n'
    text += '[subscribe.c]\npublish = "1s"\nsample = "0s"\n[subscribe.d]\npublish = "1s"\nqueue = 3\n'
    for number, name in enumerate("abcd"):
        text += f'[signal."x.{name}"]\nnode = "i={number}"\nsubscribe = "{name}"\nexample = 1.0\n'
    found = bound(tmp_path, text).nodes
    assert found is not None
    assert [(each.name, each.queue, each.nodes) for each in found.subscriptions] == [
        ("a", 40, ("i=0",)),
        ("b", 10, ("i=1",)),
        ("c", 400, ("i=2",)),
        ("d", 3, ("i=3",)),
    ]
