"""`lineside events`: tail and export the journal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import event_table, remote, table_file
from gateway.cli.common import ConfigOption, configuration
from gateway.cli.table_file import Form
from gateway.core.errors import CursorGone, LinesideError
from gateway.core.event import encode
from gateway.core.times import parse_rfc3339
from gateway.journal.filter import Choice, Filter
from gateway.journal.lock import owner
from gateway.journal.reader import Reader

_Many = list[str]


def command(
    config: ConfigOption = None,
    journal: Annotated[
        Path | None,
        typer.Option(help="Journal file in place of the one that the configuration names: a backup, a salvaged one."),
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new events as they come.")] = False,
    after: Annotated[
        str | None, typer.Option(help="Start behind this cursor; without it at the oldest, with -f at the head.")
    ] = None,
    message: Annotated[
        _Many, typer.Option(help="Message name; `CFX.Production.*` is a prefix, `!NAME` excludes. Repeat for or.")
    ] = [],  # noqa: B006
    station: Annotated[_Many, typer.Option(help="Station id, `!` excludes.")] = [],  # noqa: B006
    line: Annotated[_Many, typer.Option(help="Line, `!` excludes.")] = [],  # noqa: B006
    unit: Annotated[_Many, typer.Option(help="Unit, panel or carrier id, `!` excludes.")] = [],  # noqa: B006
    origin: Annotated[_Many, typer.Option(help="native, derived or gateway; `!` excludes.")] = [],  # noqa: B006
    start: Annotated[str | None, typer.Option("--from", help="Events at or after this time (RFC 3339).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Events before this time (RFC 3339).")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file instead of the terminal.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="What to write; a table ends, so not with -f.")] = Form.NDJSON,
) -> None:
    """Print events as NDJSON, one a line: those stored, or with -f those to come as well. Or as a table.

    Asks the running gateway when there is one (its token from $LINESIDE_TOKEN), else reads the journal itself.

    Example: lineside events -f --station L1.pnp1 --message 'CFX.Production.*'
    """
    if follow and form is not Form.NDJSON:
        raise typer.BadParameter("events that are still to come can only be written as ndjson", param_hint="--format")
    table_file.check(form, output)
    path = journal if journal is not None else configuration(config).config.journal.path
    fields = {"line": line, "station": station, "message": message, "unit": unit, "origin": origin}
    url = owner_url(path)
    if not follow:
        lines = stored(path, fields, after=after, start=start, end=end)
    elif url is not None:
        lines = remote.follow(url, _query(fields, after, start, end))
    else:
        raise LinesideError(
            "no gateway runs on this journal, so there is nothing to follow; start it with `lineside run`"
        )
    try:
        if form is not Form.NDJSON:
            table_file.write(event_table.COLUMNS, event_table.rows(lines), form, output)
            return
        with output.open("wb") if output is not None else sys.stdout.buffer as sink:
            for text in lines:
                sink.write(text)
                sink.write(b"\n")
                if follow:
                    sink.flush()
    except KeyboardInterrupt:
        return


def stored(
    path: Path,
    fields: Mapping[str, Sequence[str]],
    *,
    after: str | None = None,
    start: str | None = None,
    end: str | None = None,
) -> Iterator[bytes]:
    """Events as JSON, up to now: from the gateway that owns the journal at `path`, else from the file itself.

    Raises LinesideError, also while they are read.
    """
    url = owner_url(path)
    if url is not None:
        return remote.export(url, _query(fields, after, start, end))
    return _from_file(path, fields, after, start, end)


def owner_url(path: Path) -> str | None:
    """Of the gateway that owns the journal; None when none does."""
    running = owner(path)
    if running is None:
        return None
    url = str(running.get("url") or "")
    if not url:
        raise LinesideError("the gateway that owns this journal is still starting; try again")
    return url


def _query(
    fields: Mapping[str, Sequence[str]], after: str | None, start: str | None, end: str | None
) -> list[tuple[str, str]]:
    query = [(name, value) for name, values in fields.items() for value in values]
    return query + [(name, value) for name, value in (("after", after), ("from", start), ("to", end)) if value]


def _from_file(
    path: Path, fields: Mapping[str, Sequence[str]], after: str | None, start: str | None, end: str | None
) -> Iterator[bytes]:
    if not path.exists():
        raise LinesideError(f"there is no journal at {path}")
    wanted = Filter(
        **{name: choice(values) for name, values in fields.items()},
        start=None if start is None else instant("--from", start),
        end=None if end is None else instant("--to", end),
    )
    reader = Reader(path, threads=1)
    try:
        position = _position(after, reader.journal)
        while True:
            page = reader.call(partial(reader.page, after=position, limit=1000, wanted=wanted))
            for placed in page.events:
                yield encode(placed.event, placed.place)
            if not page.more:
                return
            position = page.next
    except CursorGone as error:
        raise LinesideError(f"cursor {after}: {error}") from error
    finally:
        reader.close()


def choice(values: Sequence[str]) -> Choice:
    """Positive values are wanted, those behind `!` are not."""
    return Choice(
        tuple(value for value in values if not value.startswith("!")),
        tuple(value[1:] for value in values if value.startswith("!")),
    )


def instant(option: str, text: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _position(after: str | None, journal: str) -> int:
    if after in (None, "0"):
        return 0
    name, _, number = str(after).partition(":")
    if name != journal:
        raise LinesideError(f"cursor {after} is of another journal; this one is {journal}")
    if not number.isdecimal():
        raise LinesideError(f"{after!r} is no cursor; a cursor looks like {journal}:1042")
    return int(number)
