"""`lineside browse`: what an OPC UA server has, as a profile to begin with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from pydantic import BaseModel

from adapters.registry import protocols
from gateway.cli.common import ConfigOption, JsonOption, configuration
from gateway.config.plan import Resolved
from gateway.core.errors import ConfigError, LinesideError
from gateway.core.problems import unknown
from gateway.profile.proposal import proposal
from gateway.wiring import browse_server


def command(
    server: Annotated[str, typer.Argument(help="Id of a station, name of a connection, or `opc.tcp://HOST:PORT`.")],
    machine_class: Annotated[str, typer.Option("--class", help="Class of the machine, for the profile.")] = "generic",
    depth: Annotated[int, typer.Option(min=1, max=50, help="Levels below the Objects folder.")] = 8,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Variables at most.")] = 1_000,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Connect to an OPC UA server and print a profile of its variables, with units and values of now as examples.

    Reads only. An address is asked anonymously and without security; for anything else, configure a connection and give
    its name, or that of a station on it.

    Example: lineside browse opc.tcp://10.0.0.31:4840 --class reflow_oven
    """
    settings = _settings(server, config)
    try:
        found = asyncio.run(browse_server(settings, depth=depth, most=most))
    except LinesideError as error:
        raise LinesideError(f"{server}: {error}") from error
    if json:
        typer.echo(msgspec.json.encode({"endpoints": found.endpoints, "variables": found.variables}))
    else:
        for offered in found.endpoints:
            typer.echo(f"# offers {offered}")
        for line in proposal(machine_class, found.variables):
            typer.echo(line)
    if not found.variables:
        raise typer.Exit(1)


def _settings(server: str, config: Path | None) -> BaseModel:
    if server.startswith("opc.tcp:"):
        model = protocols()["opcua"]
        try:
            return model.model_validate({"protocol": "opcua", "name": server, "url": server})
        except ValueError as error:
            raise ConfigError([f"{server!r} is no address; allowed: such as opc.tcp://10.0.0.31:4840"]) from error
    resolved = configuration(config)
    return resolved.connections[_connection(resolved, server)]


def _connection(resolved: Resolved, wanted: str) -> str:
    """The first of a station's, if it is one."""
    routes = {plan.id: plan.routes[0].connection for plan in resolved.stations if plan.routes}
    known = {**{name: name for name in resolved.connections}, **routes}
    if wanted not in known:
        raise ConfigError([unknown(wanted, "station or connection", known)])
    return known[wanted]
