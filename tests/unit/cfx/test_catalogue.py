"""The catalogue is what the facts say it is, and nobody edited the file by hand."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from gateway.cfx.catalogue import compound, enum, enums, heirs, kind, messages, structures
from gateway.core.observation import Kind
from tests.conftest import ROOT


def test_it_has_every_type_once() -> None:
    assert (len(messages()), len(structures()), len(enums())) == (182, 272, 101)
    assert len({*messages(), *structures(), *enums()}) == 182 + 272 + 101
    assert Counter(kind(name) for name in messages()) == {Kind.EVENT: 97, Kind.REQUEST: 42, Kind.RESPONSE: 43}


def test_a_helper_structure_is_no_message() -> None:
    assert kind("CFX.ResourcePerformance.ConsumptionDetail") is Kind.UNKNOWN
    assert "CFX.ResourcePerformance.ConsumptionDetail" in structures()
    assert kind("Example.Own") is Kind.UNKNOWN
    assert compound("Example.Own") is None
    assert enum("Example.Own") is None


def test_every_type_that_a_field_names_exists() -> None:
    known = {*structures(), *enums()}
    for name in (*messages(), *structures()):
        entry = compound(name)
        assert entry is not None
        for field in entry.fields.values():
            assert "." not in field.type or field.type in known, f"{name}.{field.name}: {field.type}"
            assert field.counts is None or field.counts in entry.fields
        assert all(base in structures() or base in messages() for base in entry.bases)


def test_fields_carry_all_their_facts() -> None:
    started = compound("CFX.Production.WorkStarted")
    assert started is not None
    assert list(started.fields)[:4] == ["PrimaryIdentifier", "HermesIdentifier", "TransactionID", "Lane"]
    assert started.tag == "CFX.Production.WorkStarted, CFX"
    count, lane, units = started.fields["UnitCount"], started.fields["Lane"], started.fields["Units"]
    assert (count.type, count.counts) == ("int32", "Units")
    assert (lane.type, lane.nullable, lane.many) == ("int32", True, False)
    assert (units.type, units.many, units.tagged) == ("CFX.Structures.UnitPosition", True, False)
    assert started.fields["RecipeName"].since == "2.1"


def test_enumerations_have_three_wire_forms() -> None:
    forms = Counter(entry.wire for name in enums() if (entry := enum(name)) is not None)
    assert forms == {"name": 88, "integer": 12, "code": 1}
    result = enum("CFX.Structures.WorkResult")
    assert result is not None
    assert list(result.values) == ["Completed", "Failed", "Aborted", "Skipped"]
    assert result.added == {"Skipped": "1.4"}


def test_subtypes_are_found_at_every_depth() -> None:
    assert "CFX.Structures.Coating.EncapsulationProcessData" in heirs("CFX.Structures.ProcessData")
    assert heirs("CFX.Structures.Operator") == {"CFX.Structures.Operator"}
    assert len(heirs("CFX.Structures.RejectionDetails")) == 6


@pytest.mark.parametrize("arguments", [[], ["one"]])
def test_the_generator_says_how_it_is_used(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cfx.make_catalogue", *arguments], capture_output=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert b"SCHEMA.json" in done.stderr


def test_generating_again_gives_the_file(shared: Path) -> None:
    facts = shared / "cfx"
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cfx.make_catalogue", facts / "schema.json", facts / "catalogue.tsv"],
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout == resources.files("gateway.cfx").joinpath("catalogue.json").read_bytes()
