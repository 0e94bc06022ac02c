"""Settings of `hermes-vertical` connections."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.core.sizes import Bytes

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]

_DROPPED_AFTER_S = 30.0
"""Machines are known that give up a supervisor which says nothing for so long."""


class HermesConnection(BaseModel):
    """A `[[connection]]` with `protocol = "hermes-vertical"`: one machine, which tells of its boards (IPC-HERMES-9852).

    Only listens. Some machines take one supervisor only: then the plant's own finds no place while this one is there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    profile_protocol: ClassVar[None] = None
    """Its machines need no profile, and may have one for another source."""
    claims: ClassVar[tuple[str, ...]] = ()
    """What a source on it says beside these settings."""

    protocol: Literal["hermes-vertical"]
    name: str = Field(min_length=1, description="Name of the connection, unique in the gateway.")
    host: str = Field(min_length=1, description="Host of the machine.")
    port: int = Field(
        ge=1,
        le=65_535,
        description="The machine's `SupervisorySystemPort`, as set there; often 50100, and no other port of Hermes.",
    )
    system_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=80,
        pattern=r"^[^\x00-\x1f]*$",
        description="As whom the machine sees us. Left out: `lineside-GATEWAY`.",
    )
    first_transfer: Literal[0, 1] = Field(
        default=1,
        description="What `BoardTransfer` counts from. 0 only for machines with an old library, which sends "
        "*transferred* as 0, *loaded* as 1, *by hand* as 2.",
    )
    connect_timeout_s: Seconds = Field(default=5.0, description="How long connecting may take.")
    handshake_timeout_s: Seconds = Field(default=20.0, description="How long the machine may take to describe itself.")
    alive_s: Seconds = Field(default=20.0, description="How often we say that we are there.")
    answer_timeout_s: Seconds = Field(
        default=10.0, description="How long the answer to that may take, of machines that declare to give one."
    )
    buffer_bytes: Bytes = Field(
        default=1 << 20, ge=65_536, description="Held while the journal is slow. What comes beyond is lost, as a gap."
    )

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant. Opens no connection."""
        if self.alive_s < _DROPPED_AFTER_S:
            return []
        return [
            f"{self.name}: alive_s = {self.alive_s:g}: machines may drop a supervisor that is silent for "
            f"{_DROPPED_AFTER_S:g} s"
        ]
