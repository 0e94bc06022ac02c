"""Which event of one sequence is which of another, while both are still being read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Generic, TypeVar

T = TypeVar("T")
Pair = tuple[T | None, T | None]
"""Of both sides; None where it is missing."""

Keys = Sequence[Callable[[T], Hashable]]
"""What two must have in common to be taken for the same: by the first of these if possible, else by the next ones."""

_WINDOW = 256
_MOST = 10_000
"""Of one side, waiting for the other; then the oldest count as missing there."""


class Aligner(Generic[T]):
    """Of one station. Feed both sides about as fast, take what `pairs` gives, and at the end what `rest` gives."""

    def __init__(self, keys: Keys[T], *, window: int = _WINDOW, most: int = _MOST) -> None:
        self._keys = keys
        self._window = window
        self._most = most
        self._first: list[T] = []
        self._second: list[T] = []
        self._seen = [False, False]

    def first(self, one: T) -> None:
        self._first.append(one)
        self._seen[0] = True

    def second(self, one: T) -> None:
        self._second.append(one)
        self._seen[1] = True

    @property
    def ahead(self) -> int:
        """By how many the first side is ahead of the second; 0 while one of them has had nothing."""
        return len(self._first) - len(self._second) if all(self._seen) else 0

    def pairs(self) -> Iterator[Pair[T]]:
        """What can be said for sure by now, in order."""
        yield from self._heads()
        while min(len(self._first), len(self._second)) >= self._window:
            yield from self._windows()
            yield from self._heads()
        if len(self._first) > self._most:
            half = self._most // 2
            yield from ((one, None) for one in self._first[:half])
            del self._first[:half]
        if len(self._second) > self._most:
            half = self._most // 2
            yield from ((None, one) for one in self._second[:half])
            del self._second[:half]

    def rest(self) -> Iterator[Pair[T]]:
        """Nothing more will come."""
        while self._first and self._second:
            yield from self._heads()
            if self._first and self._second:
                yield from self._windows(last=max(len(self._first), len(self._second)) <= self._window)
        yield from ((one, None) for one in self._first)
        yield from ((None, one) for one in self._second)
        self._first, self._second = [], []

    def _heads(self) -> Iterator[Pair[T]]:
        key = self._keys[0]
        same = 0
        for one, other in zip(self._first, self._second, strict=False):
            if key(one) != key(other):
                break
            same += 1
        yield from zip(self._first[:same], self._second[:same], strict=True)
        del self._first[:same], self._second[:same]

    def _windows(self, *, last: bool = False) -> Iterator[Pair[T]]:
        """The oldest of both sides, up to where they are surely the same; what is behind may find its like later."""
        first, second = self._first[: self._window], self._second[: self._window]
        if not last:
            matcher = self._matcher(first, second, 0)
            block = next((each for each in reversed(matcher.get_matching_blocks()) if each.size), None)
            if block is not None:
                first, second = first[: block.a + block.size], second[: block.b + block.size]
            else:
                first, second = first[: len(first) // 2 + 1], second[: len(second) // 2 + 1]
        del self._first[: len(first)], self._second[: len(second)]
        yield from self._resolved(first, second, 0)

    def _resolved(self, first: Sequence[T], second: Sequence[T], level: int) -> Iterator[Pair[T]]:
        if not first or not second or level == len(self._keys):
            yield from ((one, None) for one in first)
            yield from ((None, one) for one in second)
            return
        for kind, a, b, c, d in self._matcher(first, second, level).get_opcodes():
            if kind == "equal":
                yield from zip(first[a:b], second[c:d], strict=True)
            else:
                yield from self._resolved(first[a:b], second[c:d], level + 1)

    def _matcher(self, first: Sequence[T], second: Sequence[T], level: int) -> SequenceMatcher[Hashable]:
        key = self._keys[level]
        return SequenceMatcher(None, [key(each) for each in first], [key(each) for each in second], autojunk=False)
