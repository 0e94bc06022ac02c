"""A short shift through all protocols, compared with what really happened; `make soak` does a long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shift import Shift, wrong

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.mosquitto]
STATIONS = 13


def test_everything_that_disturbs_and_nothing_lost(tmp_path: Path) -> None:
    shift = Shift(folder=tmp_path, speed=90.0, seed=2, hours=0.3, scenario="everything")
    shift.run(timeout_s=300)
    answer = shift.reconciled()
    assert wrong(answer) == ""
    assert answer["clean"]
    assert answer["timed"]
    told = {station: sum(each["told"].values()) for station, each in answer["stations"].items()}
    assert len(told) == STATIONS
    assert [station for station, count in told.items() if not count] == []
    assert answer["totals"]["explained"] == 0


def test_a_storm_and_only_what_gaps_explain_is_missing(tmp_path: Path) -> None:
    shift = Shift(folder=tmp_path, speed=90.0, seed=2, hours=0.5, scenario="everything", troubles="storm")
    shift.run(timeout_s=300)
    answer = shift.reconciled()
    assert wrong(answer) == ""
    assert answer["clean"]
    assert answer["totals"]["explained"] > 0
    assert sum(each["gaps"] for each in answer["stations"].values()) >= 8
