"""Every kind of sink, in one place to read and to search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from gateway.sinks.postgres.settings import PostgresSink

if TYPE_CHECKING:  # with it comes the database
    from gateway.sinks.sink import Sink


class Entry(NamedTuple):
    """settings: what a `[[sink]]` of this kind may say. make: it, which opens nothing."""

    settings: type[BaseModel]
    make: Callable[[Any], Sink]


def _postgres(settings: PostgresSink) -> Sink:
    from gateway.sinks.postgres.sink import Postgres  # loaded with its driver, when there is such a sink

    return Postgres(settings)


SINKS: Mapping[str, Entry] = {"postgres": Entry(PostgresSink, _postgres)}


def build(settings: BaseModel) -> Sink:
    return next(entry for entry in SINKS.values() if isinstance(settings, entry.settings)).make(settings)


def sinks() -> dict[str, type[BaseModel]]:
    """Settings model of each kind that a sink may have."""
    return {name: entry.settings for name, entry in SINKS.items()}
