"""The tables of what need not be proven are true: every line is about something, and the documentation has the same."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from adapters.registry import ADAPTERS
from tests.conftest import ROOT
from tests.contract.exemptions import DEFECTS, EXEMPT, UNPROVEN, Exemption
from tests.contract.registry import RIGS

TABLES = pytest.mark.parametrize("table", [EXEMPT, DEFECTS], ids=["exempt", "defects"])


def contract_tests() -> set[str]:
    """Those that take a rig."""
    modules = [import_module(f"tests.contract.{path.stem}") for path in Path(__file__).parent.glob("test_*.py")]
    functions = [each for module in modules for each in inspect.getmembers(module, inspect.isfunction)]
    return {name for name, made in functions if {"rig", "open_rig"} & set(inspect.signature(made).parameters)}


def documented(heading: str) -> list[tuple[str, str, str]]:
    """The rows of the table below this heading of docs/adapters.md."""
    text = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return [(rigs.strip(), tests.strip(), reason.strip()) for rigs, tests, reason in cells]


def test_every_protocol_has_a_rig_or_is_said_to_have_none() -> None:
    """The name of a rig is that of its protocol, or begins with it (`cfx-amqp-listener`)."""
    names = [entry.name for entry in RIGS]
    assert len(set(names)) == len(names)
    proven = {max((each for each in ADAPTERS if f"{name}-".startswith(f"{each}-")), key=len) for name in names}
    assert proven.isdisjoint(UNPROVEN)
    assert proven | set(UNPROVEN) == set(ADAPTERS)


def test_the_documentation_has_what_is_unproven() -> None:
    section = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8").partition("## Without a rig\n")[2]
    assert re.findall(r"^- `([a-z-]+)`: (.*)\.$", section.partition("\n## ")[0], re.MULTILINE) == [*UNPROVEN.items()]


@TABLES
def test_what_is_named_exists(table: tuple[Exemption, ...]) -> None:
    rigs, tests = {entry.name for entry in RIGS}, contract_tests()
    for each in table:
        assert set(each.rigs) <= rigs
        assert set(each.tests) <= tests
        assert len(each.reason.split()) > 5, "a reason that somebody can judge"


def test_nothing_is_named_twice() -> None:
    pairs = Counter((rig, test) for each in (*EXEMPT, *DEFECTS) for rig in each.rigs for test in each.tests)
    assert [pair for pair, count in pairs.items() if count > 1] == []


@pytest.mark.parametrize(
    ("heading", "table"), [("Exemptions", EXEMPT), ("Known defects", DEFECTS)], ids=["exempt", "defects"]
)
def test_the_documentation_has_them(heading: str, table: tuple[Exemption, ...]) -> None:
    def code(names: tuple[str, ...]) -> str:
        return ", ".join(f"`{name}`" for name in names)

    assert documented(heading) == [(code(each.rigs), code(each.tests), each.reason) for each in table]
