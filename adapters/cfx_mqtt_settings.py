"""Settings of a `cfx-mqtt` connection."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.core.secrets import Secret
from gateway.core.sizes import Bytes
from gateway.transport.mqtt_topics import check_filter, overlap
from gateway.transport.tls import ClientTls

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


def _valid(text: str) -> str:
    check_filter(text)
    return text


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


class CfxMqttConnection(BaseModel):
    """A `[[connection]]` with `protocol = "cfx-mqtt"`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    protocol: Literal["cfx-mqtt"]
    name: str = Field(min_length=1, description="Name of the connection, unique in the gateway.")
    host: str = Field(min_length=1, description="Host of the broker.")
    port: int | None = Field(default=None, ge=1, le=65_535, description="Its port. Left out: 1883, with TLS 8883.")
    topics: tuple[Annotated[str, AfterValidator(_valid)], ...] = Field(
        min_length=1, description="Topic filters to subscribe to, such as `SMTPlus/#` or `+/+/+/CFX/#`."
    )
    qos: Literal[0, 1] = Field(
        default=1,
        description="1: the broker keeps every message until it is in the journal. 0: what finds no way is lost.",
    )
    version: Literal["3.1.1", "5"] = Field(
        default="3.1.1",
        description="Of MQTT. With 5 the bounds of the session are ours to set, with 3.1.1 the broker's.",
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=65_535,
        description="As whom the broker knows us; it must stay the same, and be nobody else's. "
        "Left out: `lineside-GATEWAY-CONNECTION`.",
    )
    user: str | None = Field(default=None, min_length=1, description="User name.")
    password: Secret | None = Field(default=None, description="Where the user's password is kept.")
    tls: ClientTls | None = Field(default=None, description="TLS. Left out: everything is in clear text.")
    session_expiry_s: int = Field(
        default=7 * 86_400,
        ge=1,
        le=0xFFFF_FFFF,
        description="MQTT 5: how long the broker keeps our messages while we are away; 4294967295 is for ever.",
    )
    receive_maximum: int = Field(
        default=500,
        ge=1,
        le=65_535,
        description="MQTT 5: messages that may be on their way to the journal at one time.",
    )
    keepalive_s: Seconds = Field(
        default=30.0,
        description="Silence for half as long again means that the broker is gone; it is asked well before.",
    )
    connect_timeout_s: Seconds = Field(
        default=10.0, description="For connecting, with TLS and login, and again for subscribing."
    )
    close_timeout_s: Seconds = Field(default=2.0, description="How long the broker may take to hear that we go.")
    max_payload_bytes: Bytes = Field(
        default=32 << 20,
        ge=1024,
        le=256 << 20,
        description="Longest payload, as received and once decompressed. A longer one goes to quarantine.",
    )
    buffer_bytes: Bytes = Field(
        default=16 << 20,
        ge=1024,
        description="Bytes read and not yet handed over at which reading pauses; with QoS 0 the rest is dropped.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.password is not None and self.user is None:
            raise ValueError("`password` needs `user`")
        if len(set(self.topics)) < len(self.topics):
            raise ValueError("`topics` names a filter twice")
        return self

    @property
    def effective_port(self) -> int:
        return self.port or (1883 if self.tls is None else 8883)

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant. Opens no connection."""
        found = []
        if self.qos == 0:
            found.append(
                "qos = 0: the broker forgets what it cannot deliver at once, also whatever is sent while the gateway "
                "restarts; events get lost"
            )
        shared = [text for text in self.topics if text.startswith("$share/")]
        if shared:
            found.append(
                f"topics: {shared[0]!r} is shared: other clients of the group get part of each machine's messages"
            )
        plain = [text for text in self.topics if not text.startswith("$share/")]
        for one, other in combinations(plain, 2):
            if overlap(one, other):
                found.append(f"topics: {one!r} and {other!r} overlap: the broker may deliver what both take twice")
        local = _is_loopback(self.host)
        if self.user is not None and self.tls is None and not local:
            found.append(f"the password goes to {self.host} in clear text; use tls")
        if self.tls is not None and not self.tls.verify:
            found.append(f"tls.verify = false: anybody can pose as {self.host}")
        return [f"{self.name}: {text}" for text in found]
