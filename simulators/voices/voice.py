"""How a machine tells what happens to it: from facts to what is sent, and what a subscriber is to get of it.

A voice is pure and knows no clock: the same facts give the same outputs. What it makes holds marks for times, which
are written out when it is played. Beside each output it says what the gateway is to make of it: these are the
`Told` lines of the ledger, which `lineside reconcile` compares with a journal. A machine that is looked at says also
what can be read: the `Showing` lines, with which samples are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from gateway.core.sample import Value
from gateway.core.times import Micros
from simulators.model.facts import AnyFact

Output_co = TypeVar("Output_co", covariant=True)
Output_contra = TypeVar("Output_contra", contravariant=True)


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what", tag="told"):
    """One event that subscribers are to get.

    at: virtual second of the event's `time`, as near as the machine tells it; None: the machine tells no time, or a
    wrong one, so that it is not compared. seen: virtual second from which on it could be known; `late` is measured
    from there. message: its CFX name. units: the identifiers in it, in their order, as the event's `units` has them;
    empty for anonymous ones. count: how many units are in its body; None where its body counts none. lane: as the
    event has it; None where the machine has no lanes. values: what the body must hold, by dotted path
    (`Recipe.Name`, `InspectedUnits.0.OverallResult`); a path that is not here is not compared. unique_id: of a
    machine that speaks CFX: the id that the event must have. fleeting: for how many virtual seconds it could be seen
    where machines are looked at rather than heard: looked at more seldom, it may rightly be missing or poorer; None:
    never. fact: number of the fact in the ledger that it tells of, where that is not the one just heard.
    """

    station: str
    message: str
    at: float | None = None
    seen: float = 0.0
    units: tuple[str, ...] = ()
    count: int | None = None
    lane: int | None = None
    values: dict[str, Any] = {}
    unique_id: str | None = None
    fleeting: float | None = None
    fact: int = 0


class Showing(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="shown"):
    """From virtual second `at` on, who looks at the machine reads these values, by signal key.

    values: in the units of the class, as they come out of the machine's own digits; only those that were others before.
    None where nothing can be read: it is switched off, or what it says stands for nothing.
    """

    station: str
    at: float
    values: dict[str, Value]


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway with the same profile looks at one signal: every so many seconds, and by how much a number must
    change to become a sample."""

    every: float
    deadband: float = 0.0


class Said(NamedTuple, Generic[Output_co]):
    """What a fact leads to, in order."""

    outputs: tuple[Output_co, ...] = ()
    told: tuple[Told, ...] = ()
    shown: tuple[Showing, ...] = ()


class When(NamedTuple):
    """How virtual time is played: the instant of a virtual second, and how many of them pass in a real one.

    Durations that a machine tells are divided by `speed`, so that they agree with the time stamps around them.
    """

    instant: Callable[[float], Micros]
    speed: float


class Voice(Protocol[Output_co]):
    """station: whose. tells: all messages that subscribers can get from this station and that are compared.

    Others (heartbeats, samples' own) are neither lost nor invented.
    """

    @property
    def station(self) -> str: ...

    @property
    def tells(self) -> frozenset[str]: ...

    def hear(self, fact: AnyFact) -> Said[Output_co]:
        """Takes every fact of the line in order, whichever station it is of."""


class Face(Protocol[Output_contra]):
    """The protocol side of one machine: a real server or client."""

    async def put(self, output: Output_contra, when: When) -> None:
        """Shows or sends it now. Waits no longer than a machine would for somebody who does not listen."""


@runtime_checkable
class Visible(Protocol):
    """A voice whose `Said.shown` has everything that can be read of these signals, by key, so that samples of them can
    be compared."""

    @property
    def looked_at(self) -> Mapping[str, Looked]: ...


def shows(voices: Iterable[Voice[Any]]) -> dict[str, Mapping[str, Looked]]:
    """What can be compared of their samples, by station."""
    return {voice.station: voice.looked_at for voice in voices if isinstance(voice, Visible)}


@runtime_checkable
class Ending(Protocol):
    """A voice that says something more when its machine is switched off with the simulation."""

    def ending(self, at: float) -> Said[object]:
        """What it says at that virtual second, wherever it stands."""
