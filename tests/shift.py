"""A simulated shift with the gateway, each as its user runs it, and what `lineside reconcile` says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.conftest import ROOT


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """folder: for the journal, the ledger and what the demo prints. scenario, troubles: packaged names, or files.

    look: real seconds between two looks at what is polled, as `reconcile` takes it: polls of a demo come at most every
    20 ms, and a busy computer takes its time.
    """

    folder: Path
    speed: float
    seed: int
    hours: float | None = None
    scenario: str | None = None
    troubles: str | None = None
    look: float = 0.25

    def run(self, timeout_s: float) -> None:
        """To its end. Raises AssertionError with what was printed when it does not end well."""
        options: dict[str, object] = {
            "--listen": "127.0.0.1:0",
            "--speed": self.speed,
            "--seed": self.seed,
            "--data": self.folder,
            "--hours": self.hours,
            "--scenario": self.scenario,
            "--troubles": self.troubles,
        }
        given = [str(each) for option, value in options.items() if value is not None for each in (option, value)]
        self.folder.mkdir(parents=True, exist_ok=True)
        said = self.folder / "demo.log"
        with said.open("wb") as log:
            done = _lineside(["demo", *given], timeout_s=timeout_s, stdout=log, stderr=subprocess.STDOUT)
        assert done.returncode == 0, said.read_text("utf-8")

    def reconciled(self) -> dict[str, Any]:
        """What `lineside reconcile --json` says."""
        ledger, journal = self.folder / "line.ledger", self.folder / "lineside.db"
        done = _lineside(
            ["reconcile", str(ledger), "--journal", str(journal), "--look", str(self.look), "--json"],
            timeout_s=600,
            stdout=subprocess.PIPE,
        )
        assert done.returncode in (0, 1), done
        answer: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) is answer["clean"]
        return answer


def _lineside(arguments: Sequence[str], *, timeout_s: float, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        timeout=timeout_s,
        check=False,
        **streams,
    )


def wrong(answer: dict[str, Any], most: int = 20) -> str:
    """What must not be in it, for people; empty when nothing is."""
    bad = [each for each in answer["findings"] if each["kind"] in ("lost", "duplicated", "invented", "wrong")]
    lines = [
        f"{each['kind']}: {each['station']} {each['message']} {each['units']} at {each['at']}, event {each['seq']}: "
        f"{each['details']}"
        for each in bad[:most]
    ]
    lines += [
        f"{each['kind']}: {station} {each['signal']}: expected {each['expected']}, got {each['got']}, "
        f"at {each['time'] or each['at']}, shown for {each['seconds']} s"
        for station, samples in (answer["samples"] or {}).items()
        for each in samples["findings"][:most]
    ]
    return "\n".join([*lines, *([f"and {len(bad) - most} more"] if len(bad) > most else [])])
