"""Polls, signals, alarms and rules of a machine with registers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.profile.tables import Duration, Lane, Order, Scalar, Scalars, Severity, Stage, Table, Text, Unit

Type = Literal["bool", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64", "bcd16", "bcd32", "string"]
Address = Annotated[int, Field(ge=0, le=65_535)]
BitNumber = Annotated[int, Field(ge=0, le=63)]


def _two(value: object) -> object:
    if isinstance(value, tuple) and len(value) == 2:
        return value
    raise PydanticCustomError("bits", "must be a list of two: the lowest bit and the highest")


BitRange = Annotated[
    tuple[BitNumber, BitNumber],
    BeforeValidator(_two),
    WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 63}, "minItems": 2}),
]


class RegisterPoll(Table):
    """A range of one table that is read together. Reading splits it where the machine's limits or holes want it."""

    every: Duration = Field(description='How often, such as `"1s"` or `"200ms"`.')
    table: Literal["coil", "discrete", "input", "holding"] = Field(
        description="Coils and discrete inputs are bits, input and holding registers 16 bits each."
    )
    start: Address = Field(description="First address, as on the wire: from 0. Register 30001 of a manual is input 0.")
    count: Annotated[int, Field(ge=1, le=65_536)] = Field(description="How many registers or bits.")


class RegisterSignal(Table):
    """One value, or an array of them.

    Decoding goes in this order, and encoding goes back: word and byte order, bits, type, `missing` and `empty`, `map`
    or else `scale`, then `offset`, then from the machine's unit into the class's.
    """

    at: Address = Field(description="Address of its first register, or of its coil or discrete input; from 0.")
    poll: Text | None = Field(
        default=None, description="The poll it belongs to. Left out: the only one that its address lies in."
    )
    type: Type | None = Field(
        default=None,
        description="`bcd16`, `bcd32`: 4 or 8 decimal digits of 4 bits each. `bool`: 0 or 1. "
        "Left out: `bool` for a bit, `u16` for `bits`.",
    )
    bit: BitNumber | None = Field(
        default=None, description="Only this bit of the register; 0 is the lowest. With `type` also of wider values."
    )
    bits: BitRange | None = Field(
        default=None, description="Only these bits, `[lowest, highest]`; a signed type has its sign in the highest."
    )
    length: Annotated[int, Field(ge=1, le=125)] | None = Field(
        default=None, description="Registers of a `string`, two characters each."
    )
    encoding: Literal["ascii", "latin-1", "utf-8"] | None = Field(
        default=None,
        description="Of a `string`. Left out: `ascii`. A text with anything unprintable in it is no value.",
    )
    word_order: Order | None = Field(default=None, description="Where it differs from the profile's.")
    byte_order: Order | None = Field(
        default=None, description="Where it differs; of a `string`, `little` has the first character in the low byte."
    )
    array: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        default=None, description="Number of places, such as zones. They are numbered from 1."
    )
    stride: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Registers or bits from one place to the next. Left out: as many as a value has."
    )
    missing: tuple[Scalar, ...] = Field(
        default=(), description="What the register holds when there is no value, such as `[32767]`."
    )
    empty: tuple[Scalar, ...] = Field(
        default=(),
        description='What it holds when there is nothing, which is a text without characters: `[0]`; of a string `[""]`. '
        "Otherwise a blank string is no value.",
    )
    map: dict[str, Scalar] = Field(
        default={},
        description="What each number or text means. For a state, names of CFX ResourceState. What is not in it is no value.",
    )
    scale: float | None = Field(default=None, description="Factor from the register's number to the value.")
    offset: float | None = Field(default=None, description="Added after scaling.")
    unit: Unit | None = Field(
        default=None, description="The machine's unit, in UCUM: `Cel`, `cm/min`, `%`. Converted into the class's."
    )
    inverted: bool = Field(default=False, description="Of a flag: 0 means true.")
    deadband: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Changes up to this, in the machine's unit, are not kept."
    )
    debounce: Duration | None = Field(default=None, description="How long a state, text or flag must last to count.")
    modulus: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="A counter goes on at 0 after one less than this: 65536, 10000."
    )
    reset: tuple[Literal["power", "recipe", "operator"], ...] = Field(
        default=(), description="What sets a counter back to 0."
    )
    overlap: bool = Field(
        default=False, description="Its registers also belong to another signal, with another type. Otherwise an error."
    )
    example: Scalars = Field(
        description="A value that the machine may show, in the machine's unit and after `map`; one per place of an array."
    )


class RegisterAlarm(Table):
    """A bit that says that something is wrong."""

    at: Address = Field(description="Address of the register, coil or discrete input; from 0.")
    poll: Text | None = Field(
        default=None, description="The poll it belongs to. Left out: the only one that its address lies in."
    )
    bit: Annotated[int, Field(ge=0, le=15)] | None = Field(
        default=None, description="Bit of the register, 0 is the lowest. Left out for coils and discrete inputs."
    )
    inverted: bool = Field(default=False, description="0 means that it is active.")
    code: Text = Field(description="The machine's code for it, as its manual has it.")
    text: Text = Field(description="What it says.")
    severity: Severity = Field(description="CFX FaultSeverity: `Information`, `Warning`, `Error`, `Alarm`.")
    lane: Lane | None = Field(default=None, description="The lane it concerns.")
    stage: Stage | None = Field(default=None, description="The stage it concerns.")
    debounce: Duration | None = Field(default=None, description="How long it must last to count.")
    fields: dict[str, str] = Field(
        default={}, description="Further fields of the CFX fault of this class, such as `ReflowOvenFaultType`."
    )
    example: bool = Field(default=False, description="Whether it is active in the example.")


class SignalRule(Table):
    """A record that follows from the change of a signal."""

    signal: str = Field(description="Key of the signal, with index if it is an array.")
    when: Literal["changed", "becomes", "leaves", "rising", "falling", "increased"] = Field(
        description="`becomes` and `leaves` compare with `value`; `rising` and `falling` are of flags, `increased` of "
        "counters and numbers."
    )
    value: Scalar | None = Field(default=None, description="For `becomes` and `leaves`.")
    record: str = Field(description="What has happened then, in the class's words.")
    lane: Lane | None = Field(default=None, description="Where.")
    stage: Stage | None = Field(default=None, description="Where.")
    fields: dict[str, str] = Field(
        default={}, description="Fields of the record, each with the key of the signal it is read from at that moment."
    )
    constants: dict[str, Scalar] = Field(default={}, description="Fields of the record that are always the same.")
