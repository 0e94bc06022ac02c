"""What the contract suite needs of a protocol: an adapter, a machine that it really talks to, and switches for faults.

A rig is one configured connection with everything behind it: machines (or a broker with machines behind that), over
real sockets. Tests ask only what is here, so a rig for another protocol makes all of them run for its adapter.
docs/adapters.md has the contract in prose and says how to add one.

A machine *says* happenings, numbered from 1 and never twice the same; a test looks for these numbers in what was
decoded (`heard`) and in what was stored (`stored`), and for nothing else that is particular to a protocol. Where a
happening is a state that somebody has to look at (a register), choose one that makes an event of its own in the
journal, such as a recipe whose name contains the number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from gateway.core.adapter import Adapter
from gateway.core.event import Event
from gateway.core.observation import Observation
from gateway.core.times import Micros
from gateway.ingest.stations import Stations


class Heard(NamedTuple):
    """A happening as an observation or an event tells of it. time: what the machine said about when, or None."""

    unit: int
    number: int
    time: Micros | None


class Talk(Protocol):
    """What may be found of what the machines of a rig said."""

    def heard(self, observations: Sequence[Observation]) -> list[Heard]:
        """The happenings among these, in order."""

    def stored(self, event: Event) -> Heard | None:
        """The happening that this event of the journal is about."""

    def said_at(self, number: int, unit: int = 0) -> Micros | None:
        """When it happened by the machine's clock, as sent; None where the protocol has no time."""

    def check_work(self, events: Sequence[Event]) -> None:
        """Asserts that what was stored of both halves of the work belongs together, and nothing twice."""


class Mute(Protocol):
    """A peer that takes a TCP connection and says nothing.

    left: set when our end has let go of such a connection.
    """

    left: asyncio.Event

    async def met(self, adapter: Adapter) -> None:
        """Until the adapter and this peer have a TCP connection, and nothing beyond it."""


class Faults(Protocol):
    """Switches. `tests.contract.relay.RelayFaults` is all of them for a rig with one TCP connection to its peer."""

    def absent(self) -> AbstractAsyncContextManager[Adapter]:
        """An adapter that cannot connect for as long as the block runs."""

    def mute(self) -> AbstractAsyncContextManager[Mute]:
        """As long as the block runs, new connections meet a peer that is mute."""

    async def peer_down(self) -> None:
        """The peer dies without a word, and cannot be reached any more."""

    async def peer_up(self) -> None:
        """It is there again."""

    async def stall(self) -> None:
        """The peer stays connected and does nothing any more, until the end of the test."""

    async def silence(self, unit: int) -> None:
        """Only this machine does so. Of rigs with several units."""

    def received(self) -> int:
        """Bytes that were sent to the adapter's socket so far, over all its connections."""

    async def quiet(self) -> None:
        """Until nothing has been sent either way for a moment."""


class Rig(Protocol):
    """One connection, opened anew for every test; what it leaves with a shared server disturbs no other.

    units: machines on the connection, numbered from 0; at least one.
    acknowledged: an acknowledgement tells the peer that we own a message, and what was not acknowledged comes again.
    brokered: somebody keeps what is said while nobody listens (a broker, or the machine's own buffer).
    conflates: only the newest happening can be seen, and it may be seen again and again (polled).
    ends: losing the peer ends the connection with NotConnected; otherwise it is a notice, PEER_DOWN, because the
    connection goes on without that machine.
    gives_up_s: the configured time after which a peer that says nothing is given up; as small as the peer allows.
    prompt_s: when all is well, what is said is heard within this.
    most_bytes: what the adapter may take off its socket while nobody takes anything from the adapter.
    """

    units: int
    acknowledged: bool
    brokered: bool
    conflates: bool
    ends: bool
    gives_up_s: float
    prompt_s: float
    most_bytes: int

    @property
    def talk(self) -> Talk: ...

    @property
    def faults(self) -> Faults: ...

    def adapter(self) -> Adapter:
        """A fresh instance, always of the same configuration. Its times for closing are below half a second."""

    def stations(self) -> Stations:
        """Fresh too: one station for each unit."""

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        """These happen one after the other. Returns when they have (the broker has them, the register holds the last).

        filler: bytes by which each is made larger, where that is possible.
        """

    async def garbage(self, unit: int = 0) -> None:
        """The machine produces something that nobody can read."""

    async def work_begins(self) -> None:
        """The first half of something that the gateway has to remember: unit 0 starts work on a board."""

    async def work_ends(self) -> None:
        """The second half, which alone does not say everything."""


class Entry(NamedTuple):
    """A rig in the registry. server: fixture that starts what several rigs share. open: makes one (server, folder)."""

    name: str
    open: Callable[[Any, Path], AbstractAsyncContextManager[Rig]]
    server: str | None = None
    marks: tuple[pytest.MarkDecorator, ...] = ()
