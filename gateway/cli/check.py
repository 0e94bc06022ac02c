"""`lineside check`: is the configuration right? Opens no connection."""

from __future__ import annotations

import msgspec
import typer

from gateway import resources
from gateway.cli.common import ConfigOption, JsonOption, configuration
from gateway.config.advice import warnings
from gateway.core.errors import ConfigError
from gateway.wiring import check_adapters


def command(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Check the configuration and report every problem at once; connects to nothing.

    Example: lineside check -c line1.toml
    """
    path = resources.find_config(config)
    problems: list[str] = []
    notes: list[str] = []
    try:
        resolved = configuration(path)
        check_adapters(resolved)
        notes = warnings(resolved)
        summary = f"{len(resolved.connections)} connections, {len(resolved.stations)} stations"
    except ConfigError as error:
        problems = error.problems
        summary = f"{len(problems)} problems"
    if json:
        typer.echo(msgspec.json.encode({"file": str(path), "problems": problems, "warnings": notes}))
    else:
        for problem in problems:
            typer.echo(problem, err=True)
        for note in notes:
            typer.echo(f"warning: {note}", err=True)
        typer.echo(f"{path}: {'not usable' if problems else 'ok'}: {summary}")
    if problems:
        raise typer.Exit(2)
