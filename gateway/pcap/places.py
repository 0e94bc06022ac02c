"""Which TCP connections of a network capture are connections of a configuration: by address and port."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel

from gateway.config.address import Address
from gateway.core.errors import ConfigError
from gateway.pcap.amqp import AmqpReader
from gateway.pcap.modbus import ModbusReader
from gateway.pcap.mqtt import MqttReader
from gateway.pcap.reader import Context, Reader
from gateway.pcap.text import HermesReader, TextReader

Point = tuple[str, int]


def _opcua(context: Context) -> Reader:
    from gateway.pcap.opcua import OpcUaReader  # its library takes long to load

    return OpcUaReader(context)


READERS: Mapping[str, Callable[[Context], Reader]] = {
    "cfx-amqp": AmqpReader,
    "cfx-mqtt": MqttReader,
    "modbus-tcp": ModbusReader,
    "hermes-vertical": HermesReader,
    "modbus-rtu-tcp": ModbusReader,
    "opcua": _opcua,
    "tcp-text": TextReader,
}
"""By the protocol of the connection."""

_OPC_TCP = 4840
_LOOPBACK = "127.0.0.1"


class Place(NamedTuple):
    """Where a connection's server is. host: None stands for any address; ours, where machines come to us."""

    connection: str
    host: str | None
    port: int


class Places:
    """mapped: addresses in place of those of the configuration, by connection.

    unread: connections of which nothing can be found, and why.
    """

    def __init__(self, connections: Mapping[str, BaseModel], mapped: Mapping[str, Address]) -> None:
        """Raises ConfigError."""
        unknown = mapped.keys() - connections.keys()
        if unknown:
            allowed = ", ".join(sorted(connections)) or "none"
            raise ConfigError([f"--map: {name!r} is no connection; allowed: {allowed}" for name in sorted(unknown)])
        self.unread: dict[str, str] = {}
        self._places: dict[Point, str] = {}
        self._anywhere: dict[int, str] = {}
        for name, settings in connections.items():
            place = self._place(name, settings, mapped.get(name))
            if place is None:
                continue
            known: Any = self._anywhere if place.host is None else self._places
            key: Any = place.port if place.host is None else (place.host, place.port)
            if known.setdefault(key, name) != name:
                self.unread[name] = f"{known[key]} is at the same address: import them one at a time"

    def _place(self, name: str, settings: Any, mapped: Address | None) -> Place | None:
        if settings.protocol not in READERS:
            self.unread[name] = f"{settings.protocol} is not read from network captures"
            return None
        host, port = address(settings)
        if mapped is not None:
            return Place(name, _plain(mapped.host), mapped.port)
        if port is None:
            self.unread[name] = "it has no port"
            return None
        if host is None:
            return Place(name, None, port)
        plain = _LOOPBACK if host == "localhost" else _plain(host)
        if plain is None:
            self.unread[name] = (
                f"{host!r} is a name, and a network capture has addresses; say --map {name}=ADDRESS:{port}"
            )
            return None
        return Place(name, plain, port)

    def find(self, server: Point) -> str | None:
        """The connection that is at this address."""
        return self._places.get(server) or self._anywhere.get(server[1])


def address(settings: Any) -> tuple[str | None, int | None]:
    """Host and port of the end that is connected to. Without a host: any."""
    url = getattr(settings, "url", None)
    if url is not None:
        parts = urlsplit(url)
        return parts.hostname, parts.port or _OPC_TCP
    if getattr(settings, "listen", None) is not None:
        host, port = settings.listen_address
        loose = host in ("0.0.0.0", "::", "")
        return None if loose else host, port
    return settings.host, getattr(settings, "effective_port", None) or settings.port


def _plain(host: str) -> str | None:
    """An address as tshark writes it; None for a name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None
