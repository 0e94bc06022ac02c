"""Files that must agree with each other: dependencies and constraints, the Dockerfile and what it copies and installs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _pins() -> dict[str, str]:
    lines = [line for line in _read("constraints.txt").splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert len(pins) == len(lines)
    return {canonicalize_name(name): version for name, version in pins.items()}


def _requirements() -> list[str]:
    pyproject = tomllib.loads(_read("pyproject.toml"))
    project = pyproject["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [*project["dependencies"], *extras, *pyproject["build-system"]["requires"]]


@pytest.mark.parametrize("line", _requirements())
def test_constraints_hold_each_dependency(line: str) -> None:
    requirement = Requirement(line)
    assert requirement.specifier.contains(_pins()[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("lock", [ROOT / "constraints.txt", *sorted(ROOT.glob("tests/**/package-lock.json"))])
def test_no_lock_file_names_an_address(lock: Path) -> None:
    if "node_modules" not in lock.parts:
        assert re.findall(r"\w+://\S+", lock.read_text(encoding="utf-8")) == []


class Stage:
    def __init__(self, text: str) -> None:
        joined = text.replace("\\\n", " ")
        lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
        self.steps = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]

    def all(self, instruction: str) -> list[str]:
        return [rest for word, rest in self.steps if word == instruction]

    @property
    def packages(self) -> set[str]:
        runs = " && ".join(self.all("RUN"))
        return {word for words in re.findall(r"--no-install-recommends ([^&]*)", runs) for word in words.split()}


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    first, *texts = re.split(r"^(?=FROM )", _read("Dockerfile"), flags=re.MULTILINE)
    assert "FROM" not in first
    return [Stage(text) for text in texts]


def test_image_has_a_stage_to_build_and_one_to_run(stages: list[Stage]) -> None:
    build, final = stages
    wanted = set(re.findall(r"need (?:'([^']+)'|(\S+)) ", _read(".ci/system-packages").partition("look_servers")[0]))
    names = {name for pair in wanted for name in " ".join(pair).split() if "$" not in name}
    assert "libsasl2-dev" in names
    assert build.packages == names - {"libsasl2-modules"}
    assert final.packages == {"libssl3", "libsasl2-2", "libsasl2-modules"}
    assert not re.search(r"\b(pip|gcc|curl|wget)\b", " ".join(final.all("RUN")))


def test_image_does_not_run_as_root(stages: list[Stage]) -> None:
    final = stages[-1]
    (user,) = final.all("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert [word for word, _ in final.steps].index("USER") > [word for word, _ in final.steps].index("COPY")


def test_image_says_what_it_offers(stages: list[Stage]) -> None:
    final = stages[-1]
    assert final.all("EXPOSE") == ["8080 5672"]
    assert final.all("VOLUME") == ["/var/lib/lineside"]
    assert final.all("ENTRYPOINT") == ['["lineside"]']
    assert final.all("CMD") == ['["run", "-c", "/etc/lineside/lineside.toml"]']
    (health,) = final.all("HEALTHCHECK")
    assert "/healthz" in health


def test_what_the_image_copies_is_in_its_context(stages: list[Stage]) -> None:
    context = {line.removeprefix("!") for line in _read(".dockerignore").splitlines() if line.startswith("!")}
    copied = {
        name for stage in stages for rest in stage.all("COPY") if "--from" not in rest for name in rest.split()[:-1]
    }
    assert copied == context
    assert [name for name in copied if not (ROOT / name).exists()] == []
