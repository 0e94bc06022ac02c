"""What is wrong with text profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import ConfigError
from tests.unit.profile.words import TEXT, bound, problems

GOOD = 'example = { text = "OUT 1", fields = { unit = "1" } }'


def departed(keys: str, example: str = GOOD) -> str:
    return f'{TEXT}[[record]]\nname = "unit.departed"\n{keys}\n{example}\n'


PATTERN = 'pattern = "OUT (?P<unit>.+)"\nfields.unit = {}'


def test_what_comes_out(tmp_path: Path) -> None:
    found = bound(tmp_path, departed(PATTERN))
    assert found.protocol == "serial-text"
    assert found.told == {"unit.departed"}
    assert not found.signals
    assert found.registers is None


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (departed("fields.unit = {}"), "pattern", "is missing; allowed: pattern, or begin"),
        (departed(f'{PATTERN}\nbegin = "X"'), "pattern", "stands beside begin"),
        (departed(f'{PATTERN}\nend = "X"'), "end", "belongs to a record that begins with one line"),
        (departed(f'{PATTERN}\nlines = ["X"]'), "lines", "belongs to a record that begins with one line"),
        (departed('pattern = "OUT (?P<unit>.+"\nfields.unit = {}'), "pattern", "is no pattern of RE2: missing )"),
        (departed('pattern = "OUT (?P<unit>.+)(?=x)"\nfields.unit = {}'), "pattern", "is no pattern of RE2: invalid perl"),
        (departed(f"{PATTERN}\nfields.unti = {{}}"), "fields.unti", "did you mean 'unit'?"),
        (departed(f"{PATTERN}\nfields.result = {{}}"), "fields.result", "'result' is no named group of its patterns"),
        (departed(f'{PATTERN}\nfields.result = {{ group = "res" }}'), "fields.result.group", "allowed: unit"),
        (departed(f'{PATTERN}\nlane_group = "lan"'), "lane_group", "'lan' is no named group"),
        (departed(f'{PATTERN}\nlane_group = "unit"\nlane = 1'), "lane_group", "stands beside lane"),
        (departed(f'{PATTERN}\nstage = "A"'), "stage", "does not belong to unit.departed"),
        (departed(f'{PATTERN}\ntime = {{ group = "at" }}'), "time.group", "'at' is no named group"),
        (departed(f'{PATTERN}\ntime = {{ group = "unit", scale = 2 }}', 'example = { text = "OUT 2026-01-01T00:00:00", fields = { unit = "2026-01-01T00:00:00" }, time = "2026-01-01T00:00:00.000000Z" }'), "time.scale", "does not belong to a time"),
        (departed(f'{PATTERN}\nfields.result = {{ group = "unit", map = {{ "1" = "Good" }} }}'), "fields.result.map.1", "'Good' is not one of the choices"),
        (departed(f'{PATTERN}\nconstants = {{ result = "Good" }}'), "constants.result", "'Good' is not one of the choices"),
        (departed(f'{PATTERN}\nconstants = {{ unit = "1" }}'), "constants.unit", "is given under fields too"),
        (departed(PATTERN, 'example = { text = "OU 1", fields = {} }'), "example.text", "cannot be read whole: 'OU 1': fits no record"),
        (departed(PATTERN, 'example = { text = "OUT 1\\nOUT 2", fields = {} }'), "example.text", "makes 2 records; allowed: one"),
        (departed(PATTERN, 'example = { text = "OUT 1", fields = { unit = "2" } }'), "example.fields", "unit is '1', and the example says '2'"),
        (departed(PATTERN, 'example = { text = "OUT 1", fields = {} }'), "example.fields", "unit is '1', and the example says not there"),
        (departed(PATTERN, 'example = { text = "OUT 1", fields = { unit = "1" }, children = { x = 1 } }'), "example.children", "are none, and the example says {'x': 1}"),
        (departed(f'{PATTERN}\ntime = {{ group = "unit" }}'), "example.text", "'1': time of unit.departed cannot be read"),
        (departed(f'{PATTERN}\ntime = {{ group = "unit", missing = ["1"] }}', 'example = { text = "OUT 1", fields = { unit = "1" }, time = "2026-01-01T00:00:00.000000Z" }'), "example.time", "is not there, and the example says '2026"),
        (departed(f'parent = "test"\n{PATTERN}'), "parent", "'test' is no record of this profile"),
        (departed(PATTERN).replace("unit.departed", "unit.departde"), "name", "did you mean 'unit.departed'?"),
    ],
)  # fmt: skip
def test_records(text: str, key: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, text)
    (found,) = caught.value.problems
    message = found.partition(": ")[2]
    assert message.startswith(f"record[0].{key}: "), message  # a name with a dot does not go into a key
    assert says in message


BATCH = (
    TEXT
    + '[[record]]\nname = "batch"\npattern = "(?P<count>.+) (?P<heat>.+) (?P<open>.) (?P<now>.+)"\n'
    + "fields.count = { scale = 10 }\n"
    + 'fields.heat = { unit = "[degF]", decimal = "," }\n'
    + "fields.open = { map = { Y = true, N = false } }\n"
    + "fields.now = { map = { RUN = 1100 } }\n"
    + 'fields."x.raw" = { group = "heat" }\n'
    + 'stage = "A"\n'
    + 'example = { text = "4 212,0 Y RUN", fields = { count = 40, heat = 212, open = true, now = "PRD_RegularWork", "x.raw" = "212,0" } }\n'
)


def test_every_kind(tmp_path: Path) -> None:
    assert bound(tmp_path, BATCH).told == {"batch"}


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("fields.count = { scale = 10 }\n", "", "fields", "lacks 'count', without which a batch says nothing"),
        ("scale = 10", "scale = 0", "fields.count.scale", "must not be 0"),
        ("scale = 10", 'map = { 4 = "A" }', "fields.count.map", "does not belong to a number"),
        ("scale = 10", 'format = "%Y"', "fields.count.format", "does not belong to a number"),
        (
            'unit = "[degF]", ',
            "",
            "fields.heat.unit",
            "is missing: what the machine measures in; the class wants 'Cel'",
        ),
        ('unit = "[degF]", ', 'unit = "mm", ', "fields.heat.unit", "'mm' cannot be converted to 'Cel'"),
        ("{ map = { Y = true, N = false } }", "{}", "fields.open.map", "is missing: which text means true"),
        ("N = false", 'N = "no"', "fields.open.map.N", "must be true or false"),
        ("RUN = 1100", 'RUN = "RUN"', "fields.now.map.RUN", "'RUN' is no CFX ResourceState"),
    ],
)
def test_fields(old: str, new: str, key: str, says: str, tmp_path: Path) -> None:
    assert old in BATCH
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, BATCH.replace(old, new))
    (found,) = caught.value.problems
    message = found.partition(": ")[2]
    assert message.startswith(f"record[batch].{key}: "), message
    assert says in message


NESTED = (
    TEXT
    + '[[record]]\nname = "test"\nbegin = "B (?P<unit>.+)"\nend = "E"\nfields.unit = {}\n'
    + 'example = { text = "B 1\\nS a\\nE", fields = { unit = "1" }, children = { step = 1 } }\n'
    + '[[record]]\nname = "step"\nparent = "test"\nbegin = "S (?P<name>.+)"\nfields.name = {}\n'
    + 'example = { text = "S a", fields = { name = "a" } }\n'
)


def test_nesting(tmp_path: Path) -> None:
    bound(tmp_path, NESTED)

    def wrong(old: str, new: str) -> list[str]:
        assert old in NESTED
        return problems(tmp_path, NESTED.replace(old, new))

    around = NESTED[len(TEXT) :].partition("[[record]]\n")[2].partition("[[record]]")[0]
    one_line = 'name = "test"\npattern = "B (?P<unit>.+)"\nfields.unit = {}\nexample = { text = "B 1", fields = { unit = "1" } }\n'
    said = "record[step].parent: 'test' is a single line, in which nothing can be nested"
    assert problems(tmp_path, NESTED.replace(around, one_line).replace('parent = "test"', 'parent = "test" #<')) == [
        said
    ]
    assert wrong('parent = "test"', 'parent = "tset" #<') == [
        "record[step].parent: 'tset' is no record of this profile, did you mean 'test'?; allowed: step, test"
    ]
    looped = NESTED.replace('name = "test"\nbegin', 'name = "test"\nparent = "step" #<\nbegin')
    assert problems(tmp_path, looped.replace('parent = "test"', 'parent = "test" #<')) == [
        "record[test].parent: a step has no test in it; allowed: measurement",
        "record[step].parent: is nested in itself, and so never begins",
    ]


def test_ignored_lines_are_patterns_too(tmp_path: Path) -> None:
    text = departed(PATTERN).replace(TEXT, TEXT + '[frame]\nignore = ["a", "("] #<\n')
    assert problems(tmp_path, text) == ["frame.ignore[1]: is no pattern of RE2: missing ): ("]
