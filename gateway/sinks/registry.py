"""Every kind of sink, in one place to read and to search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.postgres.sink import Postgres
from gateway.sinks.sink import Sink


class Entry(NamedTuple):
    """settings: what a `[[sink]]` of this kind may say. make: it, which opens nothing."""

    settings: type[BaseModel]
    make: Callable[[Any], Sink]


SINKS: Mapping[str, Entry] = {"postgres": Entry(PostgresSink, Postgres)}


def build(settings: BaseModel) -> Sink:
    return next(entry for entry in SINKS.values() if isinstance(settings, entry.settings)).make(settings)
