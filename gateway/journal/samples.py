"""Samples as rows and back, and the numbers that they get."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from sqlalchemy import Connection

from gateway.core.sample import Quality, Sample, Value
from gateway.core.times import Micros

BLOCK = 1000
"""Samples of one row of sample_block."""

SampleRow = tuple[int, int, Micros, Micros, "Stored", int]
BlockRow = tuple[int, int, Micros, Micros]
Stored = float | int | str | bytes | None

_QUALITIES = tuple(Quality)
_CODES = {quality: code for code, quality in enumerate(_QUALITIES)}
# SQLite knows no truth values, and a 1 must come out as a number: no value of a signal is a blob otherwise.
_FALSE, _TRUE = b"\x00", b"\x01"
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


class SampleLog:
    """Where the sample table ends, and the numbers of the series; remembered across commits, dropped with a rollback."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str | None], int] = {}
        self._blocked: int | None = None  # the last number that a block has; None: that and what follows is to be read
        self._open: list[Micros] = []  # times of the samples behind it

    def clear(self) -> None:
        self._series.clear()
        self._blocked = None

    def rows(self, connection: Connection, samples: Sequence[Sample]) -> tuple[list[SampleRow], list[BlockRow]]:
        """Number the samples; the rows of `sample`, and those of `sample_block` that are complete with them.

        Stores series that are new. Raises ValueError for a value that is not finite: SQLite would make NaN a null that
        looks good.
        """
        if self._blocked is None:
            self._blocked, self._open = _end(connection)
        known = self._series
        number = self._blocked + len(self._open)
        rows: list[SampleRow] = []
        add, codes = rows.append, _CODES
        for sample in samples:
            key = (sample.station, sample.signal, sample.unit)
            series = known.get(key)
            if series is None:
                series = known[key] = _series(connection, key)
            value: Stored = sample.value
            if value.__class__ is float:
                if not isfinite(value):
                    raise ValueError(f"{sample.station} {sample.signal} is {value}; what is not known is None")
            elif value.__class__ is bool:
                value = _TRUE if value else _FALSE
            elif value.__class__ is int and not _LEAST <= value <= _MOST:
                value = float(value)  # what SQLite's integers cannot hold, as nearly as its numbers can
            number += 1
            add((number, series, sample.time, sample.received, value, codes[sample.quality]))
        self._open += [sample.time for sample in samples]
        return rows, self._close(self._blocked)

    def _close(self, last: int) -> list[BlockRow]:
        blocks: list[BlockRow] = []
        while len(self._open) >= BLOCK:
            times = self._open[:BLOCK]
            del self._open[:BLOCK]
            blocks.append((last + BLOCK, last + 1, min(times), max(times)))
            last += BLOCK
        self._blocked = last
        return blocks


def _end(connection: Connection) -> tuple[int, list[Micros]]:
    """The last number that a block has, and the times of the samples behind it."""
    last = connection.exec_driver_sql("SELECT coalesce(max(last), 0) FROM sample_block").scalar_one()
    times = connection.exec_driver_sql("SELECT time FROM sample WHERE n > ? ORDER BY n", (last,)).scalars().all()
    return last, list(times)


def _series(connection: Connection, key: tuple[str, str, str | None]) -> int:
    found: int | None = connection.exec_driver_sql(
        "SELECT id FROM series WHERE station = ? AND signal = ? AND unit IS ?", key
    ).scalar()
    if found is None:
        found = connection.exec_driver_sql(
            "INSERT INTO series (station, signal, unit) VALUES (?, ?, ?) RETURNING id", key
        ).scalar_one()
    return found


def restored(value: Stored) -> Value:
    """A value as it was before it was stored."""
    return value == _TRUE if isinstance(value, bytes) else value


def quality(code: int) -> Quality:
    return _QUALITIES[code]
