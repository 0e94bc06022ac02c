"""Samples of a gateway's own journal, and the newest of each signal, which it has in memory."""

from __future__ import annotations

from gateway.api import answers
from gateway.api.context import Context
from gateway.api.places import Places
from gateway.api.samples import Named
from gateway.api.signals import signal_of, unheard
from gateway.core.sample import Sample
from gateway.core.times import rfc3339
from gateway.journal.sample_buckets import BucketReader, Buckets, Wanted
from gateway.journal.sample_reader import SamplePage, SampleReader


class GatewaySamples:
    """`gateway.api.samples.SampleLog` over one journal."""

    def __init__(self, context: Context) -> None:
        self._ingest = context.ingest
        self._single = SampleReader(context.reader)
        self._buckets = BucketReader(context.reader)

    async def signals(self, station: str, places: Places) -> answers.Signals | None:
        if not self._here(places):
            return None
        newest = {(sample.signal, sample.unit): sample for sample in self._ingest.stepper.signals(station)}
        stored = await self._single.series(station)
        if not (newest or stored or station in self._ingest.stations.by_id):
            return None
        silent = [
            unheard(series.signal, series.unit) for series in stored if (series.signal, series.unit) not in newest
        ]
        place = self._ingest.tail.place
        return answers.Signals(
            station=station,
            site=place.site,
            gateway=place.gateway,
            signals=[*map(_heard, newest.values()), *silent],
            as_of="",
        )

    async def page(self, named: Named, wanted: Wanted, *, after: int, limit: int, exact: bool) -> SamplePage | None:
        if not self._here(named.places):
            return None
        return await self._single.page(
            named.station,
            named.signal,
            unit=wanted.unit,
            start=wanted.start,
            end=wanted.end,
            after=after,
            limit=limit,
            exact=exact,
        )

    async def bounds(self, named: Named) -> tuple[int, int]:
        return await self._single.bounds(named.station, named.signal)

    async def buckets(self, named: Named, wanted: Wanted) -> Buckets | None:
        return await self._buckets.buckets(named.station, named.signal, wanted) if self._here(named.places) else None

    def _here(self, places: Places) -> bool:
        place = self._ingest.tail.place
        return places.accepts(place.site, place.gateway)


def _heard(sample: Sample) -> answers.Signal:
    return signal_of(
        sample.signal, sample.unit, sample.value, sample.quality, rfc3339(sample.time), rfc3339(sample.received)
    )
