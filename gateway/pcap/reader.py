"""What reads the bytes of one TCP connection as one protocol, and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel

from gateway.capture.form import Wire
from gateway.core.times import Micros
from gateway.profile.bound import Machine

Emit = Callable[[Micros, Wire], None]


class Role(IntEnum):
    """Whose conversation it is; of a connection the lowest that has said anything is taken."""

    OURS = 0  # the gateway's own, by its name
    MACHINE = 1  # a machine's: each says something else
    OTHER = 2  # of somebody else who listens: each may hear the same


class Context(NamedTuple):
    """gateway: its name, which is part of ours in a conversation. joined: the beginning of the stream is not there. shared: what
    readers of one connection of the configuration know together."""

    settings: BaseModel
    gateway: str
    machines: Sequence[Machine]
    joined: bool
    emit: Emit
    shared: dict[str, Any]


class Reader(Protocol):
    """told: what could not be read, and why, counted. client: who the client says that it is."""

    told: Counter[str]
    role: Role
    client: str

    def feed(self, data: bytes, at: Micros, *, of_client: bool) -> None:
        """The next bytes of one side. Raises Unreadable: nothing that follows can be read."""

    def missing(self, count: int, *, of_client: bool) -> None:
        """So many bytes of one side are not in the file. Raises Unreadable."""


class Unreadable(Exception):
    """Of the rest of a stream; in words."""
