"""One subscription at an OPC UA server, as it was seen being made."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.pcap.opcua_nodes import Meant, Selected
from gateway.profile.bound_nodes import Change, Happening
from gateway.profile.happenings import REFRESH_END, REFRESH_START

_MOST_REFRESHED = 10_000
_QUEUE_OVERFLOW = "i=3035"
"""EventQueueOverflowEventType."""


class Told:
    """What one notification says of one channel."""

    def __init__(self, station: str) -> None:
        self.station = station
        self.changes: list[Change] = []
        self.happenings: list[Happening] = []


class Watch:
    """nodes, events: what each handle is, of the profiles. beats: handles of the server's clock. begun: those that have told how
    it was when the client came. refused: with status. expected: the sequence number that comes next. channels: of the frames
    that come of it, with their stations; known once it has delivered."""

    def __init__(self) -> None:
        self.nodes: dict[int, list[Meant]] = {}
        self.events: dict[int, list[Selected]] = {}
        self.beats: set[int] = set()
        self.begun: set[int] = set()
        self.refused: list[tuple[Meant, int]] = []
        self.expected: int | None = None
        self.channels: dict[str, str] = {}
        self._refreshing: dict[str, list[Happening]] = {}

    def settle(self, taken: set[str]) -> None:
        """Which channels it is of. Lineside makes a subscription for each of a station's profile: where one channel has all of
        it, it is that one, and of several equal ones the first that is not `taken`. Another client may mix them."""
        items: list[Sequence[Meant | Selected]] = [
            *self.nodes.values(),
            *self.events.values(),
            *([meant] for meant, _ in self.refused),
        ]
        known = [{each.channel: each.station for each in item} for item in items if item]
        if not known:
            return
        common = set(known[0]).intersection(*known)
        if common:
            order = [channel for channel in known[0] if channel in common]
            channel = next((each for each in order if each not in taken), order[0])
            taken.add(channel)
            self.channels = {channel: known[0][channel]}
        else:
            self.channels = {channel: station for each in known for channel, station in each.items()}

    def held(self, selected: Selected, said: Happening) -> list[Happening]:
        """What is to be told now: alarms that come because somebody asked for all are kept back until the last, as the gateway
        does."""
        if not selected.event.conditions:
            return [said]
        type_ = said.v[1][1] if len(said.v) > 1 else None
        if type_ == _QUEUE_OVERFLOW:
            return []
        key = f"{selected.channel} {selected.event.key}"
        held = self._refreshing.get(key)
        if type_ == REFRESH_START:
            self._refreshing[key] = [said]
            return []
        if held is None:
            return [said]
        held.append(said)
        if type_ == REFRESH_END or len(held) > _MOST_REFRESHED:
            return self._refreshing.pop(key)
        return []
