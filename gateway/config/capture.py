"""The table `[capture]`: where captures go and how far they may."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.capture.order import NAME, Limits, Order
from gateway.config.table import Table
from gateway.core.files import LocalPath
from gateway.core.secrets import Secret
from gateway.core.sizes import Bytes
from gateway.profile.tables import Duration

Length = Annotated[Duration, Field(ge=1, le=366 * 86_400)]


class Ring(Table):
    """A capture that always runs, and keeps the last of what was heard."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")] = Field(
        default="ring", description="Its name, and its folder."
    )
    keep: Length | None = Field(default=None, description='How long, such as `"1h"`; whole files older than that go.')
    keep_bytes: Bytes | None = Field(default=None, description='How much, such as `"2GB"`.')
    redact: bool = Field(
        default=False, description="Serial numbers are replaced in it; takes `redaction_key` in `[capture]`."
    )

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.keep is None and self.keep_bytes is None:
            raise PydanticCustomError("ring", "must limit something: name keep, keep_bytes or both")
        return self

    @property
    def order(self) -> Order:
        return Order(name=self.name, keep_s=self.keep, keep_bytes=self.keep_bytes, redact=self.redact)


class Capture(Table):
    """Recording of what machines send, as files; begun by `lineside capture`, by the API or its page, or always on."""

    folder: LocalPath = Field(
        default=Path("data/captures"), description="Where the files go, in a folder for each capture."
    )
    ring: Ring | None = Field(default=None, description="A capture that always runs. Default: none.")
    file_bytes: Annotated[Bytes, Field(ge=1_000_000)] = Field(
        default=256_000_000, description="A new file is begun when one has become so large."
    )
    file_time: Length = Field(
        default=3600.0,
        validate_default=False,
        json_schema_extra={"default": "1h"},
        description="Or so old.",
    )
    flush: Annotated[Duration, Field(ge=0.1, le=3600)] = Field(
        default=5.0,
        validate_default=False,
        json_schema_extra={"default": "5s"},
        description="How often what was captured is put onto the disk: so much is lost in a crash.",
    )
    queue_bytes: Annotated[Bytes, Field(ge=1_000_000)] = Field(
        default=32_000_000,
        description="Most that may wait to be written; what comes on top is missing in the capture, and counted.",
    )
    total_bytes: Bytes = Field(
        default=20_000_000_000,
        description="Most that all captures may take together. Rings then lose their oldest files, others stop.",
    )
    reserve: Bytes = Field(
        default=1_000_000_000, description="Of the disk, left free for the journal and everybody else; likewise."
    )
    redaction_key: Secret | None = Field(
        default=None,
        description="Key by which serial numbers are replaced in captures that are redacted; the same one gives the same replacements.",
    )

    @model_validator(mode="after")
    def _key(self) -> Self:
        if self.ring is not None and self.ring.redact and self.redaction_key is None:
            raise PydanticCustomError("redact", "ring.redact takes redaction_key")
        return self

    @property
    def limits(self) -> Limits:
        return Limits(
            file_bytes=self.file_bytes,
            file_s=self.file_time,
            flush_s=self.flush,
            queue_bytes=self.queue_bytes,
            total_bytes=self.total_bytes,
            reserve_bytes=self.reserve,
        )
