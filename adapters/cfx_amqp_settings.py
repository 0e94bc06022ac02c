"""Settings of a `cfx-amqp` connection: client form (`host`, `addresses`) or listener form (`listen`)."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.core.errors import ConfigError
from gateway.core.files import LocalPath
from gateway.core.secrets import Secret
from gateway.core.sizes import Bytes
from gateway.transport.tls import client_context, server_context
from gateway.transport.users import parse_users

_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})")

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


def is_loopback(host: str) -> bool:
    """Whether only this machine is meant. A host name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_temporary(address: str) -> bool:
    """RabbitMQ 3's forms of a source that has no queue of its own."""
    return address.startswith(("/exchange/", "/topic/"))


_SHORT_IDLE_S = 5.0


class Tls(BaseModel):
    """TLS of either form. An empty table is enough for a client that trusts the system's authorities."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    ca: LocalPath | None = Field(None, description="Client: authorities to trust, PEM; the system's when left out")
    verify: bool = Field(True, description="Client: check the peer's certificate and host name")
    cert: LocalPath | None = Field(None, description="Our certificate with its chain, PEM; a listener must have one")
    key: LocalPath | None = Field(None, description="Private key of `cert`, PEM, without a passphrase")
    client_ca: LocalPath | None = Field(
        None, description="Listener: demand a client certificate of this authority; its common name is the principal"
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("`cert` and `key` belong together")
        return self

    def context(self, *, listening: bool) -> ssl.SSLContext:
        """Reads the files. Raises ConfigError naming the one that cannot be used."""
        if not listening:
            return client_context(ca=self.ca, verify=self.verify, cert=self.cert, key=self.key)
        assert self.cert is not None
        assert self.key is not None
        return server_context(cert=self.cert, key=self.key, client_ca=self.client_ca)


class Auth(BaseModel):
    """Who may connect to a listener."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    users: Secret = Field(
        description="Users file, `file:PATH`: a line per user, NAME:HASH[:HANDLE,HANDLE]; read when listening begins"
    )


