"""`lineside samples`: what machines measured, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.api.resolution import ALLOWED, AUTO, RAW, length
from gateway.cli import remote, table_file
from gateway.cli.common import ConfigOption, configuration
from gateway.cli.events import instant, owner_url
from gateway.cli.table_file import Column, Form, Row
from gateway.core.errors import LinesideError
from gateway.core.sample import Value
from gateway.journal.reader import Reader
from gateway.journal.sample_buckets import Buckets, TooFine, Wanted, buckets
from gateway.journal.sample_reader import SampleReader, series_of

_PAGE = 10_000
_SINGLE = (
    Column("station"), Column("signal"), Column("unit"), Column("time", "time"), Column("value", "number"),
    Column("text"), Column("quality"),
)  # fmt: skip
_SUMMED = (
    Column("station"), Column("signal"), Column("unit"), Column("time", "time"), Column("min", "number"),
    Column("max", "number"), Column("mean", "number"), Column("last", "number"), Column("last_text"),
    Column("count", "whole"), Column("samples", "whole"), Column("quality"),
)  # fmt: skip


def command(
    station: Annotated[str, typer.Argument(help="Id of the station.")],
    signals: Annotated[
        list[str] | None, typer.Argument(help="Signals, such as `zone.temperature[3]`; none: all of the station.")
    ] = None,
    config: ConfigOption = None,
    start: Annotated[str | None, typer.Option("--from", help="Samples at or after this time (RFC 3339).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Samples before this time (RFC 3339).")] = None,
    resolution: Annotated[str, typer.Option(help=f"One of: {ALLOWED}.")] = RAW,
    form: Annotated[Form, typer.Option("--format", help="What to write.")] = Form.CSV,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file instead of the terminal.")
    ] = None,
) -> None:
    """Write samples as a table: single ones in the order of arrival, or with a resolution added up by time.

    A number is in `value`, a text or state in `text`; both are empty while it is not known. Asks the running gateway when
    there is one (its token from $LINESIDE_TOKEN), else reads the journal itself. Parquet needs the library pyarrow.

    Example: lineside samples L1.reflow 'zone.temperature[3]' --from 2026-11-20T00:00:00Z --format parquet -o zone3.parquet
    """
    step = _step(resolution)
    bounds = (_instant("--from", start), _instant("--to", end))
    table_file.check(form, output)
    path = configuration(config).config.journal.path
    url = owner_url(path)
    if url is not None:
        rows = _from_gateway(url, station, signals or (), start, end, resolution)
    else:
        rows = _from_file(path, station, signals or (), bounds, step)
    try:
        table_file.write(_SINGLE if step == RAW else _SUMMED, rows, form, output)
    except KeyboardInterrupt:
        return


def _step(text: str) -> str | int:
    if text == AUTO:
        raise typer.BadParameter("auto may mean single samples; a file has one form: give raw or a length of time")
    found = RAW if text == RAW else length(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is none; allowed: {ALLOWED}", param_hint="--resolution")
    return found


def _instant(option: str, text: str | None) -> int | None:
    return None if text is None else instant(option, text)


def _parts(value: Value) -> tuple[float | None, str | None]:
    """A number, or a text."""
    if isinstance(value, str):
        return None, value
    return (None if value is None else float(value)), None


def _single(station: str, signal: str, unit: str | None, columns: Sequence[Iterable[Any]]) -> Iterator[Row]:
    for time, value, quality in zip(*columns, strict=True):
        yield (station, signal, unit, time, *_parts(value), str(quality))


def _summed(station: str, signal: str, unit: str | None, columns: Sequence[Iterable[Any]]) -> Iterator[Row]:
    for time, least, most, mean, last, count, samples, quality in zip(*columns, strict=True):
        yield (station, signal, unit, time, least, most, mean, *_parts(last), count, samples, str(quality))


# -- of a running gateway


def _from_gateway(
    url: str, station: str, signals: Sequence[str], start: str | None, end: str | None, resolution: str
) -> Iterator[Row]:
    if not signals:
        told = remote.answer(url, f"/api/v1/stations/{remote.quoted(station)}/signals", ())
        signals = list(dict.fromkeys(one["signal"] for one in told["signals"]))
    for signal in signals:
        query = [("station", station), ("signal", signal), *_given(start, end)]
        if resolution == RAW:
            yield from _pages(url, query, station, signal)
            continue
        query.append(("resolution", resolution))
        first = remote.answer(url, "/api/v1/samples", query)
        for unit in first["units"]:
            found = remote.answer(url, "/api/v1/samples", [*query, ("unit", unit or "")])
            names = ("t", "min", "max", "mean", "last", "count", "samples", "q")
            yield from _summed(station, signal, unit, [found[name] for name in names])


def _given(start: str | None, end: str | None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (("from", start), ("to", end)) if value is not None]


def _pages(url: str, query: list[tuple[str, str]], station: str, signal: str) -> Iterator[Row]:
    after, more = "0", True
    while more:
        page = remote.answer(url, "/api/v1/samples", [*query, ("limit", str(_PAGE)), ("after", after)])
        yield from _single(station, signal, page["unit"], (page["t"], page["v"], page["q"]))
        after, more = page["next"], page["more"]


# -- of a journal that nobody owns


def _from_file(
    path: Path, station: str, signals: Sequence[str], bounds: tuple[int | None, int | None], step: str | int
) -> Iterator[Row]:
    if not path.exists():
        raise LinesideError(f"there is no journal at {path}")
    reader = Reader(path, threads=1, longest_s=60.0)
    try:
        known = reader.call(lambda connection: [one.signal for one in series_of(connection, station)])
        if not known:
            raise LinesideError(f"there are no samples of station {station!r}")
        for signal in signals or list(dict.fromkeys(known)):
            if signal not in known:
                raise LinesideError(f"there is no signal {signal!r} of station {station!r}")
            if isinstance(step, int):
                yield from _buckets(reader, station, signal, bounds, step)
            else:
                yield from _stored(reader, station, signal, bounds)
    finally:
        reader.close()


def _stored(reader: Reader, station: str, signal: str, bounds: tuple[int | None, int | None]) -> Iterator[Row]:
    samples = SampleReader(reader)
    after, more = 0, True
    while more:
        read = partial(
            samples.read, station=station, signal=signal, start=bounds[0], end=bounds[1], after=after, limit=_PAGE
        )
        page = reader.call(read)
        assert page is not None
        yield from _single(station, signal, page.unit, (page.times, page.values, page.qualities))
        after, more = page.next, page.more


def _buckets(
    reader: Reader, station: str, signal: str, bounds: tuple[int | None, int | None], step: int
) -> Iterator[Row]:
    def read(unit: str | None) -> Buckets:
        wanted = Wanted(start=bounds[0], end=bounds[1], step=step, unit=unit)
        try:
            found = reader.call(lambda connection: buckets(connection, station, signal, wanted))
        except TooFine as error:
            raise LinesideError(f"{signal}: {error}; give a longer --resolution or a shorter range") from error
        assert found is not None
        return found

    for unit in read(None).units:
        found = read(unit or "")
        columns = (
            found.starts, found.least, found.most, found.mean, found.last, found.counts, found.samples,
            found.qualities,
        )  # fmt: skip
        yield from _summed(station, signal, unit, columns)
