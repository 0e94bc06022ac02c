"""The table of machine classes is current, and what it says is so."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from gateway.cfx.catalogue import compound
from gateway.classes import common
from gateway.classes.machine_class import MachineClass
from gateway.classes.registry import CLASSES
from gateway.classes.table import MARK, PAGE, generated, reference, ways
from gateway.config.models import MachineClass as Name
from gateway.profile.units import check
from gateway.profile.vocabulary import FieldSpec, Kind, SignalSpec
from tests.conftest import ROOT

every_class = pytest.mark.parametrize("machine_class", CLASSES.values(), ids=lambda each: each.name)


def test_the_page_is_current() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == generated(ROOT)[PAGE], "run `lineside schema --write .`"


def test_a_page_without_its_mark_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / PAGE).write_text("by hand", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the line"):
        generated(tmp_path)
    (tmp_path / PAGE).write_text(f"by hand\n\n{MARK}\nold", encoding="utf-8")
    assert generated(tmp_path)[PAGE].startswith(f"by hand\n\n{MARK}\n\n## Overview")


def test_there_is_a_class_for_every_name_of_the_configuration() -> None:
    assert CLASSES.keys() == set(get_args(Name))


@every_class
def test_a_class_has_a_section_with_all_its_words(machine_class: MachineClass) -> None:
    section = reference().split(f"\n## {machine_class.name}\n")[1].split("\n## ")[0]
    every = reference().split("\n## Every class\n")[1].split("\n## ")[0]
    words = machine_class.vocabulary
    for name in (*words.signals, *words.records):
        assert any(f"`{name}{end}" in page for page in (section, every) for end in "`@:["), name
    for name in machine_class.messages:
        assert f"`{name.rpartition('.')[2]}`" in section + every, name


@every_class
def test_its_messages_are_of_cfx(machine_class: MachineClass) -> None:
    for name in (*machine_class.messages, *(each for req in machine_class.requirements for each in req.messages)):
        found = compound(name)
        assert found is not None, name
        assert found.kind is not None, name
    assert len(set(machine_class.messages)) == len(machine_class.messages)


@every_class
def test_its_requirements_can_be_met_from_its_words(machine_class: MachineClass) -> None:
    for requirement in machine_class.requirements:
        if requirement.needs:
            assert ways(requirement, machine_class.vocabulary), f"{requirement.capability}: no way"
            assert set(requirement.messages) <= set(machine_class.messages), requirement.capability
        else:
            assert requirement.note, f"{requirement.capability}: why not?"


@every_class
def test_its_own_requirements_name_nothing_else(machine_class: MachineClass) -> None:
    for requirement in machine_class.requirements:
        if requirement not in common.REQUIREMENTS:
            assert len(ways(requirement, machine_class.vocabulary)) == len(requirement.needs), requirement.needs


@every_class
def test_its_words_are_well_formed(machine_class: MachineClass) -> None:
    words = machine_class.vocabulary
    assert words.machine_class == machine_class.name
    specs: list[SignalSpec | FieldSpec] = list(words.signals.values())
    for record in words.records.values():
        specs += record.fields
        assert set(record.children) <= words.records.keys(), record.name
    for spec in specs:
        assert spec.name == spec.name.lower()
        assert spec.meaning.endswith("."), spec.name
        assert (spec.unit is not None) is (spec.kind is Kind.NUMBER), spec.name
        if spec.unit is not None:
            check(spec.unit)
    for name, spec_ in words.signals.items():
        assert spec_.name == name


@every_class
def test_every_record_of_its_own_reaches_it(machine_class: MachineClass) -> None:
    """It is nested in another one, or something is done with it."""
    shared = {spec.name for spec in (*common.RECORDS, *common.WORK_RECORDS)}
    words = machine_class.vocabulary
    nested = {child for record in words.records.values() for child in record.children}
    assert words.records.keys() - shared - nested <= machine_class.records.keys()
    assert machine_class.records.keys() <= words.records.keys()
    assert machine_class.watched <= words.signals.keys()
