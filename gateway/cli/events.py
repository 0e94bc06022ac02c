"""`lineside events`: tail and export the journal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import remote
from gateway.cli.common import ConfigOption, configuration
from gateway.core.errors import CursorGone, LinesideError
from gateway.core.event import encode
from gateway.core.times import parse_rfc3339
from gateway.journal.filter import Choice, Filter
from gateway.journal.lock import owner
from gateway.journal.reader import Reader

_Many = list[str]


def command(
    config: ConfigOption = None,
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
) -> None:
    """Print events as NDJSON, one a line: those stored, or with -f those to come as well.

    Asks the running gateway when there is one (its token from $LINESIDE_TOKEN), else reads the journal itself.

    Example: lineside events -f --station L1.pnp1 --message 'CFX.Production.*'
    """
    resolved = configuration(config)
    path = resolved.config.journal.path
    fields = {"line": line, "station": station, "message": message, "unit": unit, "origin": origin}
    running = owner(path)
    if running is not None:
        url = str(running.get("url") or "")
        if not url:
            raise LinesideError("the gateway that owns this journal is still starting; try again")
        query = [(name, value) for name, values in fields.items() for value in values]
        query += [(name, value) for name, value in (("after", after), ("from", start), ("to", end)) if value]
        lines = remote.follow(url, query) if follow else remote.export(url, query)
    elif follow:
        raise LinesideError(
            "no gateway runs on this journal, so there is nothing to follow; start it with `lineside run`"
        )
    else:
        lines = _from_file(path, fields, after, start, end)
    try:
        with output.open("wb") if output is not None else sys.stdout.buffer as sink:
            for text in lines:
                sink.write(text)
                sink.write(b"\n")
                if follow:
                    sink.flush()
    except KeyboardInterrupt:
        return


def _from_file(
    path: Path, fields: Mapping[str, Sequence[str]], after: str | None, start: str | None, end: str | None
) -> Iterator[bytes]:
    if not path.exists():
        raise LinesideError(f"there is no journal at {path}")
    wanted = Filter(
        **{name: choice(values) for name, values in fields.items()},
        start=None if start is None else _time("--from", start),
        end=None if end is None else _time("--to", end),
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


def _time(option: str, text: str) -> int:
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
