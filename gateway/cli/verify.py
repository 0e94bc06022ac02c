"""`lineside verify`: does a capture lead to the events that it should lead to?"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.capture.reading import Capture
from gateway.cli import stepping, verify_report
from gateway.cli.common import JsonOption, log_to_stderr
from gateway.cli.events import instant
from gateway.core.errors import LinesideError
from gateway.replay.told import events
from gateway.replay.verifying import Choice, verify


def command(
    captures: Annotated[
        list[Path], typer.Argument(metavar="CAPTURE...", help="Files of one capture, or their folder.", exists=True)
    ],
    profile: Annotated[
        list[str],
        typer.Option(
            metavar="FILE[=STATION]",
            help="A profile in place of the capture's: of the one with its name, or of this station. Repeatable.",
        ),
    ] = [],  # noqa: B006
    expected: Annotated[
        Path | None,
        typer.Option(help="Events to compare with, one a line. Default: those in the capture.", exists=True),
    ] = None,
    write_expected: Annotated[Path | None, typer.Option(help="Write the events to this file, one a line.")] = None,
    station: Annotated[list[str], typer.Option(help="Only events of this station. Repeatable.")] = [],  # noqa: B006
    start: Annotated[
        str | None, typer.Option("--from", help="Only events received at or after this time (RFC 3339).")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only events received before this time (RFC 3339).")] = None,
    any_ids: Annotated[
        bool, typer.Option("--any-ids", help="Derived ids may be others, as long as each is another one everywhere.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, help="Differing events that are shown one by one.")] = 50,
    json: JsonOption = False,
) -> None:
    """Decode and follow a capture again, without any connection, and compare the events with those expected.

    Exit status 1 when they differ.

    Example: lineside verify oven.mcap --profile profiles/reflow_oven/acme-ro8.toml
    """
    log_to_stderr(verbose=False, quiet=True)
    capture = Capture(captures)
    choice = Choice(
        stations=frozenset(station),
        since=None if start is None else instant("--from", start),
        until=None if end is None else instant("--to", end),
    )
    stepping.check_stations(capture, station)
    run = stepping.offline(capture, profile, since=choice.since)
    with contextlib.ExitStack() as stack:
        wanted = None if expected is None else stack.enter_context(contextlib.closing(events(expected)))
        try:
            written = None if write_expected is None else stack.enter_context(write_expected.open("wb"))
        except OSError as error:
            raise LinesideError(f"--write-expected: {write_expected}: {error.strerror}") from error
        verdict = verify(run, choice, expected=wanted, write=written, keep=most)
    passed = verdict.passed(any_ids=any_ids)
    if json:
        typer.echo(msgspec.json.encode(verify_report.as_json(capture, verdict, passed=passed)))
    else:
        against = "those in the capture" if expected is None else f"{expected}"
        for line in verify_report.text(capture, verdict, against, any_ids=any_ids):
            typer.echo(line)
    if not passed:
        raise typer.Exit(1)
