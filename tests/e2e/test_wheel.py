"""What users get: the wheel, installed into an empty environment and run from `/`, far from this repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.demo import demo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("wheel"),
]  # installed once, not by each worker

ROOT = Path(__file__).resolve().parents[2]


def _environment() -> dict[str, str]:
    """Ours without what would lead the installed program back to this repository; pip held to the constraints."""
    constraints = (ROOT / "constraints.txt").as_uri()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LINESIDE_", "PYTHON", "VIRTUAL_ENV", "COV_"))
    }
    return inherited | {
        "PIP_CONSTRAINT": constraints,
        "PIP_BUILD_CONSTRAINT": constraints,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd="/", env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _pip(bin_folder: Path, *arguments: str | Path) -> str:
    return _run(sys.executable, "-m", "pip", "--python", bin_folder / "python", *arguments)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the wheel and its dependencies; compiled ones come from pip's cache when it has them.

    It has no pip of its own, and only what is imported becomes bytecode: half the time that it takes to make.
    """
    environment = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", "--without-pip", environment)
    _pip(environment / "bin", "install", "--quiet", "--no-compile", wheel)
    return environment / "bin"


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.startswith("lineside-")} == {"gateway", "adapters", "simulators"}
    assert {
        f"gateway/_config/{name}" for name in ("lineside.toml", "scenarios/everything.toml", "scenarios/storm.toml")
    } <= {*names}
    assert "gateway/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".db", ".so"))]


def test_imports_from_the_environment(bin_folder: Path) -> None:
    code = "import gateway, adapters, simulators; print(gateway.__file__, adapters.__file__, simulators.__file__)"
    for path in _run(bin_folder / "python", "-c", code).split():
        assert Path(path).is_relative_to(bin_folder.parent)


def test_without_development_packages(bin_folder: Path) -> None:
    frozen = _pip(bin_folder, "freeze")
    installed = {re.split(r"==| @ ", line)[0].lower() for line in frozen.splitlines()}
    assert "lineside" in installed
    assert not installed & {"pytest", "mypy", "ruff", "httpx", "import-linter"}


def test_amqp_library_is_complete(bin_folder: Path) -> None:
    _run(bin_folder / "python", ROOT / ".ci/verify-install")


# From here on: what the command line has to do.


def test_help(bin_folder: Path) -> None:
    shown = _run(bin_folder / "lineside", "--help")
    for command in ("run", "demo", "check", "events", "simulate", "reconcile"):
        assert re.search(rf"\b{command}\b", shown), f"no {command!r} in\n{shown}"


def test_module_form(bin_folder: Path) -> None:
    assert "demo" in _run(bin_folder / "python", "-m", "gateway", "--help")


def test_demo(bin_folder: Path, tmp_path: Path) -> None:
    """All of the line is in the wheel, with its profiles: each kind of protocol is heard within seconds."""
    with demo(
        tmp_path, "--speed", "30", "--scenario", "everything",
        command=(bin_folder / "lineside",), environment=_environment(), cwd=Path("/"),
    ) as run:  # fmt: skip
        screen = run.screen()
        for said in (
            "thirteen machines",
            "Speed 30, seed ",
            "/api/v1/events/stream",
            "/api/v1/docs",
            "Ctrl-C stops it",
        ):
            assert said in screen
        told = {"L1.printer", "L1.spi", "L1.aoi", "L1.loader", "L1.scan"}  # AMQP, MQTT, OPC UA, Hermes, serial
        events = run.heard(lambda events: told <= {each["station"] for each in events if "CFX." in each["message"]})
        assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
        assert run.get("/events?limit=1")["events"] == events[:1]
        assert run.interrupt() == 0, run.output
        with pytest.raises(ProcessLookupError):  # nothing that it started is left
            os.killpg(run.process.pid, 0)
        assert run.servants() == []
    assert "Traceback" not in run.output
    assert {path.name for path in run.data.iterdir()} >= {"lineside.db", "line.ledger"}
