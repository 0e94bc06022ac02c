"""Which frames and events belong into a capture."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from gateway.capture.form import Site
from gateway.core.errors import DecodeError, LinesideError
from gateway.core.event import Event
from gateway.core.observation import CfxMessage, Unreadable
from gateway.ingest.queues import Item
from gateway.ingest.stations import Stations


class NoSuch(LinesideError):
    """A station or connection that there is not. what: `station` or `source`."""

    def __init__(self, what: str, name: str, known: Collection[str]) -> None:
        super().__init__(f"there is no {what} {name!r}")
        self.what = what
        self.known = sorted(known)


class Choice:
    """What of a site is taken: of the chosen sources everything, with all else that their stations are heard by; of the
    sources of a chosen station what is its own, or nobody knows whose it is. Used on the writer's thread."""

    def __init__(self, site: Site, stations: Stations, *, chosen: Collection[str], sources: Collection[str]) -> None:
        """Raises NoSuch."""
        places = {place.id: place for place in site.stations}
        for id_ in chosen:
            if id_ not in places:
                raise NoSuch("station", id_, places)
        for name in sources:
            if name not in site.connections:
                raise NoSuch("source", name, site.connections)
        routes = {id_: {str(route["connection"]) for route in place.routes} for id_, place in places.items()}
        self._found = stations
        self._sources = frozenset(sources)
        self._stations = set(chosen) | {id_ for id_, on in routes.items() if on & self._sources}
        self._connections = self._sources.union(*(routes[id_] for id_ in self._stations))
        self.named = tuple(sorted(self._stations))
        """Ids of the chosen stations."""

    def narrow(self, site: Site) -> Site:
        """With the chosen connections, and every station on them, as what is heard must go where it went."""
        return msgspec.structs.replace(
            site,
            connections={name: table for name, table in site.connections.items() if name in self._connections},
            stations=tuple(
                msgspec.structs.replace(place, routes=routes)
                for place in site.stations
                if (routes := tuple(route for route in place.routes if route["connection"] in self._connections))
            ),
        )

    def takes(self, item: Item) -> bool:
        if item.connection not in self._connections:
            return False
        station = self._station(item)
        if item.connection in self._sources:
            if station is not None:
                self._stations.add(station)  # one that nobody claims
            return True
        return station is None or station in self._stations

    def takes_event(self, event: Event) -> bool:
        return event.station is None or event.station in self._stations

    def knows(self, station: str) -> bool:
        return station in self._stations

    def _station(self, item: Item) -> str | None:
        assert item.delivery is not None
        for observation in item.observations:
            if isinstance(observation, Unreadable):
                continue
            if not isinstance(observation, CfxMessage):
                return observation.station
            try:
                return self._found.find(item.connection, observation.source, item.delivery.frame.channel).id
            except DecodeError:
                return None
        return None
