"""Stations of the plant as far as its history can say: what was told last, not what is."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.api import answers, cursor
from gateway.api.places import Places
from gateway.api.stations import state_of
from gateway.cfx import states
from gateway.core.times import rfc3339
from gateway.sinks.postgres.reader import HistoryReader, HistoryStation
from gateway.sinks.postgres.rows import HistoryEvent

UNKNOWN = "unknown"
"""The class of every station: a history does not know it."""

_body = msgspec.json.Decoder(dict[str, Any])


class HistoryStations:
    """`gateway.api.stations.StationView` over a database. Gateways that use the same station id have a station each."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader

    async def lines(self, places: Places) -> tuple[list[answers.Line], list[str]]:
        """A line that several gateways of one site name is one."""
        lines: dict[tuple[str, str], dict[str, None]] = {}
        loose: dict[str, None] = {}
        for station in await self._reader.stations(site=places.site, gateway=places.gateway):
            of = loose if station.line is None else lines.setdefault((station.site, station.line), {})
            of[station.id] = None
        found = [answers.Line(name=name, site=site, stations=list(ids)) for (site, name), ids in lines.items()]
        return found, list(loose)

    async def all(self, places: Places) -> list[answers.Station]:
        found = await self._reader.stations(site=places.site, gateway=places.gateway)
        return [self._station(station) for station in found]

    async def named(self, id_: str, places: Places) -> list[answers.Station]:
        found = await self._reader.stations(id_, site=places.site, gateway=places.gateway)
        return [self._station(station) for station in found]

    def _station(self, station: HistoryStation) -> answers.Station:
        return answers.Station(
            id=station.id,
            site=station.site,
            gateway=station.gateway,
            line=station.line,
            name=station.id.rpartition(".")[2] if station.line is not None else station.id,
            machine_class=UNKNOWN,
            after=[],
            seen=False,
            online=None,
            state=None,
            last_state=None if station.state is None else _state(station.state),
            stages=[],
            recipe=None,
            lanes=[],
            faults=[],
            links=[],
            last_event=None if station.last is None else self._last(station.last),
            heartbeat_s=None,
            clock_offset_ms=None if station.last is None else station.last.clock_offset_ms,
        )

    def _last(self, event: HistoryEvent) -> answers.LastEvent:
        return answers.LastEvent(
            cursor=cursor.write(self._reader.id, event.seq),
            id=event.id,
            time=rfc3339(event.time),
            received=rfc3339(event.received),
            message=event.message,
        )


def _state(event: HistoryEvent) -> answers.State | None:
    """Of a StationStateChanged."""
    try:
        code = states.parse(_body.decode(event.body).get("NewState"))
    except msgspec.DecodeError:
        return None
    return None if code is None else state_of(code, event.time)
