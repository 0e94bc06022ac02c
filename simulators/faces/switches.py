"""The faults that are set on a face at the moment, and which of them the next message runs into."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar


class Switch(Protocol):
    """A fault as data. share: of the messages, drawn by the face's seed. times: after so many it is over; None: never."""

    @property
    def trouble(self) -> str: ...

    @property
    def share(self) -> float: ...

    @property
    def times(self) -> int | None: ...


Fault_ = TypeVar("Fault_")
Switch_ = TypeVar("Switch_", bound=Switch)


class Failing(ABC, Generic[Fault_]):
    """A face that can be made to fail."""

    @abstractmethod
    async def begin(self, fault: Fault_) -> None:
        """From now on."""

    @abstractmethod
    async def end(self, fault: Fault_) -> None:
        """That one is over."""

    @asynccontextmanager
    async def fault(self, fault: Fault_) -> AsyncIterator[None]:
        """While the block runs."""
        await self.begin(fault)
        try:
            yield
        finally:
            await self.end(fault)


class Switches(Generic[Switch_]):
    """lasting: troubles that are no matter of single messages. seed: text from which shares are drawn."""

    def __init__(self, seed: str, lasting: Container[str]) -> None:
        self.rng = random.Random(seed)
        self._lasting = lasting
        self._set: list[tuple[Switch_, int | None]] = []

    def add(self, fault: Switch_) -> None:
        self._set.append((fault, fault.times))

    def remove(self, fault: Switch_) -> None:
        """Does nothing when it is over."""
        at = next((at for at, (other, _) in enumerate(self._set) if other == fault), None)
        if at is not None:
            del self._set[at]

    def clear(self) -> None:
        self._set.clear()

    def lasts(self, trouble: str) -> bool:
        return any(fault.trouble == trouble for fault, _ in self._set)

    def meeting(self) -> list[Switch_]:
        """Those that the next message runs into: each is counted and drawn."""
        found, kept = [], []
        for fault, left in self._set:
            hit = fault.trouble not in self._lasting and (fault.share >= 1.0 or self.rng.random() < fault.share)
            if hit:
                found.append(fault)
            now = left - 1 if hit and left is not None else left
            if now != 0:
                kept.append((fault, now))
        self._set = kept
        return found
