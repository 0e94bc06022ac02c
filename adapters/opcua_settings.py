"""Settings of `opcua` connections: one session at one server, which may serve several stations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.core.files import LocalPath
from gateway.core.secrets import Secret
from gateway.core.sizes import Bytes

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]

_LOCAL = re.compile(r"localhost|::1|127\..*")
_LONG_SESSION_S = 600.0


def _endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "opc.tcp" or not parts.hostname or port == 0:
        raise ValueError("is no address of an OPC UA server; allowed: such as opc.tcp://10.0.0.31:4840/oven")
    if "@" in parts.netloc:
        raise ValueError("names a user; allowed: with user and password beside it")
    return text


class OpcUaConnection(BaseModel):
    """A `[[connection]]` with `protocol = "opcua"`. What is read there, the profiles of its stations say."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    profile_protocol: ClassVar[str] = "opcua"
    """What its machines' profiles name as their protocol."""
    claims: ClassVar[tuple[str, ...]] = ()

    protocol: Literal["opcua"]
    name: str = Field(min_length=1, description="Name of the connection, unique in the gateway.")
    url: Annotated[str, AfterValidator(_endpoint)] = Field(
        description="Where the server is: `opc.tcp://10.0.0.31:4840/oven`."
    )
    security_policy: Literal["none", "basic256sha256", "aes128", "aes256"] = Field(
        default="none",
        description="`aes128` is Aes128_Sha256_RsaOaep, `aes256` Aes256_Sha256_RsaPss. What the server offers, "
        "`lineside browse URL` prints.",
    )
    mode: Literal["sign", "sign-and-encrypt"] = Field(
        default="sign-and-encrypt", description="Of messages, where there is a policy."
    )
    user: str | None = Field(default=None, min_length=1, description="User name. Left out: anonymous.")
    password: Secret | None = Field(default=None, description="Where the user's password is kept.")
    user_certificate: LocalPath | None = Field(
        default=None, description="In place of a user name: the user's certificate, PEM or DER."
    )
    user_private_key: LocalPath | None = Field(
        default=None, description="Its private key, RSA, PEM or DER, without a passphrase."
    )
    pki: LocalPath = Field(
        default=Path("opcua"),
        validate_default=True,
        description="Folder of certificates: `own` with ours, made on first use; `trusted/certs` with those of servers, or of "
        "authorities, that are trusted; `issuers/certs` with authorities that only stand between; `trusted/crl` and "
        "`issuers/crl` with revocation lists; `rejected` with what was refused.",
    )
    certificate: LocalPath | None = Field(
        default=None, description="Our certificate, PEM or DER, in place of the one made in `pki`."
    )
    private_key: LocalPath | None = Field(default=None, description="Its private key, PEM, without a passphrase.")
    history: bool = Field(
        default=False,
        description="After an outage, or when the gateway was not running, ask the server for what it recorded meanwhile, "
        "where it does.",
    )
    history_most_s: Seconds = Field(default=86_400.0, description="Longest time back that it is asked for.")
    connect_timeout_s: Seconds = Field(
        default=10.0,
        description="For connecting, and again until everything is subscribed to and the first values are there.",
    )
    answer_timeout_s: Seconds = Field(default=4.0, description="How long the server may take for any other answer.")
    keepalive_s: Seconds = Field(
        default=5.0,
        description="How often the server's clock is looked at, both asked for and subscribed to. When it is silent for three "
        "times as long, the subscription has been lost, whatever else the server says.",
    )
    session_timeout_s: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = Field(
        default=60.0,
        description="So long the server keeps our session and its queues when the network fails. What is left of a gateway "
        "that was killed burdens the server for as long.",
    )
    close_timeout_s: Seconds = Field(default=2.0, description="How long the server may take to hear that we go.")
    retry_bad_s: Seconds = Field(
        default=60.0,
        description="A node that the server does not have, or does not let us see, is tried again this often.",
    )
    most_at_once: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Nodes in one request, where the server does not want fewer.",
    )
    publishes: int = Field(
        default=3, ge=1, le=100, description="Answers that the server may owe us, each to be filled with what is new."
    )
    buffer_bytes: Bytes = Field(
        default=8 << 20,
        ge=1024,
        description="Bytes read and not yet handed over at which nothing more is asked for; the server's queues then fill.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.password is not None and self.user is None:
            raise ValueError("`password` needs `user`")
        for one, other in (("certificate", "private_key"), ("user_certificate", "user_private_key")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"`{one}` and `{other}` belong together")
        if self.user is not None and self.user_certificate is not None:
            raise ValueError("`user` stands beside `user_certificate`; allowed: one of them")
        return self

    @property
    def secured(self) -> bool:
        return self.security_policy != "none"

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant. Opens no connection."""
        found = []
        local = _LOCAL.fullmatch(urlsplit(self.url).hostname or "")
        if self.user is not None and not self.secured and not local:
            found.append(
                "security_policy = none: anybody can pose as the server and be told the password; use basic256sha256 or aes256"
            )
        if self.session_timeout_s > _LONG_SESSION_S:
            found.append(
                f"session_timeout_s = {self.session_timeout_s:g}: what is left of a session burdens the server for so long"
            )
        if self.session_timeout_s < 2 * self.keepalive_s:
            found.append("session_timeout_s is so short that the server may end the session between two keepalives")
        return [f"{self.name}: {text}" for text in found]
