"""Every protocol a connection may speak, in one place to read and to search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from adapters.cfx_amqp_settings import CfxAmqpConnection
from adapters.cfx_mqtt_settings import CfxMqttConnection
from adapters.files_settings import FilesConnection
from adapters.hermes_settings import HermesConnection
from adapters.modbus_settings import ModbusRtuConnection, ModbusRtuTcpConnection, ModbusTcpConnection
from adapters.opcua_settings import OpcUaConnection
from adapters.text_settings import SerialTextConnection, TcpTextConnection
from gateway.core.adapter import Adapter
from gateway.profile.bound import Machine

Make = Callable[[Any, str, Sequence[Machine]], Adapter]
Resume = Callable[[Any, Sequence[Machine], Mapping[str, bytes]], Adapter]


class Entry(NamedTuple):
    """`settings`: what a `[[connection]]` of this protocol may say. `make(settings, gateway, machines)`: its adapter.

    `resume(settings, machines, positions)`, in its place, of a source that is read from where one stopped.
    """

    settings: type[BaseModel]
    make: Make | None = None
    resume: Resume | None = None


# Each adapter is loaded when there is a connection of its own: with its library it takes up to a quarter of the time to
# start, and a line has few of them all.


def _cfx_amqp(settings: Any, gateway: str, machines: Sequence[Machine]) -> Adapter:
    from adapters.cfx_amqp import CfxAmqpAdapter

    return CfxAmqpAdapter(settings, gateway)


def _cfx_mqtt(settings: Any, gateway: str, machines: Sequence[Machine]) -> Adapter:
    from adapters.cfx_mqtt import CfxMqttAdapter

    return CfxMqttAdapter(settings, settings.name, gateway)


def _files(settings: Any, machines: Sequence[Machine], positions: Mapping[str, bytes]) -> Adapter:
    from adapters.files import FilesAdapter

    return FilesAdapter(settings, machines, positions)


def _hermes(settings: Any, gateway: str, machines: Sequence[Machine]) -> Adapter:
    from adapters.hermes import HermesAdapter

    return HermesAdapter(settings, gateway, machines)


def _modbus(settings: Any, gateway: str, machines: Sequence[Machine]) -> Adapter:
    from adapters.modbus import ModbusAdapter

    return ModbusAdapter(settings, machines)


def _opcua(settings: Any, machines: Sequence[Machine], positions: Mapping[str, bytes]) -> Adapter:
    from adapters.opcua import OpcUaAdapter

    return OpcUaAdapter(settings, machines, positions)


def _text(settings: Any, machines: Sequence[Machine], positions: Mapping[str, bytes]) -> Adapter:
    from adapters.text import TextAdapter

    return TextAdapter(settings, machines, positions)


ADAPTERS: dict[str, Entry] = {
    "cfx-amqp": Entry(CfxAmqpConnection, _cfx_amqp),
    "cfx-mqtt": Entry(CfxMqttConnection, _cfx_mqtt),
    "files": Entry(FilesConnection, resume=_files),
    "hermes-vertical": Entry(HermesConnection, _hermes),
    "modbus-rtu": Entry(ModbusRtuConnection, _modbus),
    "modbus-rtu-tcp": Entry(ModbusRtuTcpConnection, _modbus),
    "modbus-tcp": Entry(ModbusTcpConnection, _modbus),
    "serial-text": Entry(SerialTextConnection, resume=_text),
    "tcp-text": Entry(TcpTextConnection, resume=_text),
    "opcua": Entry(OpcUaConnection, resume=_opcua),
}


def build(
    settings: BaseModel,
    *,
    gateway: str,
    machines: Sequence[Machine] = (),
    positions: Mapping[str, bytes] | None = None,
) -> Adapter:
    """The adapter of a connection. `gateway` is the gateway's name, for client ids; `machines`: those on it that speak
    no CFX; `positions`: how far the journal has read it, by what of it."""
    entry = next(entry for entry in ADAPTERS.values() if isinstance(settings, entry.settings))
    if entry.resume is not None:
        return entry.resume(settings, machines, positions or {})
    assert entry.make is not None
    return entry.make(settings, gateway, machines)


def protocols() -> dict[str, type[BaseModel]]:
    """Settings model of each protocol that a connection may have."""
    return {name: entry.settings for name, entry in ADAPTERS.items()}
