"""TLS contexts, for whatever connects to somebody and whatever listens. TLS 1.2 at least."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.core.errors import ConfigError
from gateway.core.files import LocalPath


class ClientTls(BaseModel):
    """TLS of a connection that we open. An empty table is enough where the system's authorities vouch for the peer."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    ca: LocalPath | None = Field(default=None, description="Authorities to trust, PEM. Left out: those of the system.")
    verify: bool = Field(
        default=True, description="Check the peer's certificate, and that it is for the name of `host`."
    )
    cert: LocalPath | None = Field(
        default=None, description="Our certificate with its chain, PEM, where the peer wants one."
    )
    key: LocalPath | None = Field(default=None, description="Private key of `cert`, PEM, without a passphrase.")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("`cert` and `key` belong together")
        if not self.verify and self.ca is not None:
            raise ValueError("`ca` is for checking the peer, and `verify = false` switches that off")
        return self

    def context(self) -> ssl.SSLContext:
        """Reads the files. Raises ConfigError naming the one that cannot be used."""
        return client_context(ca=self.ca, verify=self.verify, cert=self.cert, key=self.key)


class ServerTls(BaseModel):
    """TLS of a port that we listen on."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    cert: LocalPath = Field(description="Our certificate with its chain, PEM.")
    key: LocalPath = Field(description="Private key of `cert`, PEM, without a passphrase.")
    client_ca: LocalPath | None = Field(
        default=None, description="Demand from every client a certificate of these authorities, PEM."
    )

    def context(self) -> ssl.SSLContext:
        """Reads the files. Raises ConfigError naming the one that cannot be used."""
        return server_context(cert=self.cert, key=self.key, client_ca=self.client_ca)


def client_context(
    *, ca: Path | None = None, verify: bool = True, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """For connecting. Meanings as in ClientTls. Raises ConfigError naming the file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is None:
        context.load_default_certs()
    else:
        _trust(context, ca)
    if cert is not None:
        _show(context, cert, key)
    return context


def server_context(*, cert: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """For listening. Meanings as in ServerTls. Raises ConfigError naming the file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, cert, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, client_ca)
    return context


def _trust(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError([f"tls: cannot use the authorities in {authorities}: {_reason(error)}"]) from error


def _show(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    for path in (cert, key):
        if path is not None:
            try:
                path.open("rb").close()
            except OSError as error:
                raise ConfigError([f"tls: cannot read {path}: {_reason(error)}"]) from error

    def refuse() -> str:
        # Without this OpenSSL asks on the terminal, and a daemon hangs.
        raise ConfigError([f"tls: the private key {key or cert} has a passphrase; store it without one"])

    try:
        context.load_cert_chain(cert, key, password=refuse)
    except OSError as error:
        raise ConfigError(
            [f"tls: cannot use the certificate {cert} with the private key {key or cert}: {_reason(error)}"]
        ) from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        words = (error.reason or "").replace("_", " ").lower()
        return words or "it is not PEM"
    return error.strerror or str(error)
