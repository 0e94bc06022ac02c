"""Samples of the plant's history for the API: of one gateway at a time, for each numbers its own."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.api import answers
from gateway.api.places import Places, ambiguous
from gateway.api.samples import Named
from gateway.api.signals import signal_of, unheard
from gateway.core.times import rfc3339
from gateway.journal.sample_buckets import Buckets, Wanted
from gateway.journal.sample_reader import SamplePage
from gateway.sinks.postgres.reader import HistoryReader
from gateway.sinks.postgres.sample_buckets import HistoryBuckets
from gateway.sinks.postgres.samples import HistorySamples, HistorySeries, Newest


class HistorySampleLog:
    """`gateway.api.samples.SampleLog` over a database."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader
        self._single = HistorySamples(reader)
        self._buckets = HistoryBuckets(reader)

    async def signals(self, station: str, places: Places) -> answers.Signals | None:
        series = await self._single.series(station, site=places.site, gateway=places.gateway)
        known = await self._reader.stations(station, site=places.site, gateway=places.gateway)
        owners = {(each.site, each.gateway) for each in series} | {(each.site, each.gateway) for each in known}
        if not owners:
            return None
        if len(owners) > 1:
            raise ambiguous(f"station {station!r}", owners)
        ((site, gateway),) = owners
        newest = await self._single.newest(series)
        signals = [_signal(each, newest.get(each.number)) for each in series]
        return answers.Signals(station=station, site=site, gateway=gateway, signals=signals, as_of="")

    async def page(self, named: Named, wanted: Wanted, *, after: int, limit: int, exact: bool) -> SamplePage | None:
        series = await self._series(named, wanted.unit)
        if not series:
            return None
        return await self._single.page(
            series, start=wanted.start, end=wanted.end, after=after, limit=limit, exact=exact
        )

    async def bounds(self, named: Named) -> tuple[int, int]:
        return await self._single.bounds(await self._series(named, None))

    async def buckets(self, named: Named, wanted: Wanted) -> Buckets | None:
        series = await self._series(named, wanted.unit)
        return await self._buckets.buckets(series, wanted) if series else None

    async def _series(self, named: Named, unit: str | None) -> Sequence[HistorySeries]:
        """unit "": values without one; None: any."""
        places = named.places
        found = await self._single.series(named.station, named.signal, site=places.site, gateway=places.gateway)
        owners = {(each.site, each.gateway) for each in found}
        if len(owners) > 1:
            raise ambiguous(f"signal {named.signal!r} of station {named.station!r}", owners)
        return [each for each in found if unit is None or (each.unit or "") == unit]


def _signal(series: HistorySeries, newest: Newest | None) -> answers.Signal:
    if newest is None:
        return unheard(series.signal, series.unit)
    return signal_of(
        series.signal, series.unit, newest.value, newest.quality, rfc3339(newest.time), rfc3339(newest.received)
    )
