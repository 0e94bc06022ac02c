"""Scripts of troubles: checked whole, carried out in order of virtual time."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from gateway.core.errors import ConfigError
from gateway.core.times import parse_rfc3339
from simulators import script
from simulators.ledger import Troubled


class Trouble(StrEnum):
    REFUSE = "refuse"
    LATE = "late"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    trouble: Trouble
    seconds: float = 0.0


class Board:
    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self) -> None:
        self.done: list[tuple[str, Any]] = []

    async def begin(self, fault: Any) -> None:
        self.done.append(("begin", fault))

    async def end(self, fault: Any) -> None:
        self.done.append(("end", fault))


TEXT = """
[[trouble]]
station = "L1.reflow"
trouble = "late"
at = "1.5min"
for = "30s"
seconds = 0.5

[[trouble]]
station = "L1.reflow"
trouble = "refuse"
at = "100s"
for = "500ms"

[[trouble]]
station = "L1.aoi"
trouble = "clock-skew"
at = "0s"
for = "1h"
seconds = -90
"""


async def test_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "storm.toml"
    path.write_text(TEXT)
    board = Board()
    read = script.read(path, {"L1.reflow": [board], "L1.aoi": []})
    late, refuse = Fault(trouble=Trouble.LATE, seconds=0.5), Fault(trouble=Trouble.REFUSE)
    began = []
    for second in (89.0, 95.0, 100.2, 130.0):
        for due in read.until(second):
            began.append(await read.apply(due))  # noqa: PERF401, one after the other
    assert board.done == [("begin", late), ("begin", refuse), ("end", refuse), ("end", late)]
    assert [each for each in began if each is not None] == [
        Troubled(at=0.0, seconds=3600.0, station="L1.aoi", trouble="clock-skew"),
        Troubled(at=90.0, seconds=30.0, station="L1.reflow", trouble="late"),
        Troubled(at=100.0, seconds=0.5, station="L1.reflow", trouble="refuse"),
    ]
    assert not read.over
    for due in read.until(3600.0):
        await read.apply(due)
    assert read.over


async def test_again_and_again() -> None:
    board = Board()
    table = {"station": "s", "trouble": "late", "at": "10s", "for": "5s", "every": "1min"}
    read = script.parse({"trouble": [table]}, {"s": [board]})
    times = []
    for due in read.until(140.0):
        await read.apply(due)
        times.append((due.at, due.begins))
    assert times == [(10.0, True), (15.0, False), (70.0, True), (75.0, False), (130.0, True), (135.0, False)]
    assert [each for each, _ in board.done] == ["begin", "end"] * 3
    assert not read.over


async def test_the_end_ends_what_has_begun() -> None:
    board = Board()
    tables = [
        {"station": "s", "trouble": "late", "at": "10s", "for": "1h", "every": "2h"},
        {"station": "s", "trouble": "refuse", "at": "1h", "for": "1s"},
    ]
    read = script.parse({"trouble": tables}, {"s": [board]})
    for due in read.until(20.0):
        await read.apply(due)
    await read.finish()
    assert board.done == [(each, Fault(trouble=Trouble.LATE)) for each in ("begin", "end")]
    assert read.over


@pytest.mark.parametrize(
    ("trouble", "more", "shown"),
    [
        ("clock-skew", {"seconds": -90}, "2026-11-20T11:59:30.000000Z"),
        ("clock-drift", {"rate": 0.1}, "2026-11-20T12:01:06.000000Z"),
        ("clock-2000", {}, "2000-01-01T00:01:00.000000Z"),
    ],
)
async def test_wrong_clocks(trouble: str, more: dict[str, float], shown: str) -> None:
    origin = parse_rfc3339("2026-11-20T12:00:00Z")

    def right(at: float) -> int:
        return origin + round(at * 1_000_000)

    table = {"station": "s", "trouble": trouble, "at": "0s", "for": "1h", **more}
    read = script.parse({"trouble": [table]}, {"s": [], "t": []})
    assert read.clock("s", right) is right
    for due in read.until(0.0):
        await read.apply(due)
    assert read.clock("s", right)(60.0) == parse_rfc3339(shown)
    assert read.clock("t", right) is right
    for due in read.until(3600.0):
        await read.apply(due)
    assert read.clock("s", right) is right


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"station": "L9"}, "trouble 1: station: 'L9' is none; allowed: s"),
        ({"trouble": "fire"}, "trouble 1: trouble: 'fire' cannot happen at s; allowed: clock-2000, .*late, refuse"),
        ({"at": "soon"}, "trouble 1: at: 'soon' is no duration; allowed: a number with ms, s, min or h"),
        ({"for": 5}, "trouble 1: for: 5 is no duration"),
        ({"every": "1s"}, "trouble 1: every: '1s' is not longer than it lasts; allowed: above 1s"),
        ({"second": 5}, "trouble 1: second: unknown; allowed: at, every, for, seconds, station, trouble"),
        ({"seconds": "5"}, r"trouble 1: Expected `float`, got `str` - at `\$\.seconds`"),
    ],
)
def test_what_is_wrong_is_said(table: dict[str, Any], said: str) -> None:
    whole = {"station": "s", "trouble": "late", "at": "1s", "for": "1s", **table}
    with pytest.raises(ConfigError, match=said):
        script.parse({"trouble": [whole]}, {"s": [Board()]})


def test_a_file_that_is_no_script(tmp_path: Path) -> None:
    for text, said in (
        ("[[fault]]\n", "fault: unknown"),
        ("trouble = 1\n", "write \\[\\[trouble\\]\\]"),
        ("[", "storm.toml: "),
    ):
        path = tmp_path / "storm.toml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            script.read(path, {})
    with pytest.raises(ConfigError, match="No such file"):
        script.read(tmp_path / "none.toml", {})
