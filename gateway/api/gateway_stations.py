"""`/stations` and `/lines` of a gateway: what it knows of each station now."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.api import answers, cursor
from gateway.api.context import Context
from gateway.api.places import Places
from gateway.api.stations import state_of
from gateway.classes import native
from gateway.core.adapter import Basis
from gateway.core.times import rfc3339
from gateway.ingest.stations import Station
from gateway.journal.reader import Last
from gateway.supervisor.links import Link, LinkState, Sight

_WHOLE = ""
"""Key of the recipe of the whole station, in the place of a lane."""


class GatewayStations:
    """`gateway.api.stations.StationView` over what the gateway has in memory."""

    def __init__(self, context: Context) -> None:
        self._reader = context.reader
        self._ingest = context.ingest
        self._links = context.supervisor.links

    async def lines(self, places: Places) -> tuple[list[answers.Line], list[str]]:
        lines: dict[str, list[Station]] = {}
        loose: list[str] = []
        for station in self._here(places):
            if station.line is None:
                loose.append(station.id)
            else:
                lines.setdefault(station.line, []).append(station)
        site = self._ingest.tail.place.site
        return [answers.Line(name=name, site=site, stations=route(own)) for name, own in lines.items()], loose

    async def all(self, places: Places) -> list[answers.Station]:
        return await self._describe(self._here(places))

    async def named(self, id_: str, places: Places) -> list[answers.Station]:
        return await self._describe([station for station in self._here(places) if station.id == id_])

    def _here(self, places: Places) -> list[Station]:
        place = self._ingest.tail.place
        return list(self._ingest.stations.by_id.values()) if places.accepts(place.site, place.gateway) else []

    async def _describe(self, stations: Sequence[Station]) -> list[answers.Station]:
        last = await self._reader.last_events([station.id for station in stations])
        return [self._station(station, last.get(station.id)) for station in stations]

    def _station(self, station: Station, last: Last | None) -> answers.Station:
        # Only what is committed: the stepper may hold the state of a batch that is not on disk yet.
        state = self._ingest.stepper.states.get(station.id, native.EMPTY)
        sights = [(link, link.sights[station.id]) for link in list(self._links.values()) if station.id in link.sights]
        seen = any(visible(link, sight) for link, sight in sights)
        current = None if state.state is None else state_of(state.state, state.since)
        recipes = {lane: answers.Recipe(name=name, revision=rev) for lane, (name, rev) in state.recipes.items()}
        lanes = {work.lane for work in state.works.values() if work.lane is not None}
        lanes |= {int(lane) for lane in recipes if lane != _WHOLE}
        place = self._ingest.tail.place
        return answers.Station(
            id=station.id,
            site=place.site,
            gateway=place.gateway,
            line=station.line,
            name=station.name,
            machine_class=station.machine_class,
            after=list(station.after),
            seen=seen,
            online=state.online,
            state=current if seen else None,
            last_state=current,
            stages=[
                answers.Stage(name=name, state=found if seen else None, last_state=found)
                for name, (code, since) in state.stages.items()
                for found in (state_of(code, since),)
            ],
            recipe=recipes.get(_WHOLE),
            lanes=[answers.Lane(lane=lane, recipe=recipes.get(str(lane))) for lane in sorted(lanes)],
            faults=[_fault(fault) for fault in state.faults.values()],
            links=[_link(link, sight) for link, sight in sights],
            last_event=None if last is None else self._last(last),
            heartbeat_s=state.heartbeat_s or station.heartbeat_s,
            clock_offset_ms=state.clock.offset_ms,
            profile=None if station.setup is None else station.setup.bound.name,
            evidence=None if station.setup is None else station.setup.bound.evidence,
        )

    def _last(self, last: Last) -> answers.LastEvent:
        return answers.LastEvent(
            cursor=cursor.write(self._reader.journal, last.seq),
            id=last.id,
            time=rfc3339(last.time),
            received=rfc3339(last.received),
            message=last.message,
        )


def visible(link: Link, sight: Sight) -> bool:
    """Whether a station is seen through this link now. Where machines connect to us (they buffer while they cannot),
    being ready for them is not seeing them."""
    if link.state is LinkState.DOWN or sight.gap is not None or sight.peer is False:
        return False
    return sight.peer is True or sight.heard is not None or link.basis is not Basis.MACHINE_BUFFER


def route(stations: Sequence[Station]) -> list[str]:
    """Ids in the order of the route: as configured, but behind what a station names in `after`."""
    ordered: list[str] = []
    waiting = list(stations)
    own = {name for station in stations for name in (station.id, station.name)}
    placed: set[str] = set()
    while waiting:
        ready = next((s for s in waiting if all(name in placed or name not in own for name in s.after)), waiting[0])
        waiting.remove(ready)
        ordered.append(ready.id)
        placed |= {ready.id, ready.name}
    return ordered


def _fault(open_: native.OpenFault) -> answers.OpenFault:
    fault = open_.fault
    return answers.OpenFault(
        occurrence=fault.occurrence,
        code=fault.code,
        severity=fault.severity,
        description=fault.description,
        lane=fault.lane,
        stage=fault.stage,
        since=rfc3339(open_.since),
        acknowledged=open_.acknowledged,
    )


def _link(link: Link, sight: Sight) -> answers.StationLink:
    return answers.StationLink(
        connection=link.name,
        protocol=link.protocol,
        state=link.state,
        since=None if link.since is None else rfc3339(link.since),
        reason=link.reason or None,
        basis=link.basis,
        gap=sight.gap,
        heard=None if sight.heard is None else rfc3339(sight.heard),
        peer=sight.peer,
    )
