"""The contract between an adapter and everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gateway.core.frame import Delivery, Frame, Notice
from gateway.core.observation import Observation


class Basis(StrEnum):
    """What the completeness of a source rests on while we are away or it is."""

    DURABLE_BROKER = "durable-broker"  # a broker keeps what is sent meanwhile
    MACHINE_BUFFER = "machine-buffer"  # the machine keeps it and sends it later
    POLLED = "polled"  # only what is asked for is seen
    HEARTBEAT_ONLY = "heartbeat-only"  # nobody keeps it; that the machine is alive is all that is known


class Adapter(Protocol):
    """One instance per configured connection.

    An adapter contains no retry, back-off, sleep, metric, and no log of failures that it raises: the supervisor
    does all of that, once, for every adapter.
    """

    @property
    def name(self) -> str:
        """Name of the connection, unique in the gateway."""

    @property
    def protocol(self) -> str:
        """The protocol's name in the configuration, such as `cfx-mqtt`; a metric label."""

    @property
    def basis(self) -> Basis:
        """Decides what an interruption means: a gap or none."""

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        """Entering is being connected (and subscribed), iterating is reading, leaving is being closed.

        Called again for every attempt; leaves nothing behind when it fails or is cancelled. Raises NotConnected
        when the peer is absent, refuses us or goes away, whether while entering or while iterating. The iterator
        holds what it has read but not yet handed over within a bound of bytes and stops reading beyond it.
        """

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """Pure: no I/O, no clock. Same frame, same observations; so captures replay to the same events.

        Parts that cannot be understood come as `Unreadable` among the rest; DecodeError is for the whole frame.
        May run on another thread than the event loop.
        """


@runtime_checkable
class Together(Protocol):
    """What `connect` yields, where much comes at once: an iterator that can hand over what is there in one step."""

    async def together(self) -> Notice | Sequence[Delivery]:
        """The next notice, or some deliveries up to the next notice, at least one. Raises as iterating does."""


@runtime_checkable
class Resumer(Protocol):
    """An adapter that may take up the session that it had. resumed: it did so with the connection that there is; what the
    peer kept for us is coming, between the notices CATCHING_UP and CAUGHT_UP."""

    @property
    def resumed(self) -> bool: ...


@runtime_checkable
class Leaver(Protocol):
    """An adapter whose machine may be in the middle of something when we leave it. left: what had begun and not ended on the
    connection that was closed last, once; asked after leaving `connect`, also when that is because we stop."""

    def left(self) -> Sequence[Delivery]: ...


@runtime_checkable
class Gatekeeper(Protocol):
    """An adapter that machines connect to. refused: how many it did not let in since the start, by reason."""

    @property
    def refused(self) -> Mapping[str, int]: ...
