"""What is remembered of a machine that is followed by signals and records, from one look to the next.

`State` is stored with the events that it led to and survives the process. `Look` is only the last sight of the signals:
after a restart nothing is known of them until they are read again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.classes.machine_class import MachineClass
from gateway.core.event import TimeQuality
from gateway.core.sample import Sample, Value
from gateway.core.times import Micros
from gateway.profile.bound import Bound
from gateway.profile.hermes import TOLD


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A unit in the machine. started: WorkStarted was made for it; otherwise it came unseen, or waits for it.

    transaction: None while no message had it, and again when work is over. unit: its identifier, None when not known.
    count: boards on it. hermes: its BoardId in IPC-HERMES-9852, if that was told. arrived: when it was seen coming in,
    0 if it was not.
    """

    transaction: str | None
    unit: str | None
    count: int
    started: bool
    since: Micros
    hermes: str | None = None
    arrived: Micros = 0

    @property
    def over(self) -> bool:
        """Work on it is completed; it only has to depart."""
        return self.started and self.transaction is None


class Fault(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An active fault; `occurrence` joins its messages (CFX FaultOccurrenceId)."""

    occurrence: str
    code: str
    since: Micros
    lane: int | None = None
    stage: str | None = None


class Pending(msgspec.Struct, frozen=True, gc=False):
    """A value that has to last until `due` before it counts; it came at `since`."""

    value: Value
    since: Micros
    due: Micros


class Announced(msgspec.Struct, frozen=True, gc=False):
    """A board that one source told of at `at`, before or after another does. counted: it is known that it came or went,
    and not yet who it is by Hermes; else the other way round."""

    at: Micros
    unit: str | None
    hermes: str | None
    counted: bool = False


class Inspected(msgspec.Struct, frozen=True, gc=False):
    """The event in which a unit's verdict was last told, and the transaction it belongs to."""

    event: str
    transaction: str


class Read(msgspec.Struct, frozen=True, gc=False):
    """What came of a record in a file. events: their ids by message. units: the identifiers that it named."""

    events: dict[str, str]
    transaction: str | None = None
    units: tuple[str, ...] = ()


class State(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known by signal key; missing: not known.

    unseen: keys of counters and states that were not seen again since the machine was lost from sight. made: how many
    ids were derived, so that no two are the same. states: ResourceState codes and since when, of the station (`state`)
    and its stages. lanes: units inside, oldest first, by lane (`""`: none). ids: the identifiers that were taken for
    the last unit in and out. faults: active ones by alarm key. pending: values that are not yet believed. settled:
    those that are, of signals that rules wait for and that have to last. counters: last readings. recipes: name and
    revision by lane. verdicts: of the last units, oldest first. left: transactions of the last units that have gone
    out, of which records may still come. announced: what one of two sources told a moment ago, by direction and lane.
    read: what came of the last records that were read in files, by file and place, oldest first. kept: a class's own.
    """

    unseen: frozenset[str] = frozenset()
    made: int = 0
    states: dict[str, tuple[int, Micros]] = {}
    lanes: dict[str, tuple[Work, ...]] = {}
    ids: dict[str, str | None] = {}
    faults: dict[str, Fault] = {}
    pending: dict[str, Pending] = {}
    settled: dict[str, Value] = {}
    counters: dict[str, int] = {}
    recipes: dict[str, tuple[str | None, str | None]] = {}
    operator: str | None = None
    verdicts: dict[str, Inspected] = {}
    left: dict[str, str] = {}
    announced: dict[str, tuple[Announced, ...]] = {}
    read: dict[str, Read] = {}
    kept: dict[str, float | int | str | bool | None] = {}


class Look(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """values: last sight of every signal and alarm. shown: what was last given as a sample, which differs within the
    deadband."""

    values: dict[str, Value] = {}
    shown: dict[str, Sample] = {}


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a station is, apart from its state. ignore_ids: what readers say in place of an id that they could not read.

    watched: keys of signals that can lead to messages; a change of any other is only a sample. hermes: beside the profile's
    source there is one of IPC-HERMES-9852.
    """

    station: str
    machine_class: MachineClass
    bound: Bound
    ignore_ids: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()
    hermes: bool = False

    def tells(self, record: str) -> bool:
        """Whether a source of the station can make this record."""
        return record in self.bound.told or (self.hermes and record in TOLD)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A CFX message to be made into an event. body: as given, to be completed and checked. id: derived already."""

    id: str
    name: str
    body: Mapping[str, object]
    time: Micros
    quality: TimeQuality
    revises: str | None = None


class Adjusted(msgspec.Struct, frozen=True, kw_only=True):
    """A counter moved without anybody seeing it (`Lineside.CountAdjusted`).

    cause: `gap`, `reset` or `jump`. units: boards that it stands for, None when that cannot be said. abandoned:
    transactions whose unit must have left in the meantime.
    """

    id: str
    signal: str
    lane: int | None
    old: int
    new: int
    units: int | None
    cause: str
    abandoned: tuple[str, ...]
    time: Micros


class Outcome(msgspec.Struct, frozen=True):
    """messages and adjustments in the order in which they were made. wake: when time alone may change something."""

    state: State
    look: Look
    made: tuple[Message | Adjusted, ...] = ()
    samples: tuple[Sample, ...] = ()
    wake: Micros | None = None
