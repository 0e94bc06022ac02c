"""The benchmarks' table: what counts as met, and that the program prints and writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.load import envelopes
from tests.benchmarks.row import HEAD, Row, Target, against, table
from tests.conftest import ROOT


def row(*values: float, target: Target = None, reported: tuple[float, float] | None = None) -> Row:
    return Row(what="w", a="a", b="b", values=values, target=target, reported=reported)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (("at least", 2.0), True),
        (("at least", 2.1), False),
        (("at most", 2.0), True),
        (("at most", 1.9), False),
        (("above", 2.0), False),
        (("below", 2.0), False),
        (None, None),
    ],
)
def test_the_median_decides(target: Target, met: bool | None) -> None:
    assert row(1.0, 9.0, 2.0, target=target).met is met


def test_a_slow_baseline_makes_a_row_doubtful() -> None:
    assert row(1.0, target=("at least", 0.7), reported=(1000.0, 0.69)).cells()[-1] == "yes, doubtful"
    assert row(1.0, target=("at least", 0.7), reported=(1000.0, 0.7)).cells()[-1] == "yes"


def test_rates_are_compared_pair_by_pair() -> None:
    made = against("w", [10, 30, 40], [10, 10, 20], names=("ours", "theirs"), target=("above", 1.0), reported=20)
    assert made.values == (1.0, 3.0, 2.0)
    assert made.a == "ours 30/s"
    assert made.reported == (20, 0.5)


def test_the_table_has_a_column_for_each_cell() -> None:
    lines = table([row(1.0), row(123.456, target=("at least", 0.7))]).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(HEAD) + 1}
    assert {len(line) for line in lines} == {len(lines[0])}


def test_the_load_is_about_one_kilobyte_and_every_message_its_own() -> None:
    made = [json.loads(one) for one in envelopes(400)]
    assert len({one["UniqueID"] for one in made}) == 400
    assert all(800 < len(one) < 1200 for one in envelopes(400))
    boards = [unit["UnitIdentifier"] for one in made for unit in one["MessageBody"]["Units"]]
    assert len(boards) == 2 * len(set(boards))  # started and completed


def test_the_program_prints_the_table_and_writes_json(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", "decode", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr  # 1: a target is missed, which says nothing here
    assert "reading an event" in done.stdout
    (found,) = json.loads(file.read_bytes())["rows"]
    assert found["min"] <= found["median"] <= found["max"]
    assert len(found["values"]) >= 5
