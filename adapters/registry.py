"""Every protocol a connection may speak, in one place to read and to search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel

from adapters.cfx_amqp import CfxAmqpAdapter
from adapters.cfx_amqp_settings import CfxAmqpConnection
from adapters.cfx_mqtt import CfxMqttAdapter, CfxMqttConnection
from gateway.core.adapter import Adapter


class Entry(NamedTuple):
    """`settings`: what a `[[connection]]` of this protocol may say. `make(settings, gateway)`: its adapter."""

    settings: type[BaseModel]
    make: Callable[[Any, str], Adapter]


ADAPTERS: dict[str, Entry] = {
    "cfx-amqp": Entry(CfxAmqpConnection, CfxAmqpAdapter),
    "cfx-mqtt": Entry(CfxMqttConnection, lambda settings, gateway: CfxMqttAdapter(settings, settings.name, gateway)),
}


def build(settings: BaseModel, *, gateway: str) -> Adapter:
    """The adapter of a connection. `gateway` is the gateway's name, for client ids."""
    entry = next(entry for entry in ADAPTERS.values() if isinstance(settings, entry.settings))
    return entry.make(settings, gateway)
