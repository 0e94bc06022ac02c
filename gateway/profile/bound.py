"""A profile joined with its class's vocabulary: what adapters decode with and classes step with. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.observation import Record, Unreadable
from gateway.core.sample import Value
from gateway.profile.bound_nodes import Nodes
from gateway.profile.grammar import Ask
from gateway.profile.vocabulary import Kind
from gateway.transport.framing import Framing


class When(StrEnum):
    """The closed set of rules by which a signal's change becomes a record."""

    CHANGED = "changed"
    BECOMES = "becomes"
    LEAVES = "leaves"
    RISING = "rising"
    FALLING = "falling"
    INCREASED = "increased"


class Reset(StrEnum):
    """What may set a counter back to zero."""

    POWER = "power"  # the machine was off, or out of our sight
    RECIPE = "recipe"  # another recipe became active
    OPERATOR = "operator"  # anybody, any time


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """key: SignalKey text, array places one by one. unit: the class's, into which decoding has converted.

    deadband: a number's change up to this, in `unit`, is not reported as a sample. debounce: a state or flag must
    last this many microseconds to count. modulus: a counter continues at zero after modulus - 1.
    """

    key: str
    kind: Kind
    unit: str | None = None
    deadband: float = 0.0
    debounce: int = 0
    modulus: int | None = None
    reset: frozenset[Reset] = frozenset()


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """key: under which decoding gives its flag (`alarm.CODE`, with lane and stage). severity: CFX FaultSeverity.

    extra: further fields of the CFX Fault structure that the profile fixes, such as a class's fault type.
    """

    key: str
    code: str
    text: str
    severity: str
    lane: int | None = None
    stage: str | None = None
    debounce: int = 0
    extra: Mapping[str, str] = {}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When signal `key` does `when` (compared with `value` for becomes and leaves), `record` happened.

    fields: of the record, each with the key of the signal it is taken from at that moment. constants: fixed ones.
    """

    key: str
    when: When
    record: str
    value: Value = None
    lane: int | None = None
    stage: str | None = None
    fields: Mapping[str, str] = {}
    constants: Mapping[str, Value] = {}


class Table(StrEnum):
    """The four kinds of Modbus data (Modbus Application Protocol V1.1b3, 4.3)."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"

    @property
    def bits(self) -> bool:
        return self in (Table.COIL, Table.DISCRETE)


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A range of one table that is read together.

    every_s: period in seconds. start, count: 0-based protocol addresses. atoms: (start, count) of the values in it,
    ascending: a request is never cut within one, since a machine may change a value between two requests.
    """

    name: str
    every_s: float
    table: Table
    start: int
    count: int
    atoms: tuple[tuple[int, int], ...]


class Block(msgspec.Struct, frozen=True, gc=False):
    """What one request brought. data: register bytes as on the wire (two per register, high byte first), or packed
    bits as on the wire (lowest address in the lowest bit). exception: the machine's Modbus exception code instead."""

    table: Table
    start: int
    count: int
    data: bytes = b""
    exception: int = 0


Values = tuple[tuple[str, ...], tuple[Value, ...]]
"""Keys and values, place by place; None for a value that is not known."""


class Registers(Protocol):
    """The register side of a bound profile (made by gateway.profile.bind)."""

    @property
    def polls(self) -> Sequence[Poll]: ...

    def decode(self, poll: str, blocks: Sequence[Block]) -> Values:
        """The values of one poll in the class's units. What lies in no block, or in one that the machine refused, is
        None; so is a float that is no number, a text that is none, a code without an entry in its map.

        Raises KeyError for a poll that there is not."""

    def encode(self, values: Mapping[str, Value]) -> dict[Table, dict[int, int]]:
        """The inverse, for simulators: register or bit contents by address, of the signals named."""


class Reader(Protocol):
    """Reads the lines of one source (gateway.profile.records)."""

    @property
    def state(self) -> bytes:
        """What is needed to go on after a restart in the middle of a record; empty when nothing is open."""

    def feed(self, line: str) -> Sequence[Record | Unreadable]:
        """What a line brings to an end. One that fits nothing comes back unreadable."""

    def close(self) -> Sequence[Record | Unreadable]:
        """The text is at its end: what is open ends, or is unreadable."""


class Records(Protocol):
    """The text side of a bound profile (made by gateway.profile.bind)."""

    @property
    def document(self) -> bool:
        """A frame is a whole file: every frame has a reader of its own, which is closed at its end."""

    @property
    def framing(self) -> Framing:
        """How frames end in a stream of bytes, and lines in a file that grows."""

    @property
    def ask(self) -> Ask | None:
        """What the machine is to be asked with; None where it speaks by itself."""

    def lines(self, data: bytes) -> Sequence[str]:
        """Of a whole text. Raises DecodeError when it is not in the profile's encoding."""

    def each(self, data: bytes) -> Sequence[str | Unreadable]:
        """The lines of a frame of a stream; one that is not in the encoding comes unreadable.

        Raises DecodeError when the frame is none, and when it has no line that can be read."""

    def whole(self, data: bytes, station: str, zone: ZoneInfo) -> Sequence[Record | Unreadable]:
        """Everything in a file that is complete. Raises DecodeError when nothing in it can be read."""

    def reader(self, station: str, zone: ZoneInfo, state: bytes = b"") -> Reader:
        """zone: for times that name none. state: of an earlier reader, to go on."""


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """name: as in the configuration, `reflow_oven/example-10-zone`. evidence: level of the profile's evidence.

    signals and alarms by key, in the order of the profile. told: names of the records that it can make, by rules or from
    text. constants: values by signal key that are the same for every machine of the model. examples: of every signal
    and alarm of a machine with registers or nodes, in the class's units. registers: of a Modbus profile. records: of a
    text or file profile. nodes: of an OPC UA profile. texts: its file, and the one that it extends, by the
    names of the two; empty where it was not read from files.
    """

    name: str
    machine_class: str
    protocol: str
    models: tuple[str, ...]
    evidence: str
    evidence_source: str | None
    signals: Mapping[str, Signal]
    alarms: Mapping[str, Alarm] = {}
    rules: tuple[Rule, ...] = ()
    told: frozenset[str] = frozenset()
    constants: Mapping[str, Value] = {}
    examples: Mapping[str, Value] = {}
    registers: Registers | None = None
    records: Records | None = None
    nodes: Nodes | None = None
    texts: Mapping[str, str] = {}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine on a connection: the station that it is, its number on a bus, and how it tells what it does.

    zone: of its time stamps that name none.
    """

    station: str
    bound: Bound
    unit: int = 1
    zone: ZoneInfo = ZoneInfo("UTC")
