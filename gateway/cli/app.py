"""All commands of `lineside`."""

from __future__ import annotations

import typer

from gateway.cli import (
    backup,
    browse,
    capture,
    check,
    demo,
    doctor,
    events,
    import_pcap,
    probe,
    profile,
    reconcile,
    replay,
    restore,
    run,
    samples,
    schema,
    serve,
    simulate,
    token,
    verify,
)

app = typer.Typer(
    name="lineside",
    help="Machine-integration gateway for SMT lines: every machine an IPC-CFX endpoint with a complete, resumable history.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_WATCHING = (run, demo, simulate, check, probe, browse, events, samples, reconcile, serve, verify, replay, import_pcap)
_KEEPING = (backup, restore, doctor, schema, token)
for module in _WATCHING + _KEEPING:
    app.command(name=module.__name__.rpartition(".")[2].replace("_", "-"))(module.command)
app.add_typer(profile.app, name="profile")
app.add_typer(capture.app, name="capture")
