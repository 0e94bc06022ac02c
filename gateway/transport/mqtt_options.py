"""What an MQTT connection is told before it is made."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Literal

import msgspec

Version = Literal["3.1.1", "5"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect, as whom, and within which bounds. Nothing in it is secret, so it may be printed.

    client_id: stable where the broker is to keep a session; may be empty when `clean`. clean: neither take up a session
    nor leave one behind. password: called at every connect. tls: None for clear text. session_expiry_s: how long the
    broker keeps the session of a client that is away, and receive_maximum: how many messages it may send without an
    acknowledgement (MQTT 5; in 3.1.1 both are the broker's own settings). keepalive_s: a ping at least twice as often;
    silence of half as long again means that the broker is gone. connect_timeout_s: for each of connecting with
    CONNACK, and subscribing. buffer_bytes: read and not yet handed over; beyond it the socket is left alone.
    largest_payload: of a longer one only the beginning is kept. window: publishes under way at one time.
    """

    host: str
    port: int = 1883
    client_id: str = ""
    version: Version = "3.1.1"
    clean: bool = False
    user: str | None = None
    password: Callable[[], str] | None = None
    tls: ssl.SSLContext | None = None
    session_expiry_s: int = 7 * 86_400
    receive_maximum: int = 500
    keepalive_s: float = 30.0
    connect_timeout_s: float = 10.0
    close_timeout_s: float = 2.0
    buffer_bytes: int = 16 << 20
    largest_payload: int = 32 << 20
    window: int = 100

    @property
    def place(self) -> str:
        """For messages: `MQTT broker 10.0.0.5:1883`."""
        return f"MQTT broker {self.host}:{self.port}"
