"""The command line. Exit status: 0 success, 1 the thing asked is not so, 2 usage or configuration error."""

from __future__ import annotations

import sys

import typer

from gateway.cli import (
    backup,
    browse,
    check,
    demo,
    doctor,
    events,
    probe,
    profile,
    reconcile,
    restore,
    run,
    samples,
    schema,
    serve,
    simulate,
    token,
)
from gateway.core.errors import ConfigError, LinesideError

app = typer.Typer(
    name="lineside",
    help="Machine-integration gateway for SMT lines: every machine an IPC-CFX endpoint with a complete, resumable history.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_WATCHING = (run, demo, simulate, check, probe, browse, events, samples, reconcile, serve)
_KEEPING = (backup, restore, doctor, schema, token)
for module in _WATCHING + _KEEPING:
    app.command(name=module.__name__.rpartition(".")[2])(module.command)
app.add_typer(profile.app, name="profile")


def main() -> None:
    """Entry point of `lineside`."""
    try:
        app(standalone_mode=True)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except LinesideError as error:
        print(f"lineside: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
