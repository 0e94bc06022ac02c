"""`/lines` and `/stations` as far as history can say: what was told last, not what is."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers, cursor
from gateway.api.problems import Kind, missing
from gateway.api.query import Query
from gateway.api.route import Route, json
from gateway.api.scopes import BASE
from gateway.api.stations import ID
from gateway.cfx import states
from gateway.core.times import rfc3339
from gateway.serve.history import HistoryLog
from gateway.sinks.postgres.reader import HistoryReader, HistoryStation
from gateway.sinks.postgres.rows import HistoryEvent

UNKNOWN = "unknown"
"""The class of every station: a history does not know it."""

_body = msgspec.json.Decoder(dict[str, Any])


class HistoryStations:
    """The endpoints. Gateways that use the same station id share it here; the one that spoke last is shown."""

    def __init__(self, log: HistoryLog, reader: HistoryReader) -> None:
        self._log = log
        self._reader = reader

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path=f"{BASE}/lines",
                summary="Lines with the stations that were ever heard, and stations of no line",
                endpoint=self.lines,
                answers={"application/json": answers.Lines},
            ),
            Route(
                method="GET",
                path=f"{BASE}/stations",
                summary="All stations, as they were last heard",
                endpoint=self.all,
                answers={"application/json": answers.Stations},
            ),
            Route(
                method="GET",
                path=f"{BASE}/stations/{{id}}",
                summary="One station, as it was last heard",
                endpoint=self.one,
                parameters=(ID,),
                answers={"application/json": answers.OneStation},
                problems=(Kind.NOT_FOUND,),
            ),
        )

    async def lines(self, _: Request, query: Query) -> Response:
        query.check()
        as_of = self._head()
        lines: dict[str, list[str]] = {}
        loose: list[str] = []
        for station in await self._stations():
            (loose if station.line is None else lines.setdefault(station.line, [])).append(station.id)
        found = [answers.Line(name=name, stations=ids) for name, ids in lines.items()]
        return json(answers.Lines(lines=found, stations=loose, as_of=as_of))

    async def all(self, _: Request, query: Query) -> Response:
        query.check()
        as_of = self._head()
        found = [self._station(station) for station in await self._stations()]
        return json(answers.Stations(stations=found, as_of=as_of))

    async def one(self, request: Request, query: Query) -> Response:
        query.check()
        as_of = self._head()
        id_ = request.path_params["id"]
        found = await self._stations(id_)
        if not found:
            raise missing(f"station {id_!r}")
        return json(answers.OneStation(station=self._station(found[0]), as_of=as_of))

    async def _stations(self, id_: str | None = None) -> list[HistoryStation]:
        found: dict[str, HistoryStation] = {}
        for station in await self._reader.stations(id_):
            other = found.get(station.id)
            if other is None or _position(other.last) < _position(station.last):
                found[station.id] = station
        return list(found.values())

    def _station(self, station: HistoryStation) -> answers.Station:
        return answers.Station(
            id=station.id,
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
            cursor=cursor.write(self._log.id, event.seq),
            id=event.id,
            time=rfc3339(event.time),
            received=rfc3339(event.received),
            message=event.message,
        )

    def _head(self) -> str:
        return cursor.write(self._log.id, self._log.tail.head)


def _position(event: HistoryEvent | None) -> int:
    return 0 if event is None else event.seq


def _state(event: HistoryEvent) -> answers.State | None:
    """Of a StationStateChanged."""
    try:
        code = states.parse(_body.decode(event.body).get("NewState"))
    except msgspec.DecodeError:
        return None
    if code is None:
        return None
    e10 = states.e10(code).name.lower().replace("_", "-")
    return answers.State(code=code, name=states.name(code), e10=e10, since=rfc3339(event.time))
