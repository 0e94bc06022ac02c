"""Events about the gateway's own sight of the machines: `Lineside.*`.

Their bodies are plain JSON objects with PascalCase keys, as CFX has them; docs/events.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.core.event import Event, Origin
from gateway.core.ids import LINESIDE, derived
from gateway.core.times import Micros

_encode = msgspec.json.Encoder().encode


def gateway_event(
    name: str,
    body: Mapping[str, Any],
    *,
    at: Micros,
    key: str,
    line: str | None = None,
    station: str | None = None,
) -> Event:
    """`name` is without its prefix. Two events with the same key, name and time are the same event (same id)."""
    data = _encode(body)
    return Event(
        id=derived(LINESIDE, name, key, str(at)),
        time=at,
        received=at,
        line=line,
        station=station,
        message=f"Lineside.{name}",
        origin=Origin.GATEWAY,
        body=data,
        raw=data,
    )
