"""Which station a message belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from gateway.classes.state import Setup
from gateway.core.errors import DecodeError
from gateway.transport.mqtt_topics import overlap

UNASSIGNED = "unassigned"
_MOST_UNASSIGNED = 200
_MOST_TOPICS = 10_000


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """A configured place in the route, or one made for a handle that no station claims."""

    id: str
    line: str | None
    name: str
    machine_class: str = "generic"
    zone: ZoneInfo = ZoneInfo("UTC")
    heartbeat_s: float | None = None
    after: tuple[str, ...] = ()
    setup: Setup | None = None
    """Where the machine speaks no CFX: how its signals and records are followed."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A station's claim on a connection: these handles and MQTT topic filters, or (both empty) whatever comes; on a bus,
    the machine with this number, whose frames name their station."""

    connection: str
    station: Station
    handles: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    unit: int | None = None


class Stations:
    """All stations and their routes. Grows by unassigned ones while running; used on the writer's thread for routing
    and read from the event loop."""

    def __init__(self, stations: Iterable[Station], routes: Iterable[Route], *, zone: ZoneInfo) -> None:
        self._zone = zone
        self.by_id: dict[str, Station] = {station.id: station for station in stations}
        self._by_handle: dict[tuple[str, str], Station] = {}
        self._of: dict[str, list[Station]] = {}
        self._any: dict[str, Station] = {}
        self._topics: dict[str, list[tuple[str, Station]]] = {}
        self._by_topic: dict[tuple[str, str], Station | None] = {}
        self._unassigned: dict[str, Station] = {}
        for route in routes:
            found = self._of.setdefault(route.connection, [])
            if route.station not in found:
                found.append(route.station)
            for handle in route.handles:
                self._by_handle[route.connection, handle] = route.station
            if route.topics:
                self._topics.setdefault(route.connection, []).extend((topic, route.station) for topic in route.topics)
            if not route.handles and not route.topics and route.unit is None:
                self._any[route.connection] = route.station

    def on(self, connection: str) -> list[Station]:
        """The configured stations of a connection."""
        return self._of.get(connection, [])

    def find(self, connection: str, handle: str | None, channel: str = "") -> Station:
        """Where a message goes: to whom its handle belongs, else its topic (`channel`), else whoever takes all.

        Raises DecodeError `no-source` when it has no handle and the connection serves several stations or none,
        `unassigned-limit` when there are too many handles that nobody claims.
        """
        station = self._by_handle.get((connection, handle)) if handle is not None else None
        station = station or self._of_topic(connection, channel) or self._any.get(connection)
        if station is not None:
            return station
        if handle is not None:
            return self._unclaimed(handle)
        stations = self.on(connection)
        if len(stations) == 1:
            return stations[0]
        raise DecodeError(
            "no-source", f"the envelope has no Source and connection {connection} serves {len(stations)} stations"
        )

    def _of_topic(self, connection: str, channel: str) -> Station | None:
        filters = self._topics.get(connection)
        if not filters:
            return None
        key = (connection, channel)
        if key not in self._by_topic:
            if len(self._by_topic) >= _MOST_TOPICS:
                self._by_topic.clear()
            # A topic is a filter without wildcards, so what overlaps with it is what takes it.
            self._by_topic[key] = next((station for topic, station in filters if overlap(topic, channel)), None)
        return self._by_topic[key]

    def known(self, connection: str, handle: str) -> Station | None:
        """The configured station of a handle, if there is one."""
        return self._by_handle.get((connection, handle)) or self._any.get(connection)

    def restore(self, id_: str) -> None:
        """Bring back an unassigned station that the journal has state of."""
        if id_.startswith(UNASSIGNED + ".") and id_ not in self.by_id:
            self._unassigned[id_] = self.by_id[id_] = self._made(id_)

    def _unclaimed(self, handle: str) -> Station:
        id_ = (
            f"{UNASSIGNED}.{quote(handle, safe='', errors='backslashreplace').replace('.', '%2E').replace('~', '%7E')}"
        )
        station = self._unassigned.get(id_)
        if station is None:
            if len(self._unassigned) >= _MOST_UNASSIGNED:
                raise DecodeError(
                    "unassigned-limit",
                    f"handle {handle!r} is claimed by no station, and {_MOST_UNASSIGNED} such handles are known already",
                )
            station = self._unassigned[id_] = self.by_id[id_] = self._made(id_)
        return station

    def _made(self, id_: str) -> Station:
        return Station(id=id_, line=UNASSIGNED, name=id_.partition(".")[2], zone=self._zone)
