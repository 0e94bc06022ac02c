"""`lineside doctor`: is the journal sound, and what lies beside it?"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.common import ConfigOption, JsonOption, configuration
from gateway.core.errors import JournalError
from gateway.journal.aside import DAMAGED, REPLACED, SALVAGED, size, suspect_path, wal_path
from gateway.journal.integrity import contents, examine
from gateway.journal.lock import owner

_LONGEST_WAL = 1 << 30


def command(
    config: ConfigOption = None,
    journal: Annotated[
        Path | None, typer.Option(help="Journal file in place of the one that the configuration names: a backup, say.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out comparing indexes with tables, which takes most of the time.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check the whole journal and say what it holds and what lies beside it. Exit status 1 when it is damaged; then the
    gateway's next start puts it aside and begins a new one.

    While the gateway runs, its WAL cannot be cut during the check; with too much coming in the check ends unfinished.

    Example: lineside doctor --journal /mnt/backups/line1-20261120T020000Z.db
    """
    path = journal if journal is not None else configuration(config).config.journal.path
    if not path.is_file():
        raise JournalError(f"there is no journal at {path}")
    before = size(wal_path(path))
    finding = examine(path, thorough=not quick, stopped=lambda: size(wal_path(path)) - before > _LONGEST_WAL)
    if finding.problems and journal is None:
        with contextlib.suppress(OSError):  # a disk that cannot be written: what was found is said all the same
            suspect_path(path).touch()
    document: dict[str, Any] = {
        "file": str(path),
        "owner": None if (running := owner(path)) is None else running.get("pid"),
        "bytes": size(path),
        "wal_bytes": size(wal_path(path)),
        "complete": finding.complete,
        "problems": list(finding.problems),
        "beside": [each.name for each in _beside(path)],
    }
    if not finding.problems:
        document["holds"] = contents(path)
    typer.echo(msgspec.json.encode(document) if json else _text(document))
    if finding.problems or not finding.complete:
        raise typer.Exit(1)


def _beside(path: Path) -> list[Path]:
    found = [each for why in (DAMAGED, REPLACED, SALVAGED) for each in path.parent.glob(f"{path.name}.{why}-*")]
    return sorted(each for each in found if not each.name.endswith(("-wal", "-shm")))


def _text(document: dict[str, Any]) -> str:
    lines = [f"{document['file']}: {document['bytes']} bytes, {document['wal_bytes']} in the WAL"]
    if document["owner"] is not None:
        lines.append(f"in use by process {document['owner']}")
    if holds := document.get("holds"):
        lines.append(
            f"journal {holds.journal}, schema {holds.version}: {holds.events} events up to {holds.head}, {holds.samples} samples"
        )
        if holds.holes:
            lines.append(
                f"{holds.holes} numbers are missing in between: `[journal.retention.messages]` or a salvage left them out"
            )
    lines.extend(f"beside it: {name}" for name in document["beside"])
    lines.extend(f"damaged: {problem}" for problem in document["problems"])
    if document["problems"] and suspect_path(Path(document["file"])).exists():
        lines.append("the next start of the gateway puts it aside, begins a new one and salvages what can be read")
    if not document["problems"]:
        unfinished = "no damage found before the WAL grew too long; try again when less comes in, or check a backup"
        lines.append("sound" if document["complete"] else unfinished)
    return "\n".join(lines)
