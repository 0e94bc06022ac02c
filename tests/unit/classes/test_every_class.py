"""Whatever machines show and say, in any order and with any part missing: every message is one that the class declares,
and a strict peer takes it. `Machine` checks both, and that each step is pure."""

from __future__ import annotations

import random

import pytest

from gateway.classes.machine_class import MachineClass
from gateway.classes.registry import CLASSES
from gateway.core.observation import Record
from gateway.core.sample import SignalKey, Value
from gateway.core.times import rfc3339
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec
from tests.unit.classes.machines import START, Machine, alarm, record

_TEXTS = ("A", "B", "SN 4711", "R1 R2", "", "NOREAD", "ä" * 70)
_REQUIRED: dict[Kind, Value] = {Kind.TEXT: "A", Kind.STATE: "SBY", Kind.NUMBER: 1, Kind.FLAG: True}
_STATES = ("PRD_RegularWork", "SBY", "USD", "5300", 1100, "nonsense")


def value(spec: SignalSpec | FieldSpec, dice: random.Random) -> Value:
    """Anything that decoding may give for it."""
    if dice.random() < 0.15:
        return None
    if spec.choices:
        return dice.choice(spec.choices)
    match spec.kind:
        case Kind.NUMBER:
            return dice.choice((0, 1, 2, 3.5, -4.25, 120))
        case Kind.COUNTER:
            return dice.choice((0, 1, 2, 3, 5, 250, 70_000))
        case Kind.STATE:
            return dice.choice(_STATES)
        case Kind.FLAG:
            return dice.random() < 0.5
        case Kind.TIME:
            return rfc3339(START + dice.randrange(-100_000_000, 100_000_000))
        case _:
            return dice.choice(_TEXTS)


def said(spec: RecordSpec, words: dict[str, RecordSpec], dice: random.Random, depth: int = 0) -> Record:
    fields: dict[str, Value] = {}
    for field in spec.fields:
        found = value(field, dice)
        if field.required and found is None:
            found = _REQUIRED[field.kind]
        if found is not None and (field.required or dice.random() < 0.8):
            fields[field.name] = found
    children = [
        said(words[name], words, dice, depth + 1)
        for name in spec.children
        for _ in range(dice.randrange(3) if depth < 3 else 0)
    ]
    return record(
        spec.name,
        fields,
        *children,
        time=START + dice.randrange(10**9) if dice.random() < 0.3 else None,
        lane=dice.choice((None, 1, 2)) if spec.lane else None,
        stage=dice.choice((None, "top")) if spec.stage else None,
    )


def keys(machine_class: MachineClass) -> dict[str, SignalSpec]:
    """Every signal, arrays with two places; what may differ by lane, on two lanes."""
    found = {}
    for spec in machine_class.vocabulary.signals.values():
        for lane in (1, 2) if spec.lane else (None,):
            for index in (1, 2) if spec.array else (None,):
                found[str(SignalKey(spec.name, index, lane))] = spec
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("machine_class", CLASSES.values(), ids=lambda each: each.name)
def test_anything_that_a_machine_may_show_and_say(machine_class: MachineClass, seed: int) -> None:
    dice = random.Random(f"{machine_class.name} {seed}")
    specs, words = keys(machine_class), dict(machine_class.vocabulary.records)
    nested = {child for spec in words.values() for child in spec.children}
    outermost = [spec for name, spec in words.items() if name not in nested]
    told = [spec.name for spec in outermost if dice.random() < 0.5]
    alarms = [alarm("E1", debounce=1_500_000), alarm("E2", lane=2)]
    machine = Machine(machine_class.name, *specs, alarms=alarms, told=told)
    for _ in range(120):
        choice = dice.random()
        if choice < 0.6:
            some = dice.sample(sorted(specs), k=dice.randrange(1, len(specs)))
            shown = {key: value(specs[key], dice) for key in some}
            machine.see({**shown, **{each.key: dice.choice((True, False, None)) for each in alarms}})
        elif choice < 0.9:
            machine.say(said(dice.choice(outermost), words, dice))
        elif choice < 0.94:
            machine.lose()
        elif choice < 0.97:
            machine.restart()
        else:
            machine.tick(wait=2.0)
    assert machine.made
    for each in machine.made:
        if each.transaction is not None:
            assert len(each.transaction) == 36
