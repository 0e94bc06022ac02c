"""How far back the newest events reach that fit into a number of bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

EVENT = 600
"""About what an event takes in the file beside its body, with what stands around that and with its indexes."""
_BLOCKS = 256
"""So many stretches that are counted together make up the bytes: it is known to that part of them."""


class Newest:
    """Counts what comes in, and backwards what was there before, as far as it is asked for: a page at a time.

    most: no more bytes than these are of interest. `back_to`: of everything from this number on, the bytes are known;
    `complete`: there is nothing before it.
    """

    def __init__(self, most: int, head: int) -> None:
        self.most = most
        self.back_to = head + 1
        self.complete = False
        self._blocks: deque[tuple[int, int]] = deque()  # (number of the first, bytes), the oldest first
        self.bytes = 0
        self._head = head

    def add(self, first: int, last: int, size: int) -> None:
        """What was just committed, and how many bytes it has."""
        self._head = last
        block = self.most // _BLOCKS
        if self._blocks and self._blocks[-1][1] + size <= block:
            begin, known = self._blocks.pop()
            self._blocks.append((begin, known + size))
        else:
            self._blocks.append((first, size))
        self.bytes += size
        self._trim()

    def extend(self, rows: Sequence[tuple[int, int]], back_to: int) -> None:
        """What was there before, (number, bytes), the newest first, back to this number."""
        block = self.most // _BLOCKS
        for number, size in rows:
            if self._blocks and self._blocks[0][1] + size <= block:
                _, known = self._blocks.popleft()
                self._blocks.appendleft((number, known + size))
            else:
                self._blocks.appendleft((number, size))
            self.bytes += size
        self.back_to = back_to

    def _trim(self) -> None:
        while len(self._blocks) > 1 and self.bytes - self._blocks[0][1] > self.most:
            self.bytes -= self._blocks.popleft()[1]
            self.back_to = self._blocks[0][0]
            self.complete = False

    def beyond(self, budget: int) -> int | None:
        """The number up to which events are more than the budget; None: all that is counted fits into it."""
        left, upto = budget, self._head
        for first, size in reversed(self._blocks):
            left -= size
            if left < 0:
                return upto
            upto = first - 1
        return None

    def behind(self, number: int) -> int:
        """Bytes of what is counted behind this number; of the stretch that it is in, all of them."""
        size = 0
        for first, part in reversed(self._blocks):
            size += part
            if first <= number + 1:
                break
        return size if number < self._head else 0
