"""All commands of `lineside`. Only the one that is asked for is loaded: loading is most of what a start takes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import typer

_WATCHING = ("run", "demo", "simulate", "check", "probe", "browse", "events", "samples", "reconcile", "serve", "verify",
             "replay", "import-pcap")  # fmt: skip
_KEEPING = ("backup", "restore", "doctor", "schema", "token")
_GROUPS = ("profile", "capture")


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """With the command that these arguments begin with; with all of them where they begin with none, as for help."""
    asked = arguments[0] if arguments else ""
    names = (*_WATCHING, *_KEEPING, *_GROUPS)
    app = typer.Typer(
        name="lineside",
        help="Machine-integration gateway for SMT lines: every machine an IPC-CFX endpoint with a complete, resumable history.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_no_options)
    for name in (asked,) if asked in names else names:
        module = import_module(f"gateway.cli.{name.replace('-', '_')}")
        if name in _GROUPS:
            app.add_typer(module.app, name=name)
        else:
            app.command(name=name)(module.command)
    return app


def _no_options() -> None:
    # Without it, a single command would be `lineside` itself.
    pass