class CfxAmqpConnection(BaseModel):
    """A `[[connection]]` with `protocol = "cfx-amqp"`: exactly one of `host` (client) and `listen` (listener)."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    protocol: Literal["cfx-amqp"]
    name: str = Field(min_length=1, description="Name of the connection, unique in the gateway")

    host: str | None = Field(None, min_length=1, description="Client: host of the broker")
    port: int | None = Field(None, ge=1, le=65_535, description="Client: port; 5672, with TLS 5671")
    vhost: str | None = Field(
        None, description="Client: RabbitMQ virtual host, sent as `vhost:NAME`; its default one when left out"
    )
    addresses: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="Client: sources to receive from, in the broker's own words: RabbitMQ 3 `/queue/NAME`, "
        "RabbitMQ 4 `/queues/NAME`, Qpid `NAME`",
    )
    durable: bool = Field(
        True, description="Client: ask for a durable source, as the CFX SDK does; must fit the queue on RabbitMQ 3"
    )
    user: str | None = Field(None, min_length=1, description="Client: user of SASL PLAIN; ANONYMOUS without")
    password: Secret | None = Field(None, description="Client: where its password is kept")
    external: bool = Field(False, description="Client: SASL EXTERNAL, who we are is in our TLS certificate")
    connect_timeout_s: Seconds = Field(5.0, description="Client: time for the TCP and TLS connection")

    listen: str | None = Field(None, description="Listener: HOST:PORT that machines connect to")
    auth: Auth | None = Field(None, description="Listener: users with passwords; offers SASL PLAIN")
    allow_anonymous: bool = Field(False, description="Listener: let in machines that prove nothing")
    unanswered: Literal["not-supported", "no-answer"] = Field(
        "not-supported",
        description="Listener: what a machine's request gets that nobody here answers",
    )
    max_connections: int = Field(256, ge=1, le=10_000, description="Listener: connections at one time")
    refusal_delay_s: float = Field(
        1.0, ge=0, le=60, description="Listener: pause before a wrong password is answered, one at a time per address"
    )

    tls: Tls | None = Field(None, description="TLS; without it everything is in clear text")
    container_id: str | None = Field(None, min_length=1, description="Our AMQP container-id; `lineside-NAME`")
    credit: int = Field(300, ge=1, le=100_000, description="Messages per link that may be on their way to the journal")
    idle_timeout_s: Seconds = Field(
        30.0, description="A peer that sends nothing for this long, no heartbeat either, is gone"
    )
    handshake_timeout_s: Seconds = Field(10.0, description="From the TCP connection to the AMQP connection")
    close_timeout_s: Seconds = Field(2.0, description="How long a peer may take to confirm that we close")
    max_frame_bytes: int = Field(65_536, ge=512, le=1 << 24, description="AMQP max-frame-size that we announce")
    max_message_bytes: Bytes = Field(
        32 << 20, ge=1024, description="A longer AMQP message goes to quarantine with as many bytes"
    )
    max_payload_bytes: Bytes = Field(32 << 20, ge=1024, description="Longest message once decompressed")
    buffer_bytes: Bytes = Field(
        64 << 20, ge=1024, description="Bytes per connection that are not in the journal yet at which reading pauses"
    )

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            match = _LISTEN.fullmatch(value)
            if match is None or int(match["port"]) > 65_535:
                raise ValueError('must be HOST:PORT, such as "0.0.0.0:5672" or "[::]:5672"')
            if match["six"]:
                ipaddress.IPv6Address(match["six"])
        return value

    @model_validator(mode="after")
    def _form(self) -> Self:
        if (self.host is None) == (self.listen is None):
            raise ValueError("exactly one of `host` (client of a broker) and `listen` (machines connect to us)")
        wrong = _LISTENER_ONLY if self.listen is None else _CLIENT_ONLY
        given = sorted(wrong & self.model_fields_set)
        if given:
            form = "host" if self.listen is None else "listen"
            raise ValueError(f"does not go with `{form}`: {', '.join(given)}")
        if self.listen is None:
            self._check_client()
        else:
            self._check_listener()
        return self

    def _check_client(self) -> None:
        if not self.addresses:
            raise ValueError("`addresses` must name at least one source")
        if len(set(self.addresses)) < len(self.addresses):
            raise ValueError("`addresses` names a source twice")
        if (self.user is None) != (self.password is None):
            raise ValueError("`user` and `password` belong together")
        if self.tls is not None and self.tls.client_ca is not None:
            raise ValueError("`tls.client_ca` is a listener's; authorities of the broker's certificate are `tls.ca`")
        if self.external and (self.tls is None or self.tls.cert is None):
            raise ValueError("`external` needs `tls` with `cert` and `key`")
        if self.external and self.password is not None:
            raise ValueError("`external` does not go with `password`")

    def _check_listener(self) -> None:
        certified = self.tls is not None and self.tls.client_ca is not None
        if self.tls is not None and self.tls.cert is None:
            raise ValueError("a listener with `tls` needs its `cert` and `key`")
        if self.tls is not None and self.tls.ca is not None:
            raise ValueError("`tls.ca` is a client's; authorities of the machines' certificates are `tls.client_ca`")
        if self.auth is None and not certified and not self.allow_anonymous and not is_loopback(self.listen_address[0]):
            raise ValueError(
                "needs `auth`, `tls.client_ca` or `allow_anonymous = true`, for others can reach this port"
            )

    @property
    def effective_port(self) -> int:
        """Client: the port to connect to."""
        return self.port or (5672 if self.tls is None else 5671)

    @property
    def listen_address(self) -> tuple[str, int]:
        """Listener: host and port. Port 0 lets the system choose one."""
        match = _LISTEN.fullmatch(self.listen or "")
        assert match is not None
        return match["six"] or match["host"], int(match["port"])

    @property
    def request_uri(self) -> str | None:
        """Listener: where machines reach it, as CFX's RequestNetworkUri. One on every address names this host."""
        if self.listen is None:
            return None
        host, port = self.listen_address
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        return f"{'amqp' if self.tls is None else 'amqps'}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def kept_while_away(self) -> bool:
        """Client: whether the broker keeps what is sent while we are not connected, as far as we can know."""
        return self.durable and not any(_is_temporary(address) for address in self.addresses)

    @property
    def lets_in_anyone(self) -> bool:
        """Listener: nothing has to be proven: said so, or on loopback with nothing to prove it by."""
        certified = self.tls is not None and self.tls.client_ca is not None
        return self.allow_anonymous or (self.auth is None and not certified)

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant, and a users file that cannot be used. Opens no connection."""
        found: list[str] = []
        if self.listen is None:
            local = is_loopback(self.host or "")
            if self.user is not None and self.tls is None and not local:
                found.append(f"{self.name}: the password goes to {self.host} in clear text; use tls")
            if self.idle_timeout_s < _SHORT_IDLE_S:
                found.append(
                    f"{self.name}: idle_timeout_s = {self.idle_timeout_s:g}: brokers send a sign of life only every second "
                    "or two (RabbitMQ 3.10); a quiet connection would drop again and again"
                )
            found += [
                f"{self.name}: {address!r} makes a queue that lives as long as our connection; name a queue to keep what is "
                "sent while we are away"
                for address in self.addresses
                if _is_temporary(address)
            ]
            if self.tls is not None and not self.tls.verify:
                found.append(f"{self.name}: tls.verify = false: anybody can pose as {self.host}")
            return found
        host, _ = self.listen_address
        if self.auth is not None and self.tls is None and not is_loopback(host):
            found.append(f"{self.name}: machines send their passwords to {self.listen} in clear text; use tls")
        if self.allow_anonymous and not is_loopback(host):
            found.append(f"{self.name}: allow_anonymous: anybody who reaches {self.listen} can send events")
        if self.auth is not None:
            try:
                parse_users(self.auth.users.reveal(), where=str(self.auth.users))
            except ConfigError as error:
                found += [f"{self.name}: {problem}" for problem in error.problems]
        return found


_CLIENT_ONLY = frozenset({"port", "vhost", "addresses", "durable", "user", "password", "external", "connect_timeout_s"})
_LISTENER_ONLY = frozenset({"auth", "allow_anonymous", "unanswered", "max_connections", "refusal_delay_s"})
