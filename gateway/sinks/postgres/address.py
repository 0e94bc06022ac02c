"""Where a database is: a URL, in the configuration or kept as a secret, and never with a password in the clear."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.core import files
from gateway.core.errors import ConfigError
from gateway.core.secrets import FORMS, Secret

SCHEMES = ("postgresql", "postgres")
_PREFIXES = ("env:", "file:", "credential:")
_FORM = "postgresql://USER@HOST:PORT/DATABASE"


def check(url: str) -> None:
    """Raises ValueError when it is no such URL. Its text repeats nothing of it: there may be a password in it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"is no URL; allowed: {_FORM}") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"is no URL of a PostgreSQL database; allowed: {_FORM}")
    if not parts.path.strip("/"):
        raise ValueError(f"names no database; allowed: {_FORM}")


def has_password(url: str) -> bool:
    parts = urlsplit(url)
    return parts.password is not None or "password" in parse_qs(parts.query)


def shown(url: str) -> str:
    """Without what nobody else should see: host, port and database."""
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    return f"{host}{f':{parts.port}' if parts.port else ''}/{parts.path.strip('/')}"


def reveal(address: Secret | str) -> str:
    """The URL. Raises ConfigError when a secret cannot be had, or is no such URL."""
    if isinstance(address, str):
        return address
    url = address.reveal()
    try:
        check(url)
    except ValueError as error:
        raise ConfigError([f"{address}: {error}"]) from None
    return url


def _read(value: Any, info: ValidationInfo) -> Secret | str:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("database", "must be a URL in quotes")
    try:
        if value.startswith(_PREFIXES):
            return Secret(value, folder=files.folder(info))
        check(value)
    except ValueError as error:
        raise PydanticCustomError("database", "{reason}", {"reason": str(error)}) from None
    if has_password(value):
        raise PydanticCustomError(
            "database",
            "has a password in it; write `password` beside it, or the whole URL as {forms}",
            {"forms": FORMS},
        )
    return value


DatabaseUrl = Annotated[
    Secret | str,
    BeforeValidator(_read),
    PlainSerializer(str),
    WithJsonSchema(
        {"type": "string", "pattern": "^(postgres(ql)?://|(env|file|credential):).+", "format": "URL or secret"}
    ),
]
"""In a settings model: the URL itself without a password, or where it is kept."""
