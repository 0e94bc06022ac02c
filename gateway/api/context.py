"""What the API is made of: the running gateway's parts, handed over by wiring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.api.log import EventLog, JournalLog
from gateway.capture.captures import Captures
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros
from gateway.ingest.ingest import Ingest
from gateway.journal.reader import Reader
from gateway.journal.writer import Writer
from gateway.supervisor.supervisor import Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """hosts: allowed Host names beside loopback and the address we listen on. tokens_file: None when there is no
    `[auth]`. anonymous: everything but `admin` without a token, also off loopback."""

    listen_host: str = "127.0.0.1"
    listen_port: int = 8080
    hosts: tuple[str, ...] = ()
    tokens_file: str | None = None
    anonymous: bool = False
    keepalive_s: float = 15.0
    """Longest time without an `id:` on a stream."""
    write_timeout_s: float = 30.0
    """A reader that does not take 64 KB within this time is cut."""
    readers: int = 1000
    """Streams and exports at one time; more are refused."""
    session_s: float = 12 * 3600.0
    """How long a browser's session lasts."""


class Outlet(Protocol):
    """A sink as `/readyz` shows it, like a connection: state `down`, `connected` or `proven`, why it is down, and whether
    it was tried."""

    name: str
    since: Micros | None
    tried: bool
    reason: str

    @property
    def state(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`retry` puts a quarantined message through ingest again and tells whether it was understood this time; it raises
    RetryRefused. extra_components: further parts for `/readyz`, each giving (ready, reason or state, since)."""

    version: str
    started: Micros
    http: HttpSettings
    writer: Writer
    reader: Reader
    ingest: Ingest
    supervisor: Supervisor
    telemetry: Telemetry
    retry: Callable[[int], Awaitable[bool]] | None = None
    captures: Captures | None = None
    sinks: list[Outlet] = field(default_factory=list)
    extra_components: dict[str, Callable[[], tuple[bool, str, Micros | None]]] = field(default_factory=dict)

    @property
    def log(self) -> EventLog:
        """What `/events` reads."""
        return JournalLog(self.reader, self.ingest.tail)
