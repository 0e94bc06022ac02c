"""All samples of a station, for who compares them: of a journal that nobody owns, or of a running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from gateway.cli import remote
from gateway.core.sample import Value
from gateway.core.times import Micros
from gateway.journal.reader import Reader
from gateway.journal.sample_reader import SampleReader, series_of

_PAGE = 10_000

Sample = tuple[str, Micros, Value]
"""Signal, time, value; None for one that was not known."""


def of_gateway(url: str, station: str) -> Iterator[Sample]:
    """Signal by signal, in the order of arrival; none of a station that the gateway does not know. Raises LinesideError,
    also while they are read."""
    known = remote.answer(url, "/api/v1/stations", ())["stations"]
    if station not in {one["id"] for one in known}:
        return
    told = remote.answer(url, f"/api/v1/stations/{remote.quoted(station)}/signals", ())
    for signal in dict.fromkeys(one["signal"] for one in told["signals"]):
        after, more = "0", True
        while more:
            query = [("station", station), ("signal", signal), ("limit", str(_PAGE)), ("after", after)]
            page = remote.answer(url, "/api/v1/samples", query)
            for time, value in zip(page["t"], page["v"], strict=True):
                yield signal, time, value
            after, more = page["next"], page["more"]


def _signals(connection: Connection, station: str) -> list[str]:
    return [one.signal for one in series_of(connection, station)]


def of_file(path: Path, station: str) -> Iterator[Sample]:
    """The same of the journal at `path`, wherever in it they are. Raises LinesideError."""
    reader = Reader(path, threads=1, longest_s=60.0)
    try:
        samples = SampleReader(reader)
        for signal in dict.fromkeys(reader.call(partial(_signals, station=station))):
            after, more = 0, True
            while more:
                page = reader.call(partial(samples.read, station=station, signal=signal, after=after, limit=_PAGE))
                assert page is not None
                for time, value in zip(page.times, page.values, strict=True):
                    yield signal, time, value
                after, more = page.next, page.more
    finally:
        reader.close()
