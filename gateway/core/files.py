"""Paths in a configuration: relative ones start at the configuration file.

A settings model that uses these types gets the folder from pydantic's validation context, `{"folder": Path}`. Without
it (a model made in code) a relative path starts at the working directory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

_PREFIX = "file:"


def folder(info: ValidationInfo) -> Path:
    """Where relative paths start."""
    context = info.context
    found = context.get("folder") if isinstance(context, dict) else None
    return found if isinstance(found, Path) else Path.cwd()


def absolute(text: str, start: Path) -> Path:
    """`text` as an absolute path, `..` and `~` taken out. Raises ValueError when it cannot be a path."""
    if not text or "\0" in text:
        raise ValueError("must be a path")
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # ~somebody who has no home here
        raise ValueError(str(error)) from None
    # By text alone: the folder need not exist yet, and a link in it stays as the user wrote it.
    return Path(os.path.normpath(start.absolute() / path))


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path):
        raise PydanticCustomError("path", "must be a path in quotes")
    return absolute(str(value), folder(info))


def _reference(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return absolute(str(value), folder(info))
    if not isinstance(value, str) or not value.startswith(_PREFIX):
        raise PydanticCustomError("file_reference", 'must name a file; allowed: "file:PATH"')
    return absolute(value.removeprefix(_PREFIX), folder(info))


LocalPath = Annotated[
    Path,
    BeforeValidator(_path),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "minLength": 1, "format": "path"}),
]
"""A file or folder, written as a plain path."""

LocalFile = Annotated[
    Path,
    BeforeValidator(_reference),
    PlainSerializer(lambda path: f"{_PREFIX}{path}"),
    WithJsonSchema({"type": "string", "pattern": "^file:.+", "format": "file reference"}),
]
"""A file, written as `file:PATH` where other ways to name the content may follow."""
