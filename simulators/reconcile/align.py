"""Bringing two sequences together that should be the same: what stands for what, what is missing, what is too much.

Nearly linear where they agree: it walks along both, and only around a difference looks for the cheapest way to explain
it, in a window that grows until both run side by side again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")

_WINDOW = 64
_MOST = 1024
_SETTLED = 8
"""So many that agree in a row end a difference."""
_ALONE = 1.0
"""Cost of one without a partner, on either side."""


class Pair(NamedTuple):
    """Indices that belong together; None: nothing does."""

    left: int | None
    right: int | None


def align(
    left: Sequence[Left],
    right: Sequence[Right],
    cost: Callable[[Left, Right], float],
    *,
    missing: Callable[[Left], float] = lambda _: _ALONE,
    same: float = 0.05,
) -> list[Pair]:
    """All indices of both, each once, in order.

    cost: of taking two for the same, 0 for a perfect match; at 2 it is as good to take each as without a partner.
    missing: of taking one on the left as without a partner; 1, unless there is a reason why it should have none.
    Two whose cost is at most `same` are taken for each other without looking further, unless one of their neighbours
    fits better.
    """
    pairs: list[Pair] = []
    i = j = 0
    window = _WINDOW
    while i < len(left) and j < len(right):
        if _plain(left, right, i, j, cost, same):
            pairs.append(Pair(i, j))
            i, j = i + 1, j + 1
            window = _WINDOW
            continue
        near, far = left[i : i + window], right[j : j + window]
        whole = i + window >= len(left) and j + window >= len(right)
        found = _cheapest(near, far, cost, [missing(each) for each in near], open_end=not whole)
        kept = len(found) if whole else _settled(found, near, far, cost, same)
        if not kept and window < _MOST:
            window *= 4
            continue
        kept = kept or max(1, len(found) // 2)
        pairs.extend(_moved(pair, i, j) for pair in found[:kept])
        i += sum(pair.left is not None for pair in found[:kept])
        j += sum(pair.right is not None for pair in found[:kept])
        window = _WINDOW
    pairs.extend(Pair(index, None) for index in range(i, len(left)))
    pairs.extend(Pair(None, index) for index in range(j, len(right)))
    return pairs


def _plain(
    left: Sequence[Left], right: Sequence[Right], i: int, j: int, cost: Callable[[Left, Right], float], same: float
) -> bool:
    here = cost(left[i], right[j])
    return (
        here <= same
        and (i + 1 == len(left) or cost(left[i + 1], right[j]) >= here)
        and (j + 1 == len(right) or cost(left[i], right[j + 1]) >= here)
    )


def _moved(pair: Pair, i: int, j: int) -> Pair:
    return Pair(None if pair.left is None else i + pair.left, None if pair.right is None else j + pair.right)


def _settled(
    found: Sequence[Pair],
    left: Sequence[Left],
    right: Sequence[Right],
    cost: Callable[[Left, Right], float],
    same: float,
) -> int:
    """How many pairs there are up to where both run side by side again; 0 when they never do."""
    run = 0
    differed = False
    for number, (a, b) in enumerate(found, 1):
        if a is not None and b is not None and cost(left[a], right[b]) <= same:
            run += 1
        else:
            run, differed = 0, True
        if run == _SETTLED and differed:  # not those that agreed before the difference
            return number
    return 0


def _cheapest(
    left: Sequence[Left],
    right: Sequence[Right],
    cost: Callable[[Left, Right], float],
    missing: Sequence[float],
    *,
    open_end: bool,
) -> list[Pair]:
    """By dynamic programming over the whole window. missing: of each on the left. open_end: both go on behind it, so that what is left over on one
    side costs nothing, and is left out."""
    rows, columns = len(left), len(right)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for j in range(columns + 1):
        best[0][j] = j * _ALONE
    for i in range(1, rows + 1):
        above, row, one = best[i - 1], best[i], left[i - 1]
        gone = missing[i - 1]
        row[0] = above[0] + gone
        for j in range(1, columns + 1):
            alone = min(above[j] + gone, row[j - 1] + _ALONE)
            together = above[j - 1]
            row[j] = min(alone, together + cost(one, right[j - 1])) if together < alone else alone
    i, j = rows, columns
    if open_end:
        ends = [(best[rows][at], -rows - at, rows, at) for at in range(columns + 1)]
        ends += [(best[at][columns], -at - columns, at, columns) for at in range(rows + 1)]
        _, _, i, j = min(ends)
    pairs: list[Pair] = []
    while i or j:
        here = best[i][j]
        if i and j and here == best[i - 1][j - 1] + cost(left[i - 1], right[j - 1]):
            i, j = i - 1, j - 1
            pairs.append(Pair(i, j))
        elif i and here == best[i - 1][j] + missing[i - 1]:
            i -= 1
            pairs.append(Pair(i, None))
        else:
            j -= 1
            pairs.append(Pair(None, j))
    pairs.reverse()
    return pairs
