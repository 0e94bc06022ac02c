"""`lineside restore`: put a backup in the journal's place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.backup import silent, told
from gateway.cli.common import ConfigOption, JsonOption, configuration
from gateway.journal.backup import restore


def command(
    backup: Annotated[Path, typer.Argument(help="File that `lineside backup` made.", dir_okay=False)],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Put a backup in the journal's place; no gateway may run on it. The journal that is there is kept.

    The journal's id changes, so readers notice: their cursors are of another journal now.

    Example: lineside restore /mnt/backups/line1-20261120T020000Z.db
    """
    database = configuration(config).config.journal.path
    done = restore(backup, database, told if sys.stderr.isatty() and not json else silent)
    holds = done.holds
    if json:
        document = {
            "file": str(database),
            "journal": done.journal,
            "head": done.head,
            "events": holds.events,
            "samples": holds.samples,
            "aside": None if done.aside is None else str(done.aside),
        }
        typer.echo(msgspec.json.encode(document))
        return
    if done.aside is not None:
        typer.echo(f"the journal that was there is now {done.aside}")
    typer.echo(f"{database}: {holds.events} events and {holds.samples} samples of {backup}")
    typer.echo(f"it is journal {done.journal} from now on, and the next event has number {done.head + 1}")
