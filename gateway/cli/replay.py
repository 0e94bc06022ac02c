"""`lineside replay`: the machines of a capture, in their own protocols, for a gateway to hear again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gateway.capture.reading import Capture
from gateway.cli.common import log_to_stderr, run_until_signal
from gateway.cli.events import instant
from gateway.cli.replay_cues import Between
from gateway.cli.replay_show import AMQP, MQTT, Show, Wishes
from gateway.config.address import Address
from gateway.core.errors import ConfigError


def command(
    captures: Annotated[
        list[Path], typer.Argument(metavar="CAPTURE...", help="Files of one capture, or their folder.", exists=True)
    ],
    speed: Annotated[str, typer.Option(help="How much faster than life; `max`: as fast as it is taken.")] = "1",
    start: Annotated[
        str | None, typer.Option("--from", help="What was received at or after this time (RFC 3339).")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="What was received before this time (RFC 3339).")] = None,
    station: Annotated[list[str], typer.Option(help="Only the connections of this station. Repeatable.")] = [],  # noqa: B006
    max_gap: Annotated[
        float | None, typer.Option(min=0, help="Seconds of the capture to which a longer pause is shortened.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="From the beginning again at its end, for ever.")] = False,
    step: Annotated[bool, typer.Option("--step", help="Hold before the first frame.")] = False,
    mqtt: Annotated[
        str | None, typer.Option(help="HOST:PORT of the broker to publish to. Default: a private one for each.")
    ] = None,
    amqp: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT that machines with CFX over AMQP connect to: the gateway's listener, or the broker. Default: a free port for the listener; the broker is played too."
        ),
    ] = None,
    at: Annotated[
        list[str],
        typer.Option(help="CONNECTION=PLACE: HOST:PORT, serial port or folder of one connection. Repeatable."),
    ] = [],  # noqa: B006
    listen: Annotated[
        str, typer.Option(metavar="HOST", help="Address that machines which serve listen on.")
    ] = "127.0.0.1",
    folder: Annotated[
        Path | None, typer.Option(help="For files and pseudo terminals. Default: a new one that is removed.")
    ] = None,
    config_out: Annotated[
        Path | None,
        typer.Option(help="Write a configuration with which a second gateway finds these machines, and its profiles."),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds to wait for a gateway at each machine. Default: until it is there."),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that a machine waits to be heard or read before it goes on.")
    ] = 30.0,
    stay: Annotated[
        bool, typer.Option("--stay", help="At the end keep the machines as they are, until Ctrl-C.")
    ] = False,
) -> None:
    """Play a capture: every machine serves again what it once said, in its own protocol, so that a gateway sees it anew.

    Example: lineside replay shift.mcap --speed 10 --config-out second/lineside.toml
    """
    log_to_stderr(verbose=False, quiet=True)
    between = Between(
        None if start is None else instant("--from", start), None if end is None else instant("--to", end)
    )
    wishes = Wishes(
        speed=_speed(speed),
        max_gap_s=max_gap,
        stations=tuple(station),
        between=between,
        listen=listen,
        at=_places(at, mqtt=mqtt, amqp=amqp),
        patience_s=patience,
        wait_s=wait,
        config_out=config_out,
        loop=loop,
        held=step,
        stay=stay,
    )
    capture = Capture(captures)

    async def main(stop: asyncio.Event) -> None:
        with contextlib.ExitStack() as stack:
            place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lineside-replay-")))
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError([f"--folder: cannot make {place}: {error.strerror}"]) from error
            await Show(capture, wishes).run(stop, place.absolute())

    run_until_signal(main)


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 100_000:
        raise ConfigError([f"--speed: {text!r} is no speed; allowed: a number above 0, at most 100000, or `max`"])
    return found


def _places(at: list[str], *, mqtt: str | None, amqp: str | None) -> dict[str, str]:
    """By connection; by protocol what was said of all of one."""
    found: dict[str, str] = {}
    for text in at:
        name, equals, place = text.partition("=")
        if not equals or not name or not place:
            raise ConfigError([f"--at: {text!r}; allowed: CONNECTION=PLACE"])
        found[name] = place
    for option, protocol, value in (("--mqtt", MQTT, mqtt), ("--amqp", AMQP, amqp)):
        if value is not None:
            try:
                found[protocol] = str(Address.parse(value))
            except ValueError as error:
                raise ConfigError([f"{option}: {error}"]) from None
    return found
