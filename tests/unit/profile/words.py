"""A made-up machine class, and profiles for it from text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import ConfigError
from gateway.core.sample import Value
from gateway.profile.bind import bind
from gateway.profile.bound import Block, Bound, Registers, Table
from gateway.profile.load import load
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec, Vocabulary


def _signal(name: str, kind: Kind, **more: object) -> SignalSpec:
    return msgspec.structs.replace(SignalSpec(name=name, kind=kind, meaning=f"The {name}."), **more)


def _field(name: str, kind: Kind, **more: object) -> FieldSpec:
    return msgspec.structs.replace(FieldSpec(name=name, kind=kind, meaning=f"The {name}."), **more)


SIGNALS = (
    _signal("zone.temperature", Kind.NUMBER, unit="Cel", array=True),
    _signal("pressure", Kind.NUMBER, unit="kPa"),
    _signal("speed", Kind.NUMBER, unit="mm/s", lane=True),
    _signal("boards", Kind.NUMBER, unit="1"),
    _signal("state", Kind.STATE, stage=True),
    _signal("units.out", Kind.COUNTER, lane=True),
    _signal("recipe.name", Kind.TEXT, lane=True),
    _signal("result", Kind.TEXT, choices=("Passed", "Failed")),
    _signal("door", Kind.FLAG),
    _signal("clock", Kind.TIME),
)
RECORDS = (
    RecordSpec(
        name="unit.departed",
        meaning="A unit has gone out.",
        lane=True,
        fields=(_field("unit", Kind.TEXT), _field("result", Kind.TEXT, choices=("Passed", "Failed"))),
    ),
    RecordSpec(
        name="batch",
        meaning="Several at once.",
        stage=True,
        fields=(
            _field("count", Kind.NUMBER, unit="1", required=True),
            _field("heat", Kind.NUMBER, unit="Cel"),
            _field("now", Kind.STATE),
            _field("open", Kind.FLAG),
        ),
    ),
    RecordSpec(
        name="test",
        meaning="A test of a unit.",
        lane=True,
        stage=True,
        fields=(
            _field("unit", Kind.TEXT, required=True),
            _field("result", Kind.TEXT, choices=("Passed", "Failed")),
            _field("begun", Kind.TIME),
            _field("operator", Kind.TEXT),
        ),
        children=("measurement", "step"),
    ),
    RecordSpec(
        name="step",
        meaning="A part of a test.",
        fields=(_field("name", Kind.TEXT, required=True), _field("good", Kind.FLAG)),
        children=("measurement",),
    ),
    RecordSpec(
        name="measurement",
        meaning="One value.",
        fields=(
            _field("name", Kind.TEXT, required=True),
            _field("value", Kind.NUMBER, unit="Ohm", required=True),
            _field("count", Kind.COUNTER),
        ),
    ),
)


def vocabulary(*required: str) -> Vocabulary:
    signals = {spec.name: msgspec.structs.replace(spec, required=spec.name in required) for spec in SIGNALS}
    return Vocabulary(machine_class="tester", signals=signals, records={spec.name: spec for spec in RECORDS})


TOP = 'class = "tester"\nmodels = ["T"]\nevidence = { level = "example" }\n'
HEAD = TOP + 'protocol = "modbus"\n'
"""Four lines."""
POLL = '[poll.p]\nevery = "1s"\ntable = "holding"\nstart = 0\ncount = 100\n'
TEXT = TOP + 'protocol = "serial-text"\n'


def bound(folder: Path, text: str, *required: str) -> Bound:
    """Of a profile's text, by way of a file."""
    path = folder / "tester" / "t.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    loaded = load("tester/t", [folder])
    return bind(loaded.profile, vocabulary(*required), loaded.name, written=loaded.written)


def problems(folder: Path, text: str, *required: str) -> list[str]:
    """What is wrong with a profile, each as `KEY: ...`; the lines must be those marked with `#<` in the text."""
    with pytest.raises(ConfigError) as caught:
        bound(folder, text, *required)
    prefix = f"{folder / 'tester' / 't.toml'}:"
    assert all(problem.startswith(prefix) for problem in caught.value.problems), caught.value.problems
    found = [problem.removeprefix(prefix) for problem in caught.value.problems]
    marked = [number for number, line in enumerate(text.split("\n"), 1) for _ in range(line.count("#<"))]
    assert [int(problem.partition(":")[0]) for problem in found] == marked, found
    return [problem.partition(": ")[2] for problem in found]


def registers(folder: Path, signal: str, *, head: str = HEAD) -> Registers:
    """Of a profile with this text beside a poll of 100 holding registers."""
    found = bound(folder, head + POLL + signal).registers
    assert found is not None
    return found


def block(words: Iterable[int], start: int = 0, table: Table = Table.HOLDING) -> Block:
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return Block(table, start, len(data) // 2, data)


def decoded(found: Registers, *words: int, poll: str = "p") -> Mapping[str, Value]:
    keys, values = found.decode(poll, [block(words)])
    return dict(zip(keys, values, strict=True))
