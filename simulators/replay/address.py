"""Host and port, as settings have them."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def spelt(host: str, port: int) -> str:
    """`HOST:PORT`, or `[HOST]:PORT` for one of IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def free_port() -> int:
    """On which somebody else can listen later, if nobody is quicker."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
