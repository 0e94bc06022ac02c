"""Subscriptions, signals, alarms and records of a machine with an OPC UA server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from gateway.profile.node_text import parse_node, parse_path
from gateway.profile.tables import Duration, Lane, Scalar, Scalars, Severity, Stage, Table, Text, Unit


def _node(text: str) -> str:
    parse_node(text)
    return text


def _path(text: str) -> str:
    parse_path(text)
    return text


Node = Annotated[str, AfterValidator(_node), WithJsonSchema({"type": "string", "format": "NodeId"})]
Path = Annotated[str, AfterValidator(_path), WithJsonSchema({"type": "string", "format": "browse path"})]


class Subscribe(Table):
    """What the server publishes together, and how often. Each becomes a subscription of its own."""

    publish: Duration = Field(description='How often changes are sent, such as `"200ms"`.')
    sample: Duration | None = Field(
        default=None,
        description="How often the server looks at each node; `0s` is as fast as it can. Left out: as `publish`.",
    )
    queue: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="Values that the server keeps of each node until it publishes. Left out: four times as many as it can "
        "have looked at by then, at least 10.",
    )


class _Source(Table):
    """Where a value comes from."""

    node: Node | None = Field(
        default=None,
        description="Its node: `ns=2;s=Zone1.Temp`, or with the namespace's URI `nsu=http://…;s=Zone1.Temp`.",
    )
    path: Path | None = Field(
        default=None,
        description="Or the way to it by browse names, from the root: `Objects/2:Oven/2:State`, also `nsu=http://…;State`.",
    )
    subscribe: Text | None = Field(
        default=None, description="The subscription that it belongs to. Left out: the only one, or the first."
    )


class NodeSignal(_Source):
    """One value, or an array of them.

    Decoding goes in this order, and encoding goes back: `missing` and `empty`, `map` or else `scale`, then `offset`, then
    from the machine's unit into the class's.
    """

    nodes: tuple[Node, ...] = Field(default=(), description="Of an array: a node for each place, in place of `node`.")
    paths: tuple[Path, ...] = Field(default=(), description="Of an array: a path for each place.")
    array: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        default=None,
        description="Number of places, such as zones, of a `node` whose value is an array. They are numbered from 1.",
    )
    missing: tuple[Scalar, ...] = Field(
        default=(), description="What the node says when there is no value, such as `[-999.0]`."
    )
    empty: tuple[Scalar, ...] = Field(
        default=(),
        description='What it says when there is nothing, which is a text without characters: `[""]`. Otherwise a blank '
        "text is no value.",
    )
    map: dict[str, Scalar] = Field(
        default={},
        description="What each number, text or flag (`true`, `false`) means. For a state, names of CFX ResourceState. What "
        "is not in it is no value.",
    )
    scale: float | None = Field(default=None, description="Factor from the node's number to the value.")
    offset: float | None = Field(default=None, description="Added after scaling.")
    unit: Unit | None = Field(
        default=None, description="The machine's unit, in UCUM: `Cel`, `cm/min`, `%`. Converted into the class's."
    )
    inverted: bool = Field(default=False, description="Of a flag: false means true.")
    kind: Literal["number", "counter", "text", "flag"] | None = Field(
        default=None,
        description="Of a vendor's own signal (`x.*`). Left out: `counter` with `modulus` or `reset`, `flag` where the "
        "example is one, `text` where it is one, else `number`.",
    )
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
    example: Scalars = Field(
        description="A value that the machine may show, in the machine's unit and after `map`; one per place of an array."
    )


class NodeAlarm(_Source):
    """A flag that says that something is wrong, or an alarm of the server's own (OPC 10000-9)."""

    bit: Annotated[int, Field(ge=0, le=63)] | None = Field(
        default=None, description="Bit of a `node` that is a number, 0 is the lowest."
    )
    inverted: bool = Field(default=False, description="False means that it is active.")
    condition: Text | None = Field(
        default=None, description="In place of a node: the ConditionName of the server's alarm."
    )
    source: Text | None = Field(default=None, description="Its SourceName, where several have that ConditionName.")
    notifier: Node | None = Field(
        default=None, description="The object that tells of it. Left out: the server, `i=2253`."
    )
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


class EventField(Table):
    """A field of a record: which field of the event it is, and how its value is read."""

    field: Path = Field(description="Browse path from the event's type: `2:BoardId`, `2:Board/2:Id`, `Message`.")
    missing: tuple[Scalar, ...] = Field(default=(), description="Values that mean that there is none.")
    map: dict[str, Scalar] = Field(
        default={}, description="What each number, text or flag means. What is not in it is no value."
    )
    scale: float | None = Field(default=None, description="Factor of numbers.")
    offset: float | None = Field(default=None, description="Added after scaling.")
    unit: Unit | None = Field(
        default=None,
        description="The machine's unit, in UCUM. Converted into the class's. Makes a vendor's own field a number.",
    )


class EventExample(Table):
    """An event, and what must come out of it."""

    values: dict[str, Scalar] = Field(
        description="What the event's fields say, by their paths as above; of a nested record, what they say at one place."
    )
    fields: dict[str, Scalar] = Field(default={}, description="The record's fields, numbers in the machine's unit.")


class EventRecord(Table):
    """Something that happened, of which the server tells with an event. When it happened is the event's Time."""

    name: str = Field(description="What it is, in the class's words.")
    event: Node | None = Field(
        default=None, description="Type of the event; subtypes count too. Of a record without `parent`."
    )
    parent: str | None = Field(
        default=None,
        description="In place of `event`: the record that it is nested in, and whose event tells of it. Its fields are arrays "
        "there, such as the codes of all defects and their components, and each place of them is a record. A field that is "
        "no array says the same of all. Where no array has a value, there is no record.",
    )
    count_field: Path | None = Field(
        default=None,
        description="Of a nested record: the event's field with the number of places that count, where arrays are always of "
        "the same length. Left out: all that the longest has.",
    )
    notifier: Node = Field(default="i=2253", description="The object that tells of it. Left out: the server.")
    subscribe: Text | None = Field(
        default=None, description="The subscription that it belongs to. Left out: the only one, or the first."
    )
    fields: dict[str, EventField] = Field(default={}, description="Its fields, by the class's words.")
    constants: dict[str, Scalar] = Field(default={}, description="Fields that are always the same.")
    lane: Lane | None = Field(default=None, description="The lane it concerns, if always the same,")
    lane_field: Path | None = Field(default=None, description="or the event's field with its number.")
    stage: Stage | None = Field(default=None, description="The stage it concerns, if always the same,")
    stage_field: Path | None = Field(default=None, description="or the event's field that says it.")
    example: EventExample = Field(description="An event to try it with; it is read whenever the profile is.")
