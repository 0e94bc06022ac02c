"""`lineside profile` as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import application
from gateway.core.errors import ConfigError
from tests.conftest import ROOT

EXAMPLE = "reflow_oven/example-10-zone"


def lineside(*arguments: str) -> tuple[int, str, str]:
    """Exit status, output and complaints, the last as the command's entry point prints them."""
    done = CliRunner().invoke(application(), ["profile", *arguments])
    if isinstance(done.exception, ConfigError):
        return 2, done.stdout, "\n".join(done.exception.problems)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration beside which profiles may lie."""
    path = tmp_path / "lineside.toml"
    path.touch()
    return str(path)


def test_the_list(tmp_path: Path, config: str) -> None:
    own = tmp_path / "profiles" / "reflow_oven" / "mine.toml"
    own.parent.mkdir(parents=True)
    own.write_text('protocol = "modbus"\n', encoding="utf-8")
    code, out, err = lineside("list", "-c", config)
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert [EXAMPLE, "reflow_oven", "modbus", "example", str(ROOT / f"config/profiles/{EXAMPLE}.toml")] in rows
    assert ["reflow_oven/mine", "-", "-", "-", str(own)] in rows
    assert err.startswith("reflow_oven/mine cannot be used: ")
    code, out, _ = lineside("list", "--json", "-c", config)
    found = {row["name"]: row for row in json.loads(out)}
    assert found[EXAMPLE]["problem"] is None
    assert found["reflow_oven/mine"]["problem"].startswith(f"{own}:1: ")


def test_trying_one(tmp_path: Path, config: str) -> None:
    code, out, err = lineside("test", EXAMPLE, "-c", config)
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["zone.temperature[1]", "150", "150", "100:05dc"] in rows  # 1500 tenths
    assert ["oxygen", "412.5", "412.5", "122:43ce", "123:4000"] in rows  # 0x43CE4000 is 412.5
    assert rows[-1][1] == "ok:"
    code, out, _ = lineside("test", EXAMPLE, "--json", "-c", config)
    assert {"key": "units.out", "example": 1042, "registers": "134:0000 135:0412", "decoded": 1042} in json.loads(out)[
        "examples"
    ]


def test_one_that_is_wrong(tmp_path: Path, config: str) -> None:
    path = tmp_path / "profiles" / "reflow_oven" / "mine.toml"
    path.parent.mkdir(parents=True)
    text = (ROOT / f"config/profiles/{EXAMPLE}.toml").read_text(encoding="utf-8")
    path.write_text(
        text.replace("at = 130", "at = 990").replace('"conveyor.speed"', '"conveyor.sped"'), encoding="utf-8"
    )
    for name in ("reflow_oven/mine", str(path)):
        code, out, err = lineside("test", name, "-c", config)
        assert (code, out) == (1, "")
        assert len(err.splitlines()) == 2
        assert "signal.state.at: needs address 990, in no poll" in err
        assert "did you mean 'conveyor.speed'?" in err
    code, out, _ = lineside("test", str(path), "--json", "-c", config)
    assert code == 1
    assert len(json.loads(out)["problems"]) == 2
    code, _, err = lineside("test", "reflow_oven/none", "-c", config)
    assert code == 1
    assert err.startswith("there is no profile 'reflow_oven/none'")


def test_a_class_that_there_is_not(tmp_path: Path, config: str) -> None:
    path = tmp_path / "x.toml"
    text = (ROOT / f"config/profiles/{EXAMPLE}.toml").read_text(encoding="utf-8")
    path.write_text(text.replace('class = "reflow_oven"', 'class = "reflow_ovn"'), encoding="utf-8")
    code, _, err = lineside("test", str(path), "-c", config)
    assert code == 1
    assert err.startswith(f"{path}:3: class: 'reflow_ovn' is no machine class, did you mean 'reflow_oven'?")


def test_a_new_one(tmp_path: Path, config: str) -> None:
    arguments = ("new", "acme-ro8", "--class", "reflow_oven", "--protocol", "modbus", "-c", config)
    code, out, _ = lineside(*arguments)
    path = tmp_path / "profiles/reflow_oven/acme-ro8.toml"
    assert code == 0
    assert str(path) in out
    text = path.read_text(encoding="utf-8")
    assert '[signal."zone.temperature"]' in text
    path.write_text(text + "# mine\n", encoding="utf-8")
    code, _, err = lineside(*arguments)
    assert code == 2
    assert "is there already" in err
    assert path.read_text(encoding="utf-8").endswith("# mine\n")
    code, _, err = lineside("test", "reflow_oven/acme-ro8", "-c", config)
    assert code == 1
    assert "signal.'zone.temperature'.at: is missing" in err


def test_a_new_one_that_cannot_be(tmp_path: Path, config: str) -> None:
    code, _, err = lineside("new", "../x", "--class", "reflow_oevn", "--protocol", "modbs", "-c", config)
    assert code == 2
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "--class",
        "--protocol",
        "'../x' is no name; allowed",
    ]
    assert not (tmp_path / "profiles").exists()
