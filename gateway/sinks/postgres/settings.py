"""Settings of a sink of kind `postgres`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.core.secrets import Secret
from gateway.core.sizes import Bytes
from gateway.sinks.postgres.address import DatabaseUrl
from gateway.sinks.settings import BUDGET, Budget

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class PostgresSink(BaseModel):
    """A `[[sink]]` with `kind = "postgres"`: the plant's history, in one database for many gateways."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    kind: Literal["postgres"] = Field(description="What kind of sink it is.")
    name: str = Field(
        min_length=1, description="Name of the sink, unique in the gateway; in logs, metrics and `/readyz`."
    )
    url: DatabaseUrl = Field(
        description='The database, `"postgresql://USER@HOST:PORT/DATABASE"`, or where that is kept: `"env:NAME"`, '
        '`"file:PATH"`, `"credential:NAME"`. A URL with a password in it must be kept so. `?sslmode=verify-full` and '
        "the like are as for psql."
    )
    password: Secret | None = Field(default=None, description="Where the user's password is kept.")
    samples: bool = Field(default=True, description="Whether samples go there too, or events only.")
    budget_bytes: Budget = BUDGET
    batch_events: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=500, description="Most events in one transaction."
    )
    batch_bytes: Bytes = Field(
        default=4 << 20, description="Most bytes in one transaction, a larger single event excepted."
    )
    batch_samples: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=4_000, description="Most samples in one transaction."
    )
    interval_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = Field(
        default=0.2,
        description="Least time between two transactions while little comes: what came meanwhile goes together.",
    )
    connect_timeout_s: Seconds = Field(default=10.0, description="For connecting, with TLS and login.")
    timeout_s: Seconds = Field(
        default=60.0, description="For one transaction; after that the connection counts as lost and is made again."
    )
