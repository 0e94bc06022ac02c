"""Addresses to listen on."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})")
ALLOWED = '"HOST:PORT", such as "127.0.0.1:8080", "0.0.0.0:8080", "[::1]:8080"'


class Address(NamedTuple):
    """A host name or IP address, and a port; port 0 lets the system choose one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises ValueError."""
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > 65_535:
            raise ValueError(f"is no address; allowed: {ALLOWED}")
        if match["six"]:
            ipaddress.IPv6Address(match["six"])
        return cls(match["six"] or match["host"], int(match["port"]))

    @property
    def loopback(self) -> bool:
        """Only this machine can connect to it. A host name other than localhost may be anything."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def meets(self, other: Address) -> bool:
        """Listening on both fails: the same port, and the same host or one that stands for it."""
        same = self.host == other.host or self._stands_for(other) or other._stands_for(self)
        return same and self.port == other.port != 0

    def _stands_for(self, other: Address) -> bool:
        # Python's servers on :: leave IPv4 alone, whatever the system's default is.
        family = {"0.0.0.0": 4, "::": 6}.get(self.host)
        try:
            return family == ipaddress.ip_address(other.host).version
        except ValueError:  # a host name may be either
            return family is not None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _validate(value: object) -> Address:
    if isinstance(value, Address):
        return value
    try:
        if isinstance(value, str):
            return Address.parse(value)
    except ValueError as error:
        raise PydanticCustomError("address", "{reason}", {"reason": str(error)}) from None
    raise PydanticCustomError("address", f"must be an address in quotes; allowed: {ALLOWED}")


Listen = Annotated[
    Address,
    BeforeValidator(_validate),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "host:port"}),
]
"""An address in a settings model."""
