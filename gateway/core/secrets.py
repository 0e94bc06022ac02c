"""Secrets are named in a configuration, never written there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.core import files
from gateway.core.errors import ConfigError

FORMS = '"env:NAME", "file:PATH", "credential:NAME"'
_LONGEST = 1 << 20
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL = re.compile(r"(?!\.)[A-Za-z0-9_.@-]{1,255}")


class Secret:
    """Where a secret is kept. It is looked up at every `reveal`, so what was rotated is found, and none is held here.

    `env:NAME`: an environment variable. `file:PATH`: the content of a file, less one newline at its end; relative to
    `folder`. `credential:NAME`: a file in $CREDENTIALS_DIRECTORY, as systemd's LoadCredential= makes it.
    Two secrets are equal when they are kept in the same place.
    """

    __slots__ = ("_kind", "_place")

    def __init__(self, reference: str, *, folder: Path | None = None) -> None:
        """Raises ValueError when `reference` is none; the text of the error does not repeat it."""
        kind, colon, place = reference.partition(":")
        if not colon or kind not in ("env", "file", "credential"):
            raise ValueError(f"a secret itself does not belong here, only where it is kept; allowed: {FORMS}")
        if kind == "env" and not _VARIABLE.fullmatch(place):
            raise ValueError("env: must be followed by the name of an environment variable")
        if kind == "credential" and not _CREDENTIAL.fullmatch(place):
            raise ValueError("credential: must be followed by the name of a systemd credential, without a folder")
        self._kind = kind
        self._place = str(files.absolute(place, folder or Path.cwd())) if kind == "file" else place

    def reveal(self) -> str:
        """The secret. Raises ConfigError naming what is missing."""
        if self._kind == "env":
            value = os.environ.get(self._place)
            if not value:
                raise ConfigError(
                    [f"{self}: environment variable {self._place} is {'empty' if value == '' else 'not set'}"]
                )
            return value
        if self._kind == "file":
            return self._content(Path(self._place))
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise ConfigError(
                [f"{self}: $CREDENTIALS_DIRECTORY is not set; systemd sets it for a service with LoadCredential="]
            )
        return self._content(Path(directory) / self._place)

    def _content(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                data = file.read(_LONGEST + 1)
        except OSError as error:
            raise ConfigError([f"{self}: cannot read {path}: {error.strerror}"]) from error
        if len(data) > _LONGEST:
            raise ConfigError([f"{self}: {path} is longer than {_LONGEST} bytes"])
        try:
            text = data.decode()
        except UnicodeDecodeError:  # not chained: it carries the bytes
            raise ConfigError([f"{self}: {path} is not UTF-8 text"]) from None
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise ConfigError([f"{self}: {path} is empty"])
        return text

    def __str__(self) -> str:
        return f"{self._kind}:{self._place}"

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._kind, self._place) == (other._kind, other._place)

    def __hash__(self) -> int:
        return hash((self._kind, self._place))

    @classmethod
    def _read(cls, value: object, info: ValidationInfo) -> Secret:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("secret", f"must say where the secret is kept; allowed: {FORMS}")
        try:
            return cls(value, folder=files.folder(info))
        except ValueError as error:
            raise PydanticCustomError("secret", "{reason}", {"reason": str(error)}) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^(env|file|credential):.+", "format": "secret"}
