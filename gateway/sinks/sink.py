"""What every sink is to the gateway: something that takes the journal, and knows how far it has it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from gateway.core.event import Place
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros
from gateway.journal.reader import Placed


class Sampled(msgspec.Struct, frozen=True, gc=False):
    """A sample with its number in the journal. station, signal, unit: its series."""

    n: int
    station: str
    signal: str
    unit: str | None
    time: Micros
    received: Micros
    value: Value
    quality: Quality


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Most that one transaction takes. samples 0: none are wanted."""

    events: int
    bytes: int
    samples: int


class Session(Protocol):
    """One connection to the destination, from which it is read what is there already.

    event, sample: the last of each that it has, by their numbers in this journal; 0: none. They move with what is taken.
    refused: events that it would not take as they are, since the session began.
    """

    event: int
    sample: int
    refused: int

    async def take_events(self, events: Sequence[Placed], upto: int) -> None:
        """All of them or none, together with the knowledge that everything up to `upto` has been taken."""

    async def take_samples(self, samples: Sequence[Sampled], upto: int) -> None:
        """The same for samples."""


class Sink(Protocol):
    """A sink contains no retry, sleep, log of its failures or metric: `Follower` has them.

    Whatever is wrong with the destination is NotConnected. budget_bytes: of what it has not taken, how much the journal
    keeps for it beyond its limits.
    """

    name: str
    kind: str
    batch: Batch
    interval_s: float
    budget_bytes: int

    def connect(self, place: Place) -> AbstractAsyncContextManager[Session]:
        """For the journal of this place."""
