"""What is wrong with register profiles: all of it, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import ConfigError
from gateway.profile.bind import bind
from gateway.profile.bound import Alarm, Reset, Rule, Signal, When
from gateway.profile.load import load
from gateway.profile.vocabulary import Kind
from tests.unit.profile.words import HEAD, POLL, bound, problems, vocabulary

BASE = HEAD + POLL
SIGNAL = BASE + '[signal.boards]\nat = 0\ntype = "u16"\nexample = 3\n'


def test_what_comes_out(tmp_path: Path) -> None:
    text = (
        SIGNAL
        + '[signal."speed@2"]\nat = 1\ntype = "u16"\nunit = "cm/min"\ndeadband = 6\nexample = 60\n'
        + '[signal."units.out"]\nat = 2\ntype = "u16"\nmodulus = 65536\nreset = ["power"]\nexample = 7\n'
        + '[signal."state:top"]\nat = 3\ntype = "u16"\nmap = { 1 = "PRD" }\ndebounce = "200ms"\nexample = "PRD"\n'
        + '[[alarm]]\nat = 4\nbit = 1\ncode = "E1"\ntext = "hot"\nseverity = "Alarm"\nlane = 2\nstage = "top"\ndebounce = "1min"\nfields = { Kind = "Heat" }\n'
        + '[[rule]]\nsignal = "units.out"\nwhen = "increased"\nrecord = "batch"\nfields = { count = "units.out" }\nconstants = { open = true }\n'
        + '[constant]\n"zone.temperature" = [20, 30.5]\n"x.maker" = "T"\n'
    )
    found = bound(tmp_path, text)
    assert (found.name, found.machine_class, found.protocol, found.models) == ("tester/t", "tester", "modbus", ("T",))
    assert (found.evidence, found.evidence_source) == ("example", None)
    assert found.signals == {
        "boards": Signal(key="boards", kind=Kind.NUMBER, unit="1"),
        "speed@2": Signal(key="speed@2", kind=Kind.NUMBER, unit="mm/s", deadband=1.0),
        "units.out": Signal(key="units.out", kind=Kind.COUNTER, modulus=65536, reset=frozenset({Reset.POWER})),
        "state:top": Signal(key="state:top", kind=Kind.STATE, debounce=200_000),
    }
    assert found.alarms == {
        "alarm.E1@2:top": Alarm(
            key="alarm.E1@2:top",
            code="E1",
            text="hot",
            severity="Alarm",
            lane=2,
            stage="top",
            debounce=60_000_000,
            extra={"Kind": "Heat"},
        )
    }
    assert found.rules == (
        Rule(
            key="units.out",
            when=When.INCREASED,
            record="batch",
            fields={"count": "units.out"},
            constants={"open": True},
        ),
    )
    assert found.told == {"batch"}
    assert found.constants == {"zone.temperature[1]": 20, "zone.temperature[2]": 30.5, "x.maker": "T"}
    assert found.examples == {"boards": 3, "speed@2": 10, "units.out": 7, "state:top": "PRD", "alarm.E1@2:top": False}


def test_a_vendors_own_signals_say_themselves_what_they_are(tmp_path: Path) -> None:
    text = (
        BASE
        + '[signal."x.flow"]\nat = 0\ntype = "u16"\nunit = "m3/h"\nexample = 3\n'
        + '[signal."x.count"]\nat = 1\ntype = "u16"\nmodulus = 100\nexample = 3\n'
        + '[signal."x.open"]\nat = 2\nbit = 3\nexample = true\n'
        + '[signal."x.mode"]\nat = 3\ntype = "u16"\nmap = { 1 = "eco" }\nexample = "eco"\n'
        + '[signal."x.ready"]\nat = 4\ntype = "u16"\nmap = { 7 = true }\nexample = true\n'
        + '[signal."x.label@1"]\nat = 5\ntype = "string"\nlength = 2\narray = 2\nexample = ["A", "B"]\n'
    )
    kinds = {key: (signal.kind, signal.unit) for key, signal in bound(tmp_path, text).signals.items()}
    assert kinds == {
        "x.flow": (Kind.NUMBER, "m3/h"),
        "x.count": (Kind.COUNTER, None),
        "x.open": (Kind.FLAG, None),
        "x.mode": (Kind.TEXT, None),
        "x.ready": (Kind.FLAG, None),
        "x.label[1]@1": (Kind.TEXT, None),
        "x.label[2]@1": (Kind.TEXT, None),
    }


@pytest.mark.parametrize(
    ("name", "keys", "key", "says"),
    [
        # the word
        ("bords", 'type = "u16"\nexample = 1', "", "'bords' is no signal of a tester, did you mean 'boards'?"),
        ('"boards@1"', 'type = "u16"\nexample = 1', "", "names a lane, and the class has one boards for all"),
        ('"door:top"', "bit = 1\nexample = true", "", "names a stage"),
        ("boards", 'type = "u16"\narray = 2\nexample = [1, 2]', "array", "the class has one boards"),
        ('"zone.temperature"', 'type = "u16"\nunit = "K"\nexample = 1', "array", "is missing: how many places"),
        # the kind
        ("boards", 'type = "string"\nlength = 2\nexample = "A"', "type", "is a text, and a number is wanted"),
        ("boards", "bit = 1\nexample = true", "bit", "is one bit, and a number is wanted"),
        ("boards", 'type = "u16"\nmap = { 1 = "A" }\nexample = 1', "map", "does not belong to a number"),
        ("door", 'type = "f32"\nexample = true', "type", "is a floating-point number, and a flag is wanted"),
        ("door", 'type = "string"\nlength = 1\nexample = true', "type", "is a text, and a flag is wanted"),
        ("state", 'bit = 1\nexample = "PRD"', "bit", "is one bit, and a state is wanted; map says"),
        ('"recipe.name"', 'type = "f64"\nexample = "1"', "type", "is a floating-point number, and a text is wanted"),
        ("clock", 'type = "u32"\nexample = 1', "type", "is a time, which cannot be read from registers"),
        ("boards", 'type = "u16"\nmodulus = 10\nexample = 1', "modulus", "does not belong to a number"),
        ("boards", 'type = "u16"\ndebounce = "1s"\nexample = 1', "debounce", "allowed with: state, text, flag"),
        ("door", "bit = 1\nscale = 2\nexample = true", "scale", "does not belong to a flag"),
        ('"units.out"', 'type = "u16"\nunit = "mm"\nexample = 1', "unit", "does not belong to a counter"),
        ("boards", 'type = "u16"\ninverted = true\nexample = 1', "inverted", "does not belong to a number"),
        ("boards", 'type = "u16"\nempty = [0]\nexample = 1', "empty", "does not belong to a number"),
        # the form
        ("boards", "example = 1", "type", "is missing; allowed: bcd16, bcd32, bool"),
        ("boards", 'type = "u16"\nlength = 2\nexample = 1', "length", "belongs to a string"),
        ('"recipe.name"', 'type = "string"\nexample = "A"', "length", "is missing: how many registers?"),
        ("boards", 'type = "u16"\nencoding = "ascii"\nexample = 1', "encoding", "belongs to a string"),
        ("boards", 'type = "f32"\nbits = [0, 3]\nexample = 1', "type", "has no bits to choose from"),
        ("boards", "bits = [3, 16]\nexample = 1", "bits", "is not within u16; allowed: 0 to 15, lowest first"),
        ("boards", "bits = [3, 2]\nexample = 1", "bits", "is not within u16"),
        ("door", "bit = 16\nexample = true", "bit", "is not within u16"),
        ("door", "bit = 1\nbits = [0, 1]\nexample = true", "bits", "stands beside bit"),
        ("boards", 'type = "u16"\nstride = 2\nexample = 1', "stride", "belongs to an array"),
        ("door", "bit = 1\nmap = { 0 = true }\ninverted = true\nexample = true", "inverted", "stands beside map"),
        # numbers
        ("pressure", 'type = "u16"\nexample = 1', "unit", "is missing: what the machine measures in"),
        ("pressure", 'type = "u16"\nunit = "mm"\nexample = 1', "unit", "'mm' cannot be converted to 'kPa'"),
        ("pressure", 'type = "u16"\nunit = "psi"\nexample = 1', "unit", "'psi' is no unit, did you mean '[psi]'?"),
        ("boards", 'type = "u16"\nscale = 0\nexample = 1', "scale", "must not be 0"),
        ('"units.out"', 'type = "u16"\nscale = 0.5\nexample = 1', "scale", "must be a whole number, for counters are"),
        ('"units.out"', 'type = "u16"\nmodulus = 65537\nexample = 1', "modulus", "allowed: up to 65536"),
        ("boards", 'type = "u16"\nmissing = [-1]\nexample = 1', "missing", "-1 is nothing that u16 can hold"),
        ("boards", 'type = "bcd16"\nmissing = [10000]\nexample = 1', "missing", "10000 is nothing that bcd16 can hold"),
        ("boards", 'type = "u16"\nmissing = ["A"]\nexample = 1', "missing", "'A' is nothing that u16 can hold"),
        # maps
        ("state", 'type = "u16"\nmap = { 1 = "PRD_RegularWrok" }\nexample = "PRD"', "map.1", "did you mean 'PRD_RegularWork'?"),
        ("state", 'type = "u16"\nmap = { 1 = 10000 }\nexample = "PRD"', "map.1", "10000 is no CFX ResourceState"),
        ("state", 'type = "u16"\nmap = { one = "PRD" }\nexample = "PRD"', "map.one", "is nothing that u16 can hold"),
        ("state", 'type = "u16"\nmap = { 70000 = "PRD" }\nexample = "PRD"', "map.70000", "is nothing that u16"),
        ("state", 'type = "u16"\nmap = { 1 = "PRD", 0x1 = "SBY" }\nexample = "PRD"', "map.0x1", "is there already"),
        ("result", 'type = "u16"\nmap = { 1 = "passed" }\nexample = "Passed"', "map.1", "did you mean 'Passed'?"),
        ("door", 'type = "u16"\nmap = { 1 = "open" }\nexample = true', "map.1", "must be true or false"),
        ("result", 'type = "u16"\nmap = { 1 = "Passed" }\nempty = [0]\nexample = "Passed"', "empty", "is no choice"),
        # examples
        ("boards", 'type = "u16"\nexample = [1]', "example", "is a list, and this is no array"),
        ("boards", 'type = "u16"\nexample = "1"', "example", "is no number"),
        ("boards", 'type = "u16"\nexample = true', "example", "is no number"),
        ("boards", 'type = "u16"\nexample = 65536', "example", "65536 does not fit"),
        ("boards", 'type = "u16"\nscale = 0.1\nexample = 1.04', "example", "its registers then say 1.0"),
        ("boards", 'type = "u16"\nmissing = [5]\nexample = 5', "example", "its registers then say None"),
        ('"units.out"', 'type = "u16"\nexample = 1.5', "example", "is no counter"),
        ("door", "bit = 1\nexample = 1", "example", "is no flag"),
        ("state", 'type = "u16"\nmap = { 1 = "PRD" }\nexample = "SBY"', "example", "'SBY' is not in the map"),
        ("state", 'type = "u16"\nmap = { 1 = "PRD" }\nexample = 0', "example", "0 is no CFX ResourceState"),
        ("state", 'type = "u16"\nexample = 0', "example", "0 is no CFX ResourceState"),
        ('"recipe.name"', 'type = "string"\nlength = 1\nexample = "ABC"', "example", "'ABC' has more than 2 bytes"),
        ('"recipe.name"', 'type = "string"\nlength = 1\nexample = ""', "example", "its registers then say None"),
        ('"recipe.name"', 'type = "u16"\nexample = "A"', "example", "invalid literal"),
    ],
)  # fmt: skip
def test_signals(name: str, keys: str, key: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, f"{BASE}[signal.{name}]\nat = 0\n{keys}\n")
    (found,) = caught.value.problems
    where, _, message = found.removeprefix(f"{tmp_path / 'tester' / 't.toml'}:").partition(": ")
    place, _, message = message.partition(": ")
    bare = name.strip('"')
    quoted = repr(bare) if set(bare) & set(".@:") else bare
    assert place == f"signal.{quoted}{'.' + key if key else ''}"
    assert says in message
    assert int(where) >= 10  # within its table


def test_places_of_arrays_are_named(tmp_path: Path) -> None:
    text = BASE + '[signal."zone.temperature"]\nat = 0\ntype = "u16"\nunit = "Cel"\narray = 2\nexample = [1, -3] #<\n'
    assert problems(tmp_path, text) == ["signal.'zone.temperature'.example[1]: -3 does not fit"]
    text = text.replace("[1, -3]", "[1]")
    assert problems(tmp_path, text) == [
        "signal.'zone.temperature'.example: must be a list of 2, one for each place"
    ]  # fmt: skip


def test_polls(tmp_path: Path) -> None:
    text = (
        BASE
        + '[poll.q]\nevery = "1s"\ntable = "holding"\nstart = 50\ncount = 100\n'
        + '[poll.r]\nevery = "1s"\ntable = "coil"\nstart = 65000\ncount = 1000 #<\n'
        + '[signal.boards]\nat = 149 #<\ntype = "u32"\nexample = 1\n'
        + "[signal.door]\nat = 60 #<\nbit = 1\nexample = true\n"
        + '[signal.state]\nat = 10\npoll = "s" #<\ntype = "u16"\nexample = 1100\n'
        + '[signal."units.out"]\nat = 10 #<\npoll = "q"\ntype = "u16"\nexample = 1100\n'
        + '[[alarm]] #<\nat = 1\ncode = "A"\ntext = "a"\nseverity = "Error"\n'
        + '[[alarm]]\nat = 65000\nbit = 1 #<\ncode = "B"\ntext = "a"\nseverity = "Error"\n'
    )
    assert problems(tmp_path, text) == [
        "poll.r.count: goes beyond address 65535; allowed: up to 536",
        "signal.boards.at: needs addresses 149 to 150, in no poll; there is p with addresses 0 to 99, "
        "q with addresses 50 to 149, r with addresses 65000 to 65999",
        "signal.door.at: lies in several polls: name one of them under poll; allowed: p, q",
        "signal.state.poll: 's' is no poll; allowed: p, q, r",
        "signal.'units.out'.at: needs address 10, outside poll 'q' with addresses 50 to 149",
        "alarm[0].bit: is missing: which one?",
        "alarm[1].bit: does not belong to coils and discrete inputs",
    ]


def test_a_poll_in_vain(tmp_path: Path) -> None:
    text = SIGNAL + '[poll.q] #<\nevery = "1s"\ntable = "input"\nstart = 200\ncount = 1\n'
    assert problems(tmp_path, text) == ["poll.q: is read in vain: no signal and no alarm lies in it"]


def test_coils_have_no_types(tmp_path: Path) -> None:
    text = (
        HEAD + POLL.replace("holding", "coil") + '[signal.door]\nat = 0\ntype = "u16" #<\nbit = 1 #<\nexample = true\n'
    )
    assert problems(tmp_path, text) == [
        "signal.door.type: a coil or discrete input is one bit; allowed: bool",
        "signal.door.bit: belongs to registers, not to coils and discrete inputs",
    ]


def test_overlaps(tmp_path: Path) -> None:
    wide = '[signal.pressure] #<\nat = 1\ntype = "u32"\nunit = "kPa"\nexample = 5\n'
    narrow = '[signal.boards]\nat = 2\ntype = "u16"\nexample = 5\n'
    found = problems(tmp_path, BASE + wide.replace(" #<", "") + narrow.replace("[signal.boards]", "[signal.boards] #<"))
    assert found == ["signal.boards: has register 2 in common with pressure; allowed: with overlap = true"]
    bound(tmp_path, BASE + wide + narrow + "overlap = true\n")
    same = '[signal.boards]\nat = 2\ntype = "u16"\nexample = 5\n[signal."x.same"]\nat = 2\ntype = "u16"\nexample = 5\n'
    bound(tmp_path, BASE + same)
    bits = "[signal.boards]\nat = 2\nbits = [0, 3]\nexample = 5\n[signal.door]\nat = 2\nbit = 3\nexample = false\n"
    bound(tmp_path, BASE + bits)


def test_examples_that_contradict_each_other(tmp_path: Path) -> None:
    same = (
        '[signal.boards]\nat = 2\ntype = "u16"\nexample = 5 #<\n[signal."x.same"]\nat = 2\ntype = "u16"\nexample = 6\n'
    )
    assert problems(tmp_path, BASE + same) == [
        "signal.boards.example: contradicts the example of another signal in the same registers"
    ]


def test_what_the_class_needs(tmp_path: Path) -> None:
    text = SIGNAL.replace("[signal.boards]", "[signal.boards] #<")
    assert problems(tmp_path, text, "state", "boards") == [
        "signal.state: is missing, and a tester needs it: The state."
    ]  # fmt: skip
    bound(tmp_path, SIGNAL + '[constant]\nstate = "PRD"\n', "state")


def test_constants(tmp_path: Path) -> None:
    text = (
        SIGNAL
        + '[constant]\nboards = 4 #<\nstaet = "PRD" #<\nstate = "PRO" #<\n"zone.temperature" = 4 #<\npressure = [1] #<\n'
        + '"speed@1" = "fast" #<\n"units.out" = 1.5 #<\n'
    )
    said = [each.partition(": ")[2] for each in problems(tmp_path, text)]
    for message, says in zip(
        said,
        (
            "is read too",
            "'staet' is no signal of a tester, did you mean 'state'?",
            "'PRO' is no CFX ResourceState, did you mean 'PRD'?",
            "must be a list, one for each place",
            "must be one value, not a list",
            "must be a number",
            "must be a whole number",
        ),
        strict=True,
    ):
        assert message.startswith(says)


def test_things_that_are_there_twice(tmp_path: Path) -> None:
    alarm = '[[alarm]]\nat = 4\nbit = 1\ncode = "E1"\ntext = "hot"\nseverity = "Alarm"\n'
    text = SIGNAL + alarm + alarm.replace("[[alarm]]", "[[alarm]] #<")
    assert problems(tmp_path, text) == ["alarm[1]: 'alarm.E1' is there twice"]
    bound(tmp_path, SIGNAL + alarm + alarm + "lane = 2\n")


def test_severities(tmp_path: Path) -> None:
    text = SIGNAL + '[[alarm]]\nat = 4\nbit = 1\ncode = "E1"\ntext = "hot"\nseverity = "Fatal" #<\n'
    assert problems(tmp_path, text) == [
        "alarm[0].severity: is no CFX FaultSeverity; allowed: Information, Warning, Error, Alarm"
    ]


RULED = SIGNAL + (
    '[signal.door]\nat = 1\nbit = 0\nexample = true\n[signal."units.out"]\nat = 2\ntype = "u16"\nexample = 1\n'
    '[signal.result]\nat = 3\ntype = "u16"\nmap = { 1 = "Passed" }\nexample = "Passed"\n'
    '[signal.state]\nat = 4\ntype = "u16"\nexample = 1100\n'
    '[signal.pressure]\nat = 5\ntype = "u16"\nunit = "kPa"\nexample = 5\n'
)


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ('signal = "dor"\nwhen = "rising"\nrecord = "unit.departed"', "signal", "'dor' is no signal of this profile, did you mean 'door'?"),
        ('signal = "boards"\nwhen = "rising"\nrecord = "unit.departed"', "when", "does not go with a number"),
        ('signal = "door"\nwhen = "increased"\nrecord = "unit.departed"', "when", "does not go with a flag"),
        ('signal = "state"\nwhen = "becomes"\nrecord = "unit.departed"', "value", "is missing with becomes"),
        ('signal = "state"\nwhen = "becomes"\nvalue = "PRO"\nrecord = "unit.departed"', "value", "is no CFX ResourceState"),
        ('signal = "boards"\nwhen = "leaves"\nvalue = "1"\nrecord = "unit.departed"', "value", "must be a number"),
        ('signal = "door"\nwhen = "rising"\nvalue = true\nrecord = "unit.departed"', "value", "belongs to becomes and leaves"),
        ('signal = "door"\nwhen = "rising"\nrecord = "unit.departde"', "record", "did you mean 'unit.departed'?"),
        ('signal = "door"\nwhen = "rising"\nrecord = "batch"\nconstants = { count = 1 }\nlane = 1', "lane", "does not belong to batch"),
        ('signal = "door"\nwhen = "rising"\nrecord = "unit.departed"\nstage = "A"', "stage", "does not belong to unit.departed"),
        ('signal = "door"\nwhen = "rising"\nrecord = "batch"', "fields", "lacks 'count', without which a batch says nothing"),
        ('signal = "door"\nwhen = "rising"\nrecord = "unit.departed"\nfields = { unti = "result" }', "fields.unti", "did you mean 'unit'?"),
        ('signal = "door"\nwhen = "rising"\nrecord = "unit.departed"\nfields = { result = "reslt" }', "fields.result", "did you mean 'result'?"),
        ('signal = "door"\nwhen = "rising"\nrecord = "unit.departed"\nfields = { result = "boards" }', "fields.result", "is a text, and the signal is a number"),
        ('signal = "door"\nwhen = "rising"\nrecord = "batch"\nfields = { count = "boards", heat = "pressure" }', "fields.heat", "is in 'Cel', and the signal is in 'kPa'"),
        ('signal = "door"\nwhen = "rising"\nrecord = "unit.departed"\nconstants = { result = "Good" }', "constants.result", "is not one of the choices"),
        ('signal = "door"\nwhen = "rising"\nrecord = "batch"\nconstants = { count = true }', "constants.count", "must be a number"),
        ('signal = "door"\nwhen = "rising"\nrecord = "unit.departed"\nfields = { result = "result" }\nconstants = { result = "Passed" }', "constants.result", "is given under fields too"),
    ],
)  # fmt: skip
def test_rules(keys: str, key: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, f"{RULED}[[rule]]\n{keys}\n")
    (found,) = caught.value.problems
    message = found.partition(": ")[2]
    assert message.startswith(f"rule[0]{'.' + key if key else ''}: "), message
    assert says in message


def test_good_rules(tmp_path: Path) -> None:
    text = RULED + (
        '[[rule]]\nsignal = "state"\nwhen = "becomes"\nvalue = 1100\nrecord = "unit.departed"\nfields = { "x.y" = "boards" }\nlane = 1\n'
        '[[rule]]\nsignal = "units.out"\nwhen = "increased"\nrecord = "batch"\nfields = { count = "units.out" }\nstage = "A"\n'
        '[[rule]]\nsignal = "result"\nwhen = "changed"\nrecord = "unit.departed"\nfields = { result = "result" }\n'
    )
    found = bound(tmp_path, text)
    assert [rule.when for rule in found.rules] == [When.BECOMES, When.INCREASED, When.CHANGED]
    assert found.rules[0].value == "PRD_RegularWork"  # as the signal says it
    assert found.told == {"unit.departed", "batch"}


def test_of_another_class(tmp_path: Path) -> None:
    text = SIGNAL.replace('class = "tester"', 'class = "oven" #<')
    assert problems(tmp_path, text) == ["class: is not 'tester', which the station is"]


def test_all_at_once(tmp_path: Path) -> None:
    text = (
        BASE
        + '[signal.boards]\nat = 0\ntype = "u16"\nscale = 0 #<\nunit = "mm"\nexample = 3\n'
        + "[signal.bords] #<\nat = 1\nbit = 1\nexample = 3\n"
        + '[[alarm]] #<\nat = 500\nbit = 1\ncode = "E1"\ntext = "hot"\nseverity = "Alarm"\n'
        + '[[rule]]\nsignal = "x" #<\nwhen = "changed"\nrecord = "y" #<\n'
    ).replace("[[alarm]] #<\nat = 500\n", "[[alarm]]\nat = 500 #<\n")
    assert len(problems(tmp_path, text)) == 5


def test_a_profile_made_in_code_has_no_lines(tmp_path: Path) -> None:
    bound(tmp_path, SIGNAL)
    profile = load("tester/t", [tmp_path]).profile
    with pytest.raises(ConfigError) as caught:
        bind(profile, vocabulary("state"), "made/up")
    assert caught.value.problems == ["made/up:1: signal.state: is missing, and a tester needs it: The state."]
