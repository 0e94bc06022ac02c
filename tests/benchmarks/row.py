"""One line of the table: what was compared, and how it came out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import Literal

import msgspec

Target = tuple[Literal["at least", "at most", "above", "below"], float] | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """values: one per pair (a ratio) or per run (a measure); the table shows their median and range.

    a, b: what was measured of each side, in words. target: at least or at most, None where it is only reported.
    reported: what others measured of B's path, and B's median as a part of it; below 0.7 the row is doubtful.
    """

    what: str
    a: str
    b: str
    values: tuple[float, ...]
    unit: str = ""
    target: Target = None
    reported: tuple[float, float] | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        how, bound = self.target
        return {
            "at least": self.median >= bound,
            "at most": self.median <= bound,
            "above": self.median > bound,
            "below": self.median < bound,
        }[how]

    @property
    def doubtful(self) -> bool:
        return self.reported is not None and self.reported[1] < 0.7

    def cells(self) -> list[str]:
        result = f"{self.median:.2f} [{min(self.values):.2f} to {max(self.values):.2f}] {self.unit}".rstrip()
        target = "" if self.target is None else f"{self.target[0]} {self.target[1]:g} {self.unit}".rstrip()
        met = {None: "", True: "yes", False: "NO"}[self.met]
        verdict = ", ".join(filter(None, (met, "doubtful" if self.doubtful else "")))
        return [self.what, self.a, self.b, result, target, verdict]

    def as_json(self) -> dict[str, object]:
        return {
            **msgspec.structs.asdict(self),
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "met": self.met,
            "doubtful": self.doubtful,
        }


HEAD = ["what", "A", "B", "median [range]", "target", "met"]


def against(
    what: str,
    mine: Sequence[float],
    theirs: Sequence[float],
    *,
    names: tuple[str, str],
    target: Target,
    reported: float | None = None,
    note: str = "",
) -> Row:
    """Messages per second, pair by pair."""
    return Row(
        what=what,
        a=f"{names[0]} {median(mine):,.0f}/s",
        b=f"{names[1]} {median(theirs):,.0f}/s",
        values=tuple(a / b for a, b in zip(mine, theirs, strict=True)),
        target=target,
        reported=None if reported is None else (reported, median(theirs) / reported),
        note=note,
    )


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


Say = Callable[[str], None]


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"  {text}", file=sys.stderr, flush=True)
