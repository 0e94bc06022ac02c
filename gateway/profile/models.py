"""What every profile says, whatever the machine speaks. A field's description is its documentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.profile.tables import Name, Order, Scalars, SignalName, Table, Text
from gateway.profile.tables_opcua import EventRecord, NodeAlarm, NodeSignal, Subscribe
from gateway.profile.tables_records import Frame, TextRecord
from gateway.profile.tables_registers import RegisterAlarm, RegisterPoll, RegisterSignal, SignalRule


class Evidence(Table):
    """Where the profile's content comes from, and so how far it can be trusted."""

    level: Literal["example", "datasheet", "capture", "site"] = Field(
        description="`example`: made up, to show how. `datasheet`: from the maker's documents. "
        "`capture`: compared with recorded traffic. `site`: in use on a real machine."
    )
    source: Text | None = Field(default=None, description="The document and page, the capture, or the site.")


class Caveat(Table):
    """Something that a user of the profile should know."""

    text: Text = Field(description="In one sentence.")
    link: Text | None = Field(default=None, description="Where it is shown or discussed.")


class Common(Table):
    """The keys that all profiles have."""

    class_: Text = Field(alias="class", description="The machine class whose words the profile uses.")
    extends: Annotated[str, Field(pattern="^[a-z0-9_]+/[A-Za-z0-9._-]+$")] | None = Field(
        default=None,
        description="Name of another profile that this one is a variant of. Its tables are merged with these, key by "
        "key; a list here replaces the list there. The other must not extend a third.",
    )
    models: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="Maker and model of every machine that it is for."
    )
    evidence: Evidence = Field(description="Where the content comes from.")
    caveats: tuple[Caveat, ...] = Field(default=(), description="What a user should know.")
    constant: dict[SignalName, Scalars] = Field(
        default={},
        description="Signals that are the same for every machine of the model and need not be read, such as "
        '`"panel.units" = 4`, in the class\'s unit; of an array, a list.',
    )


class RegisterProfile(Common):
    """A machine whose registers or bits are read: any of `modbus-tcp`, `modbus-rtu`, `modbus-rtu-tcp`."""

    protocol: Literal["modbus"] = Field(description="What the machine speaks.")
    word_order: Order = Field(
        default="big", description="Which register of a value of several comes first: that of the high or the low bits."
    )
    byte_order: Order = Field(
        default="big", description="Order of the two bytes within a register; `big` is what Modbus prescribes."
    )
    poll: dict[Name, RegisterPoll] = Field(description="Ranges that are read together, by a name of your choice.")
    signal: dict[SignalName, RegisterSignal] = Field(
        default={},
        description='What is read, by the class\'s word for it: `state`, `"zone.temperature"`, `"units.out@2"` '
        '(lane 2), `"state:top"` (stage `top`). A vendor\'s own begins with `x.`.',
    )
    alarm: tuple[RegisterAlarm, ...] = Field(default=(), description="Bits that say that something is wrong.")
    rule: tuple[SignalRule, ...] = Field(
        default=(), description="Records that are not sent, but follow from the change of a signal."
    )


class TextProfile(Common):
    """A machine that writes lines or files."""

    protocol: Literal["serial-text", "tcp-text", "files"] = Field(description="How the text arrives.")
    frame: Frame = Field(default_factory=Frame, description="How bytes become lines.")
    record: Annotated[tuple[TextRecord, ...], Field(min_length=1)] = Field(
        description="What lines say, in the class's words. The first that fits a line takes it."
    )


class NodeProfile(Common):
    """A machine with an OPC UA server, or behind one."""

    protocol: Literal["opcua"] = Field(description="What the machine speaks.")
    subscribe: Annotated[dict[Name, Subscribe], Field(min_length=1)] = Field(
        description="What is published together, by a name of your choice."
    )
    signal: dict[SignalName, NodeSignal] = Field(
        default={}, description="What is read, by the class's word for it, as of a machine with registers."
    )
    alarm: tuple[NodeAlarm, ...] = Field(default=(), description="Flags and alarms that say that something is wrong.")
    record: tuple[EventRecord, ...] = Field(default=(), description="What the server tells with events.")
    rule: tuple[SignalRule, ...] = Field(
        default=(), description="Records that are not told, but follow from the change of a signal."
    )


Profile = RegisterProfile | TextProfile | NodeProfile

PROTOCOLS: dict[str, type[RegisterProfile] | type[TextProfile] | type[NodeProfile]] = {
    "modbus": RegisterProfile,
    "opcua": NodeProfile,
    "serial-text": TextProfile,
    "tcp-text": TextProfile,
    "files": TextProfile,
}
"""Which model a profile is, by what it says under `protocol`."""

LATER = ("mqtt",)
"""Protocols of machines that will have profiles."""
