"""docs/tutorial-oven.md, done as it is written: a model that Lineside has never heard of becomes a CFX endpoint by one
TOML file. Only the ports are others."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.servers import free_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial-oven.md"
_FILE = re.compile(r"^`([\w/.-]+\.toml)`\n\n```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Tutorial:
    """The page with free ports in the place of its own."""

    def __init__(self, folder: Path) -> None:
        text = PAGE.read_text("utf-8")
        for port in ("1502", "8080"):
            text = re.sub(rf"\b{port}\b", str(free_port()), text)
        self.folder = folder
        self.files = dict(_FILE.findall(text))
        self._commands = [line for block in _SHELL.findall(text) for line in block.splitlines()]

    def command(self, start: str) -> list[str]:
        (line,) = [line for line in self._commands if line.startswith(f"lineside {start}")]
        return [sys.executable, "-m", "gateway", *shlex.split(line)[1:]]

    def run(self, start: str) -> str:
        done = subprocess.run(
            self.command(start), cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, start: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / f"{start}.log").open("ab") as log:
            process = subprocess.Popen(self.command(start), cwd=self.folder, stdout=log, stderr=log)
            try:
                yield process
            finally:
                process.terminate()
                assert process.wait(20) == 0

    def write(self) -> None:
        for name, content in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")


def _until(condition: Any, *, timeout_s: float = 40.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def _answers(tutorial: Tutorial) -> bool:
    done = subprocess.run(tutorial.command("probe"), cwd=tutorial.folder, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.slow
def test_as_it_is_written(tmp_path: Path) -> None:
    tutorial = Tutorial(tmp_path)
    (tmp_path / "lineside.toml").write_text(tutorial.files["lineside.toml"], "utf-8")
    assert "lineside profile test" in tutorial.run("profile new")
    skeleton = tmp_path / "profiles/reflow_oven/acme-ro8.toml"
    assert 'class = "reflow_oven"' in skeleton.read_text("utf-8")

    tutorial.write()
    assert not list(tmp_path.rglob("*.py"))
    tested = tutorial.run("profile test")
    assert "10:1170 11:0001" in tested  # 70,000 boards, the low word first
    assert "ok" in tutorial.run("check")
    with ExitStack() as stack:
        stack.enter_context(tutorial.running("simulate"))
        _until(lambda: _answers(tutorial))
        assert "zone.temperature[8]" in tutorial.run("probe")
        stack.enter_context(tutorial.running("run"))
        daemon = Daemon(tmp_path / "lineside.toml")
        stack.callback(daemon.close)
        _until(lambda: daemon.status("/readyz") == 200)
        wanted = {"UnitsArrived", "WorkStarted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted", "RecipeActivated"}
        _until(lambda: wanted <= {event["message"].rpartition(".")[2] for event in daemon.events("message=CFX.*")})
        events = list(daemon.events("message=CFX.*"))
        signals = {each["signal"]: each for each in daemon.get("/stations/L1.reflow/signals")["signals"]}
    assert {event["origin"] for event in events} == {"derived"}
    processed = next(event for event in events if event["message"].endswith("UnitsProcessed"))
    data = processed["body"]["CommonProcessData"]
    assert data["$type"] == "CFX.Structures.SolderReflow.ReflowProcessData, CFX"
    assert len(data["ZoneData"]) == 8
    assert data["ConveyorSpeed"] == pytest.approx(85.0, rel=0.05)  # cm/min
    assert signals["conveyor.speed"]["unit"] == "cm/min"
    transaction = processed["transaction"]
    inside = [event["message"].rpartition(".")[2] for event in events if event["transaction"] == transaction]
    assert inside[-2:] == ["UnitsProcessed", "WorkCompleted"]
