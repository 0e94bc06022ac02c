"""`lineside serve`: the API on the plant's history."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from gateway.api.context import HttpSettings
from gateway.cli.common import VerboseOption, log_to_stderr, run_until_signal
from gateway.config.address import Address
from gateway.core.errors import ConfigError
from gateway.core.secrets import FORMS, Secret
from gateway.serve.app import run
from gateway.sinks.postgres.address import DatabaseUrl, reveal, shown
from gateway.sinks.postgres.reader import open_history
from gateway.wiring import VERSION

log = logging.getLogger("lineside")


def command(
    database: Annotated[
        str,
        typer.Option(
            envvar="LINESIDE_DATABASE",
            help=f"Where it is: postgresql://USER@HOST:PORT/DATABASE, or {FORMS} with the whole URL, as with a password.",
        ),
    ],
    listen: Annotated[str, typer.Option(help="Address of the API.")] = "127.0.0.1:8080",
    tokens: Annotated[
        Path | None, typer.Option(help="File with the hashed tokens of those who may read; `lineside token` writes it.")
    ] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="Whoever reaches the address may read without a token.")
    ] = False,
    host: Annotated[
        list[str], typer.Option(help="Host name, beside this machine's own, under which browsers may ask. Repeatable.")
    ] = [],  # noqa: B006
    verbose: VerboseOption = False,
) -> None:
    """Serve the events of all gateways that write into one PostgreSQL (a sink of kind `postgres` in their configuration).

    Example: lineside serve --database env:PLANT_DB --listen 0.0.0.0:8080 --tokens tokens.toml
    """
    log_to_stderr(verbose=verbose)
    address = _listen(listen, safe=tokens is not None or allow_anonymous)
    url = reveal(_database(database))
    http = HttpSettings(
        listen_host=address.host,
        listen_port=address.port,
        hosts=tuple(host),
        tokens_file=None if tokens is None else str(tokens),
        anonymous=allow_anonymous,
    )

    async def main(stop: asyncio.Event) -> None:
        reader = await open_history(url)
        try:
            ready = lambda port: log.info(  # noqa: E731
                "ready: http://%s/api/v1/events on %s", Address(address.host, port), shown(url)
            )
            await run(reader, http, stop, version=VERSION, ready=ready)
        finally:
            await reader.close()

    run_until_signal(main)


def _database(text: str) -> Secret | str:
    try:
        found: Secret | str = TypeAdapter(DatabaseUrl).validate_python(text)
    except ValidationError as error:
        raise ConfigError([f"--database: {error.errors(include_url=False, include_input=False)[0]['msg']}"]) from None
    return found


def _listen(text: str, *, safe: bool) -> Address:
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise ConfigError([f"--listen: {error}"]) from None
    if not address.loopback and not safe:
        raise ConfigError(["--listen: other machines reach this address; allowed: with --tokens, or --allow-anonymous"])
    return address
