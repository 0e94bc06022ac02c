"""`lineside schema`: JSON Schema of the configuration and of profiles, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from adapters.registry import protocols
from gateway.classes import table
from gateway.config import reference
from gateway.profile import reference as profiles
from gateway.sinks.registry import sinks


def command(
    write: Annotated[
        Path | None,
        typer.Option(help="Write the schemas and the reference pages into this checkout instead of printing."),
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Of profiles, not of the configuration.")] = False,
) -> None:
    """Print the JSON Schema of the configuration file, or of profiles.

    Example: lineside schema > lineside.schema.json
    """
    found = protocols(), sinks()
    if write is None:
        typer.echo(json.dumps(profiles.schema() if profile else reference.schema(*found), indent=2))
        return
    pages = {**reference.generated(write, *found), **profiles.generated(write), **table.generated(write)}
    for path, text in pages.items():
        (write / path).write_text(text, "utf-8")
