"""What everybody implements who plays the machines of one captured connection again, in their own protocol.

    async with ACTORS[role.protocol](role, stage) as actor:
        ...                                # `actor.addresses` is where a gateway finds it
        await actor.met()
        await actor.play(frame, peer)      # frame after frame, when each is due
        await actor.done()

An actor sees plain data only: a role out of the capture, and frames in the order in which the gateway had stepped them.
It does not know the clock of the capture: whoever calls `play` keeps the pace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.errors import LinesideError
from gateway.core.frame import Frame
from gateway.profile.bound import Bound

_UTC = ZoneInfo("UTC")


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A station on the connection. bound: its profile, None for one that speaks CFX. unit: its number on a bus."""

    station: str
    machine_class: str
    bound: Bound | None = None
    handles: tuple[str, ...] = ()
    unit: int = 1
    zone: ZoneInfo = _UTC


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as it was captured. settings: as of its model, as plain data; what was left out is not there.

    at: where it is to be played: `HOST:PORT` to listen on or to connect to, a serial port, a folder. None: wherever
    there is room on the stage.
    """

    connection: str
    protocol: str
    settings: Mapping[str, Any]
    seats: tuple[Seat, ...] = ()
    at: str | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """`at` as host and port. Raises Unplayable when it is none."""
        if self.at is None:
            return None
        host, colon, port = self.at.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65_535:
            raise Unplayable(f"{self.connection}: {self.at!r} is no HOST:PORT")
        return host.strip("[]"), int(port)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What the actors of one performance share.

    host: to listen on. folder: for pseudo terminals and files; it is there. speed: by which actors divide pauses of their
    own; infinity is without any. patience_s: real seconds that an actor waits for somebody to hear or read
    what it has played before it plays on.
    """

    folder: Path
    host: str = "127.0.0.1"
    speed: float = 1.0
    patience_s: float = 30.0


class Unplayable(LinesideError):
    """A role that cannot be played, or a frame that cannot be said in this protocol; the message says why."""


class Actor(Protocol):
    """Entered once; then, of `play`, `lose` and `done`, one at a time. Entering raises Unplayable or FaceError, and waits for
    nobody: machines that are connected to are ready then, those that connect begin to try."""

    @property
    def addresses(self) -> Mapping[str, Any]:
        """Settings of the connection under which a gateway reaches it, in place of those captured; once entered."""

    @property
    def place(self) -> str:
        """The same for people: `opc.tcp://127.0.0.1:4840`, `127.0.0.1:1502, RTU over TCP`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def met(self) -> None:
        """Returns when somebody is there who will hear what is played next, as far as that can be known. No time limit: the
        caller's matter."""

    async def play(self, frame: Frame, peer: str | None) -> None:
        """Says what the machine said. peer: as of the delivery, where a connection serves several machines.

        Returns when the other side has taken it, where the protocol tells; else when it is said. What is read by polling
        changes at once; but what nobody has read yet is not replaced, for at most `patience_s`: a gateway sees every state, at
        any speed. Never called with frames of the gateway's own. Raises Unplayable: the frame is left out, counted, and the
        next one comes.
        """

    async def lose(self, station: str) -> None:
        """Here the gateway had lost sight of the station: so it does now, in the way that is usual for the protocol, which
        is to cut the connection. A second station of the same connection, with nothing played in between, changes
        nothing more. What is played next waits until somebody is there again, as `met` does."""

    async def done(self) -> None:
        """Returns when all that was played has been taken, or read where it is read, or `patience_s` is over."""


@runtime_checkable
class Rehearsing(Protocol):
    """An actor that has to know beforehand what will come, as for an address space or what registers begin with."""

    def rehearse(self, frame: Frame) -> bool:
        """Before it is entered, with its frames from the beginning of what is played. False when it has seen enough."""


MakeActor = Callable[[Role, Stage], Actor]
