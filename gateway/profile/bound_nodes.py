"""The OPC UA side of a bound profile: what is subscribed to, and what a server's notifications are decoded from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from gateway.core.observation import Readings, Record, Unreadable
from gateway.core.sample import Value
from gateway.core.times import Micros

if TYPE_CHECKING:
    from gateway.profile.happenings import EventReader


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Events to be told of. key: under which they come back. notifier, type: nodes. fields: browse paths, from the type,
    of what is wanted of each; the first is its Time. conditions: they are alarms, of which the present ones are asked
    for."""

    key: str
    notifier: str
    type: str
    fields: tuple[str, ...]
    conditions: bool = False


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What is published together. publish_s, sample_s: periods in seconds; a sample_s of 0 is as fast as the server can.
    queue: values that it is to keep of each node between two publications. nodes: as the profile writes them."""

    name: str
    publish_s: float
    sample_s: float
    queue: int
    nodes: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()


class Change(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A value of a node. k: the node, as the profile writes it. v: plain JSON; the texts NaN, Infinity and -Infinity
    where `y` is 10 or 11. y: its OPC UA built-in type (OPC 10000-6, 5.1.2), 0 for null. s: StatusCode.
    t, r: source and server time stamp. o: it was so before we asked, and its time may be long ago."""

    k: str
    v: Any = None
    y: int = 0
    s: int = 0
    t: Micros | None = None
    r: Micros | None = None
    o: bool = False


class Happening(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event. k: key of the `Event` that it came by. t: its Time. v: its fields in the order of that `Event`, each
    with its built-in type."""

    k: str
    t: Micros | None = None
    v: tuple[tuple[int, Any], ...] = ()


class Nodes(Protocol):
    """Made by gateway.profile.bind."""

    @property
    def subscriptions(self) -> Sequence[Subscription]: ...

    @property
    def events(self) -> Mapping[str, EventReader]:
        """What reads each event, by its key; a simulator writes them by it."""

    def decode(
        self, station: str, changes: Sequence[Change], happenings: Sequence[Happening]
    ) -> list[Readings | Record | Unreadable]:
        """What these say, in the order of their source times: one Readings for all that was so at one time, and never two
        values of one signal in one. Values of one node keep their order, whatever their times. A value of status Bad, and
        one that stands for nothing (NaN, another type than before, a code that is not in the map), is None."""

    def node(self, key: str) -> str | None:
        """Where a signal or alarm comes from, as the profile writes it; None for an alarm of the server's own."""

    def encode(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """The inverse, for simulators: Python values by node, None for no value; of an array all places must be given.
        Raises KeyError for an unknown signal, ValueError for a value that the machine has no way to say."""
