"""`lineside backup`: copy the journal, whether the gateway runs or not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.common import ConfigOption, JsonOption, configuration
from gateway.core.sizes import read_size
from gateway.journal.backup import back_up
from gateway.journal.copying import Pace


def command(
    destination: Annotated[Path, typer.Argument(help="New file; or a folder, then the name says the time.")],
    config: ConfigOption = None,
    wal: Annotated[
        str,
        typer.Option(help="Give up when the gateway's WAL has grown by more than this meanwhile."),
    ] = "1GB",
    json: JsonOption = False,
) -> None:
    """Copy the journal into a new file, checked, synced and complete up to when the copy began.

    The gateway may run: machines go on being heard. Nothing is overwritten.

    Example: lineside backup /mnt/backups/
    """
    made = back_up(
        configuration(config).config.journal.path,
        destination,
        Pace(wal_bytes=_size(wal)),
        told if sys.stderr.isatty() and not json else silent,
    )
    holds = made.holds
    if json:
        document = {
            "file": str(made.path),
            "journal": holds.journal,
            "head": holds.head,
            "events": holds.events,
            "samples": holds.samples,
            "bytes": made.bytes,
            "seconds": round(made.seconds, 3),
            "wal_grown": made.wal_grown,
        }
        typer.echo(msgspec.json.encode(document))
        return
    typer.echo(
        f"{made.path}: {holds.events} events up to {holds.journal}:{holds.head}, {holds.samples} samples, "
        f"{made.bytes} bytes in {made.seconds:.1f} s"
    )


def told(done: int, total: int) -> None:
    """A bar of its own on the terminal's last line."""
    end = "\n" if done == total else ""
    print(f"\r{100 * done // max(total, 1):3d} % copied", end=end, file=sys.stderr, flush=True)  # noqa: T201


def silent(done: int, total: int) -> None:
    """Where nobody looks."""


def _size(text: str) -> int:
    try:
        return read_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wal") from error
