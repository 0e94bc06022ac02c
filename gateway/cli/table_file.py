"""Rows as CSV, NDJSON or Parquet, to a file or the terminal."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from gateway.core.errors import ConfigError
from gateway.core.times import rfc3339

Row = Sequence[Any]
_TOGETHER = 50_000
"""Rows that a Parquet file has in one group, and that are held to write them."""


class Form(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


class Column(msgspec.Struct, frozen=True):
    """kind: `time` is microseconds since 1970, UTC; in texts it is written as RFC 3339. Any value may be None."""

    name: str
    kind: Literal["text", "number", "whole", "time"] = "text"


def check(form: Form, output: Path | None) -> None:
    """Raises ConfigError for what cannot be written, before anything is read."""
    if form is Form.PARQUET:
        if output is None and sys.stdout.isatty():
            raise ConfigError(["a Parquet file is nothing for a terminal; name a file with -o"])
        _pyarrow()


def write(columns: Sequence[Column], rows: Iterable[Row], form: Form, output: Path | None) -> None:
    """All rows, a bounded number of them in memory at a time. A file that is left when reading them fails is not
    complete, and says so to whoever opens it as Parquet; of the other forms, the exit status does."""
    with _opened(output) as sink:
        match form:
            case Form.CSV:
                _csv(columns, rows, sink)
            case Form.NDJSON:
                _ndjson(columns, rows, sink)
            case Form.PARQUET:
                _parquet(columns, rows, sink)


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        return
    with output.open("wb") as sink:
        yield sink


def _texts(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[list[Any]]:
    times = [place for place, column in enumerate(columns) if column.kind == "time"]
    for row in rows:
        values = list(row)
        for place in times:
            if values[place] is not None:
                values[place] = rfc3339(values[place])
        yield values


def _csv(columns: Sequence[Column], rows: Iterable[Row], sink: BinaryIO) -> None:
    text = io.TextIOWrapper(sink, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text)  # RFC 4180: CRLF, quotes where needed
        writer.writerow([column.name for column in columns])
        writer.writerows(_texts(columns, rows))
        text.flush()
    finally:
        text.detach()


def _ndjson(columns: Sequence[Column], rows: Iterable[Row], sink: BinaryIO) -> None:
    names = [column.name for column in columns]
    encode = msgspec.json.Encoder().encode
    for row in _texts(columns, rows):
        sink.write(encode(dict(zip(names, row, strict=True))) + b"\n")


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            ["Parquet needs the library pyarrow, which is not installed; allowed: pip install 'lineside[parquet]', "
             "or --format csv or ndjson"]
        ) from error  # fmt: skip
    return pyarrow


def _parquet(columns: Sequence[Column], rows: Iterable[Row], sink: BinaryIO) -> None:
    arrow = _pyarrow()
    types = {
        "text": arrow.string(),
        "number": arrow.float64(),
        "whole": arrow.int64(),
        "time": arrow.timestamp("us", "UTC"),
    }
    schema = arrow.schema([(column.name, types[column.kind]) for column in columns])
    left = iter(rows)
    with arrow.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        while batch := list(islice(left, _TOGETHER)):
            arrays = [
                arrow.array(values, type=field.type)
                for values, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
