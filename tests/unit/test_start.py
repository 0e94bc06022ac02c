"""What is loaded to start: a gateway that comes back has machines waiting, and most of a start is loading."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gateway.cli.app import application
from tests.conftest import ROOT

LIBRARIES = frozenset(("asyncpg", "asyncua", "paho", "proton", "rich"))
"""Of single protocols and sinks, and of help."""


def loaded(module: str) -> frozenset[str]:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())


def test_a_gateway_loads_the_libraries_of_no_protocol() -> None:
    assert loaded("gateway.cli.run") & (LIBRARIES | {"simulators"}) == set()


@pytest.mark.parametrize(
    ("command", "without"),
    [
        ("token", {"fastapi", "sqlalchemy", "numpy", "pydantic"}),
        ("schema", {"fastapi", "sqlalchemy", "numpy"}),
        ("profile", {"fastapi", "numpy"}),
    ],
)
def test_a_command_loads_what_it_needs(command: str, without: set[str]) -> None:
    assert loaded(f"gateway.cli.{command}") & without == set()


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["runs"], ["-c", "run"]])
def test_all_commands_are_there_for_whoever_names_none(arguments: list[str]) -> None:
    names = {each.name for each in application(arguments).registered_commands}
    assert {"run", "demo", "token", "import-pcap"} <= names
    assert {each.name for each in application(arguments).registered_groups} == {"profile", "capture"}


def test_the_one_that_is_named_is_alone() -> None:
    assert [each.name for each in application(["import-pcap", "--help"]).registered_commands] == ["import-pcap"]
    assert [each.name for each in application(["profile", "list"]).registered_groups] == ["profile"]
    done = CliRunner().invoke(application(["token"]), ["token", "--help"])
    assert done.exit_code == 0
    assert "token [OPTIONS]" in done.output


def test_a_command_that_is_not_there_is_named() -> None:
    done = CliRunner().invoke(application(["rum"]), ["rum"])
    assert done.exit_code == 2
    assert "'rum'" in done.output
