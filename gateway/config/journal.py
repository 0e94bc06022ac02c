"""The table `[journal]`: where history is kept, how long, and how small."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from gateway.cfx.catalogue import messages
from gateway.config.table import Table
from gateway.core.files import LocalPath
from gateway.core.problems import suggestion
from gateway.core.sizes import Bytes
from gateway.profile.tables import Duration

Delay = Annotated[
    Duration | None,
    BeforeValidator(lambda value: None if value == "never" else value),
    WithJsonSchema({"type": "string", "format": 'duration or "never"'}),
]
"""Seconds, written with a unit: `"1h"`; None: `"never"`."""

Days = Annotated[float, Field(gt=0, le=36_525)]
_OURS = (
    "LinkChanged",
    "ObservationGap",
    "ClockOffsetChanged",
    "CountAdjusted",
    "ContextChanged",
    "DeliveryGap",
    "Corrected",
)


def _message(name: str) -> str:
    """A name that some message has, or the beginning of one. What a vendor calls its own messages is not known here."""
    known = [*messages(), *(f"Lineside.{each}" for each in _OURS)]
    if name in known or (name.endswith("*") and any(each.startswith(name[:-1]) for each in known)):
        return name
    hint = suggestion(name.removesuffix(".*"), [*known, *{each.rpartition(".")[0] for each in known}])
    if not hint and not name.startswith(("CFX.", "Lineside.")) and re.fullmatch(r"\w+(\.\w+)*(\.\*)?", name):
        return name
    raise PydanticCustomError(
        "message",
        "{word} is no message{hint}; allowed: names of IPC-CFX 2.1 or of Lineside, such as CFX.Heartbeat, and what they "
        "begin with, such as CFX.Production.*",
        {"word": repr(name), "hint": hint},
    )


Message = Annotated[str, AfterValidator(_message)]


class MessageRetention(Table):
    """How much is kept of one message, or of all that begin alike."""

    days: Days | None = Field(default=None, description="Age in days.")
    bytes: Bytes | None = Field(default=None, description="Bytes of all of them together, as they were received.")

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.days is None and self.bytes is None:
            raise PydanticCustomError("retention", "must limit something: name days, bytes or both")
        return self


class Retention(Table):
    """How much history is kept; the oldest goes first. What is left out does not limit; of limits that meet, the narrower
    one counts."""

    days: Days | None = Field(default=None, description="Age in days.")
    bytes: Bytes | None = Field(default=None, description='Size of the journal\'s file, such as `"40GB"`.')
    events_days: Days | None = Field(default=None, description="Age of events in days.")
    events_bytes: Bytes | None = Field(default=None, description="What events may take of the file.")
    samples_days: Days | None = Field(default=None, description="Age of samples in days.")
    samples_bytes: Bytes | None = Field(default=None, description="What samples may take of the file.")
    messages: dict[Message, MessageRetention] = Field(
        default_factory=dict,
        json_schema_extra={"default": {}},
        description="Tables with `days`, `bytes` or both, by the name of a message or by the beginning of several and `*`: "
        '`{ "CFX.Heartbeat" = { days = 2 } }`. What fits several goes by the longest. Such events leave holes in history, '
        "and nobody is told.",
    )

    @model_validator(mode="after")
    def _limits(self) -> Self:
        limits = (self.days, self.events_days, self.samples_days)
        sizes = (self.bytes, self.events_bytes, self.samples_bytes)
        if all(each is None for each in (*limits, *sizes)) and not self.messages:
            raise PydanticCustomError("retention", "must limit something: name days, bytes or both")
        for kind, days, size in zip(("events", "samples"), limits[1:], sizes[1:], strict=True):
            if self.days is not None and days is not None and days > self.days:
                raise PydanticCustomError("retention", f"{kind}_days must not be above days")
            if self.bytes is not None and size is not None and size > self.bytes:
                raise PydanticCustomError("retention", f"{kind}_bytes must not be above bytes")
        general = min((each for each in limits[:2] if each is not None), default=None)
        for name, limit in self.messages.items():
            if general is not None and limit.days is not None and limit.days > general:
                raise PydanticCustomError(
                    "retention",
                    "messages: {name} must not be kept for longer than all events; make the others' days fewer instead",
                    {"name": name},
                )
        return self


class Compaction(Table):
    """When samples are compressed, beside everything else. A minute they stay as they came, at least."""

    enabled: bool = Field(
        default=True, description="`false`: they stay as they came, and take ten times the space. Nothing is lost."
    )
    samples: Annotated[int, Field(ge=1_000, le=10_000_000)] = Field(
        default=65_536, description="So many that wait are compressed at once."
    )
    after: Duration = Field(
        default=3600.0,
        validate_default=False,
        json_schema_extra={"default": "1h"},
        description='Age at which fewer are, too, such as `"1h"`.',
    )
    share: Annotated[float, Field(ge=0.01, le=1)] = Field(
        default=0.25, description="Part of a processor that it takes, unless four times `samples` wait."
    )


class Journal(Table):
    """Where history is kept."""

    path: LocalPath = Field(
        default=Path("data/lineside.db"),
        description="The journal's file. Its folder belongs to one gateway alone; no network drive.",
    )
    synchronous: Literal["full", "normal"] = Field(
        default="full",
        description="`full`: acknowledged events survive a power cut. `normal`: they survive the end of the process only.",
    )
    retention: Retention = Field(
        default=Retention(days=90.0, bytes=40_000_000_000),
        json_schema_extra={"default": {"days": 90.0, "bytes": 40_000_000_000}},  # without what TOML cannot say
        description="How much history is kept. Default: 90 days, at most 40GB.",
    )
    compaction: Compaction = Field(
        default_factory=Compaction, description="When samples are compressed. Default: as it says."
    )
    dedup_days: Annotated[float, Field(gt=0, le=36_525)] = Field(
        default=30.0, description="Days for which a repeated message is recognised, also where history is shorter."
    )
    ballast: Bytes = Field(
        default=64 << 20,
        description="Space held back beside the journal and given free on a full disk, so that retention can run; 0: none.",
    )
    quarantine: Bytes = Field(
        default=1 << 30, description="Most bytes of messages nobody could read; the oldest go first."
    )
    compress_after: Delay = Field(
        default=3600.0,
        validate_default=False,
        json_schema_extra={"default": "1h"},
        description='Age at which events are compressed to about a sixth of their space, such as `"1h"`, or `"never"`.',
    )
