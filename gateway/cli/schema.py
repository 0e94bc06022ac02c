"""`lineside schema`: JSON Schema of the configuration, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.config import reference
from gateway.wiring import protocols


def command(
    write: Annotated[
        Path | None,
        typer.Option(help="Write the schema and the reference page into this checkout instead of printing."),
    ] = None,
) -> None:
    """Print the JSON Schema of the configuration file.

    Example: lineside schema > lineside.schema.json
    """
    found = protocols()
    if write is None:
        typer.echo(json.dumps(reference.schema(found), indent=2))
        return
    for path, text in reference.generated(write, found).items():
        (write / path).write_text(text, "utf-8")
