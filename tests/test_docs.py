"""The documentation says nothing that is not so: links, paths, make targets, commands and examples."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import application

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BY_NAME = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]

LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)([^)#\s]*)(?:#[^)\s]*)?\)")
OUR_PATH = re.compile(r"`((?:gateway|adapters|simulators|config|tests|docs|\.ci)/[\w./-]*)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROFILE = re.compile(r"^`(profiles/[\w/.-]+\.toml)`\n\n```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:^|`)make ((?:[a-z]+ ?)+)", re.MULTILINE)
COMMAND = re.compile(r"(?:^|`|bin/)lineside ([a-z]+(?:-[a-z]+)*)\b", re.MULTILINE)


def _blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def _mentioned(pattern: re.Pattern[str]) -> set[str]:
    return {
        word for page in PAGES for found in pattern.findall(page.read_text(encoding="utf-8")) for word in found.split()
    }


def _lineside(*arguments: str) -> str:
    """What it complained about; empty if it succeeded."""
    done = CliRunner().invoke(application(), arguments)
    return f"exit status {done.exit_code}: {done.output}{done.exception!r}" if done.exit_code else ""


@pytest.mark.parametrize("page", BY_NAME)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", BY_NAME)
def test_paths_exist(page: Path) -> None:
    paths = OUR_PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    mentioned = _mentioned(MAKE)
    assert {"demo", "test"} <= mentioned <= targets


def test_commands_exist() -> None:
    commands = sorted(_mentioned(COMMAND))
    assert "run" in commands
    for command in commands:
        done = CliRunner().invoke(application(), [command, "--help"])
        assert done.exit_code == 0, f"lineside {command} --help: {done.output}"


@pytest.mark.parametrize("page", BY_NAME)
def test_profile_examples_are_right(page: Path, tmp_path: Path) -> None:
    """Every TOML block that is a whole profile fits its class."""
    for number, example in enumerate(_blocks(page, "toml")):
        if {"class", "protocol"} <= tomllib.loads(example).keys():
            file = tmp_path / f"example-{number}.toml"
            file.write_text(example, encoding="utf-8")
            assert _lineside("profile", "test", str(file)) == ""


@pytest.mark.parametrize("page", BY_NAME)
def test_configuration_examples_are_right(page: Path, tmp_path: Path) -> None:
    """Every TOML block parses, and one that is a whole configuration passes `lineside check`."""
    for name, profile in PROFILE.findall(page.read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(profile, encoding="utf-8")
    for example in _blocks(page, "toml"):
        if "gateway" not in tomllib.loads(example):
            continue
        for secret in re.findall(r'"file:([\w.-]+)"', example):
            (tmp_path / secret).write_text("pnp2:certificate\n", encoding="utf-8")
        file = tmp_path / "lineside.toml"
        file.write_text(example, encoding="utf-8")
        assert _lineside("check", "-c", str(file)) == ""
