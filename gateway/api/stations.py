"""`/stations` and `/lines`: each station as whoever answers knows it."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers, cursor
from gateway.api.log import EventLog
from gateway.api.places import Places, ambiguous
from gateway.api.problems import Kind, missing
from gateway.api.query import PLACES, Parameter, Query
from gateway.api.route import Route, json
from gateway.api.scopes import BASE
from gateway.cfx import states
from gateway.core.times import Micros, rfc3339

ID = Parameter("id", "The station's id, such as `L1.pnp1`, percent-encoded.", where="path")


class StationView(Protocol):
    """What is known of stations. Raises JournalError when it cannot be read."""

    async def lines(self, places: Places) -> tuple[list[answers.Line], list[str]]:
        """Lines with their stations, and ids of stations of no line."""

    async def all(self, places: Places) -> list[answers.Station]: ...

    async def named(self, id_: str, places: Places) -> list[answers.Station]:
        """Those with this id: none, or one for each gateway that has it."""


class Stations:
    """The endpoints. `as_of` is read before the view is: who follows from there misses nothing, and may see once more
    what the view already has."""

    def __init__(self, log: EventLog, view: StationView) -> None:
        self._log = log
        self._view = view

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path=f"{BASE}/lines",
                summary="Lines with their stations, and stations of no line",
                endpoint=self.lines,
                parameters=PLACES,
                answers={"application/json": answers.Lines},
            ),
            Route(
                method="GET",
                path=f"{BASE}/stations",
                summary="All stations as they are now",
                endpoint=self.all,
                parameters=PLACES,
                answers={"application/json": answers.Stations},
            ),
            Route(
                method="GET",
                path=f"{BASE}/stations/{{id}}",
                summary="One station as it is now",
                endpoint=self.one,
                parameters=(ID, *PLACES),
                answers={"application/json": answers.OneStation},
                problems=(Kind.NOT_FOUND,),
            ),
        )

    async def lines(self, _: Request, query: Query) -> Response:
        places = query.places()
        query.check()
        as_of = self._head()
        lines, loose = await self._view.lines(places)
        return json(answers.Lines(lines=lines, stations=loose, as_of=as_of))

    async def all(self, _: Request, query: Query) -> Response:
        places = query.places()
        query.check()
        as_of = self._head()
        return json(answers.Stations(stations=await self._view.all(places), as_of=as_of))

    async def one(self, request: Request, query: Query) -> Response:
        places = query.places()
        query.check()
        as_of = self._head()
        id_ = request.path_params["id"]
        found = await self._view.named(id_, places)
        if not found:
            raise missing(f"station {id_!r}")
        if len(found) > 1:
            raise ambiguous(f"station {id_!r}", [(station.site, station.gateway) for station in found])
        return json(answers.OneStation(station=found[0], as_of=as_of))

    def _head(self) -> str:
        return cursor.write(self._log.id, self._log.tail.head)


def state_of(code: int, since: Micros | None) -> answers.State:
    return answers.State(
        code=code,
        name=states.name(code),
        e10=states.e10(code).name.lower().replace("_", "-"),
        since=None if since is None else rfc3339(since),
    )
