"""What several commands share: options, loading the configuration, the event loop, logging."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from adapters.registry import protocols
from gateway import resources
from gateway.config.load import check_secrets, load
from gateway.config.plan import Resolved, resolve
from gateway.sinks.registry import sinks

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        help="Configuration file. Default: $LINESIDE_CONFIG, ./config/lineside.toml, /etc/lineside/lineside.toml, the packaged demo.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Log frames too.")]


def configuration(path: Path | None, *, secrets: bool = True) -> Resolved:
    """Found, read and checked, its secrets too unless nobody needs them. Raises ConfigError with every problem."""
    found = resources.find_config(path)
    loaded = load(found, protocols(), sinks=sinks(), folder=resources.base_folder(found))
    if secrets:
        check_secrets(found, loaded)
    return resolve(loaded)


def log_to_stderr(*, verbose: bool, quiet: bool = False) -> None:
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("lineside").setLevel(level)


def run_until_signal(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `main(stop)`; SIGINT and SIGTERM set `stop`."""
    # A thread that holds the interpreter for its full default 5 ms makes every commit and every message wait for it.
    # At 0.5 ms the switching itself cost some 5 % of the rate over AMQP, and MQTT gained nothing (tests/benchmarks).
    sys.setswitchinterval(0.002)
    # What is loaded now stays, and messages hold no cycles: looking for them as often as by default takes a quarter of
    # the time that a message takes. The little among it that is garbage stays too: to find it takes a tenth of a start.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    uvloop.run(body())
