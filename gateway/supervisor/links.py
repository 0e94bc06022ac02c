"""What the gateway sees of each connection and each machine on it, and the gaps in that sight."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from gateway.classes.own import gateway_event
from gateway.core.adapter import Basis
from gateway.core.event import Event
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros, rfc3339
from gateway.ingest.ingest import Ingest
from gateway.ingest.stations import Station
from gateway.journal.transaction import Transaction


class LinkState(StrEnum):
    DOWN = "down"
    CONNECTED = "connected"  # the library says so
    PROVEN = "proven"  # a frame came since


def close_forgotten(ingest: Ingest, gap: str, *, source: str, station: str | None, cause: str, at: Micros) -> None:
    """Close a gap that was open when the gateway last stopped and whose source is no longer configured."""

    def effect(transaction: Transaction) -> None:
        transaction.close_gap(gap, end=at, recovered="unknown")

    body = {
        "GapId": gap,
        "State": "closed",
        "Source": source,
        "Cause": cause,
        "Basis": None,
        "Recovered": "unknown",
        "To": rfc3339(at),
    }
    event = gateway_event("ObservationGap", body, at=at, key=f"{gap} closed", station=station)
    ingest.store(source, "gateway", [event], effect=effect)


_PEERS = 1_000


class Sight:
    """Of one station through one connection: when it was last heard, and the gap that is open now.

    present: since when it could be heard, where its own connection tells. lost: when we knew of the open gap.
    catching_up: what was said meanwhile is coming, before anything new. The clocks are monotonic, in seconds: no time
    correction moves them.
    """

    __slots__ = (
        "catching_up",
        "cause",
        "gap",
        "heard",
        "heard_clock",
        "lost",
        "peer",
        "present",
        "present_clock",
        "station",
    )

    def __init__(self, station: Station) -> None:
        self.station = station
        self.heard: Micros | None = None
        self.heard_clock = 0.0
        self.present: Micros | None = None
        self.present_clock = 0.0
        self.lost: Micros = 0
        self.gap: str | None = None
        self.cause = ""
        self.catching_up = False
        self.peer: bool | None = None


class Link:
    """One connection. Changes become events in the journal; the rest reads the fields."""

    def __init__(
        self,
        name: str,
        protocol: str,
        basis: Basis,
        stations: Sequence[Station],
        ingest: Ingest,
        telemetry: Telemetry,
        *,
        marked: Micros | None,
    ) -> None:
        self.name = name
        self.protocol = protocol
        self.basis = basis
        self.state = LinkState.DOWN
        self.since: Micros | None = None
        self.tried = False
        self.reason = ""
        self.last_frame: Micros | None = None
        self.up_clock = 0.0
        self.frames = 0
        self.octets = 0
        self.dropped_clock: float | None = None  # the last time that a frame found no room; None when all had
        self.sights: dict[str, Sight] = {station.id: Sight(station) for station in stations}
        self._ingest = ingest
        self._telemetry = telemetry
        self._marked = marked
        """Last sign of life before this process started; None when the source is new."""
        self._peers: dict[str, set[str]] = {}

    def take_counts(self) -> tuple[int, int]:
        """Frames and bytes read since this was last asked."""
        counts = (self.frames, self.octets)
        self.frames = self.octets = 0
        return counts

    # -- states

    def change(self, state: LinkState, at: Micros, reason: str = "") -> None:
        """Record a transition; `connected` to `proven` is no event of its own."""
        old, self.state, self.reason = self.state, state, reason
        self._telemetry.link_up.labels(self.name, self.protocol).set(state is not LinkState.DOWN)
        if old is state or state is LinkState.PROVEN:
            return
        if state is LinkState.DOWN:
            for sight in self.sights.values():
                sight.catching_up = False
        self.since = at
        self.up_clock = time.monotonic()
        body = {
            "Connection": self.name,
            "Protocol": self.protocol,
            "OldState": old,
            "NewState": state,
            "Reason": reason or None,
            "Stations": list(self.sights),
        }
        only = next(iter(self.sights.values())).station if len(self.sights) == 1 else None
        self._store(
            gateway_event(
                "LinkChanged",
                body,
                at=at,
                key=f"{self.name} {uuid.uuid4().hex}",
                line=only.line if only else None,
                station=only.id if only else None,
            )
        )

    def heard(self, station: Station, at: Micros, peer: str | None = None) -> None:
        """A message of this station is stored that came in at `at`."""
        self.last_frame = at
        sight = self._sight(station)
        sight.heard = at
        sight.heard_clock = time.monotonic()
        if peer is not None and len(self._peers) < _PEERS:
            self._peers.setdefault(peer, set()).add(station.id)
        # What was read before the gap was known of may be stored only now: it does not end it.
        if sight.gap is not None and at > sight.lost and self.dropped_clock is None and not sight.catching_up:
            self.close_gap(sight, at, recovered=self._recovered)
        if self.basis is Basis.POLLED and at > sight.lost:
            sight.peer = None if sight.peer is None else True

    @property
    def _recovered(self) -> str:
        """Whether what was said meanwhile may still come. Who is only looked at has said nothing."""
        return "no" if self.basis in (Basis.POLLED, Basis.HEARTBEAT_ONLY) else "unknown"

    def peer_up(self, peer: str, named: Station | None, at: Micros) -> None:
        """A machine has connected. `named`: the station that claims the peer's name as its handle."""
        for sight in self._behind(peer, named):
            sight.peer = True
            sight.present, sight.present_clock = at, time.monotonic()
            self.close_gap(sight, at, recovered=self._recovered)

    def peer_down(self, peer: str, named: Station | None, at: Micros) -> None:
        """It has gone, or was lost."""
        for sight in self._behind(peer, named):
            sight.peer = False
            self.open_gap(sight, self._last_seen(sight, at), at, "disconnected")

    def disconnected(self, at: Micros) -> None:
        """The connection is lost, and nobody keeps what is said meanwhile."""
        for sight in self.sights.values():
            self.open_gap(sight, self._last_seen(sight, at), at, "disconnected")

    def look_for_silence(self, sight: Sight, allowed_s: float, at: Micros) -> bool:
        """A gap when this station was silent for longer than `allowed_s`, while it could have been heard. True when that
        is new."""
        since = max(sight.heard_clock, sight.present_clock, self.up_clock)
        if sight.gap is not None or time.monotonic() - since <= allowed_s:
            return False
        self.open_gap(sight, self._last_seen(sight, at), at, "stale")
        return True

    def _last_seen(self, sight: Sight, at: Micros) -> Micros:
        known = [time_ for time_ in (sight.heard, sight.present) if time_ is not None]
        if known:
            return max(known)
        return self._marked or self.since or at

    def _sight(self, station: Station) -> Sight:
        found = self.sights.get(station.id)
        if found is None:
            found = self.sights[station.id] = Sight(station)
        return found

    def _behind(self, peer: str, named: Station | None) -> list[Sight]:
        found = {station for station in self._peers.get(peer, ()) if station in self.sights}
        if named is not None:
            found.add(self._sight(named).station.id)
        return [self.sights[station] for station in sorted(found)]

    # -- gaps

    def open_gap(self, sight: Sight, start: Micros, at: Micros, cause: str) -> None:
        """Sight of this station was lost at `start`, as we know since `at`."""
        if sight.gap is not None:
            return
        gap = sight.gap = str(uuid.uuid4())
        sight.cause, sight.lost = cause, at
        station = sight.station

        def effect(transaction: Transaction) -> None:
            transaction.open_gap(gap, source=self.name, station=station.id, cause=cause, basis=self.basis, start=start)
            if cause == "gateway-down":  # any other cause was told to the station's class, which says the same
                transaction.lose_signals(station.id, since=start, at=at)

        self._telemetry.gaps_opened.labels(station.id, self.name, self.protocol, cause).inc()
        self._store(self._gap_event(sight, gap, "opened", at, {"From": rfc3339(start), "To": None}), effect)

    def close_gap(self, sight: Sight, at: Micros, *, recovered: str) -> None:
        """It is seen again. recovered: `yes`, `no` or `unknown`: whether what was said meanwhile came in after all."""
        gap, sight.gap = sight.gap, None
        if gap is None:
            return

        def effect(transaction: Transaction) -> None:
            transaction.close_gap(gap, end=at, recovered=recovered)

        self._store(self._gap_event(sight, gap, "closed", at, {"To": rfc3339(at), "Recovered": recovered}), effect)

    def adopt_gap(self, station: Station, gap: str, cause: str) -> None:
        """A gap that was open when the gateway last stopped."""
        sight = self.sights.setdefault(station.id, Sight(station))
        sight.gap, sight.cause = gap, cause

    def resume(self, at: Micros) -> None:
        """At start: what a source without a durable broker said since its last sign of life was not heard."""
        if self.basis is Basis.DURABLE_BROKER or self._marked is None:
            return
        for sight in self.sights.values():
            self.open_gap(sight, self._marked, at, "gateway-down")

    def regained(self, at: Micros) -> None:
        """Connected again to a source that keeps nothing for us: what it said meanwhile is gone."""
        for sight in self.sights.values():
            self.close_gap(sight, at, recovered="no")

    def catching_up(self, station: str | None) -> None:
        """What this station, or all, said meanwhile is coming: until it has, the gap is not over."""
        for id_, sight in self.sights.items():
            if station in (None, id_):
                sight.catching_up = True

    def caught_up(self, station: str | None, at: Micros, *, complete: bool) -> None:
        """All that can come has come, and of everything if it is complete."""
        for id_, sight in self.sights.items():
            if station in (None, id_) and sight.catching_up:
                sight.catching_up = False
                self.close_gap(sight, at, recovered="yes" if complete else "unknown")

    def overflow(self, at: Micros) -> None:
        """A frame found no room. One gap lasts until frames are taken again (`relieved`)."""
        self.dropped_clock = time.monotonic()
        for sight in self.sights.values():
            self.open_gap(sight, sight.heard or at, at, "overflow")

    def relieved(self, at: Micros) -> None:
        self.dropped_clock = None
        for sight in self.sights.values():
            # Who has left meanwhile is away in the same gap, until it is heard again.
            if sight.cause == "overflow" and self.state is not LinkState.DOWN and sight.peer is not False:
                self.close_gap(sight, at, recovered="no")

    def forgotten(self, station: str, at: Micros) -> None:
        """What was known of this station is not any more: its state cannot be read."""
        sight = self.sights.get(station)
        if sight is not None and sight.gap is None:
            self._record_loss(sight, self._marked or at, at, "state-unreadable")

    def lost(self, at: Micros, cause: str) -> None:
        """Whatever was said from the last sign of life until now is gone: a gap that is opened and closed in one."""
        for sight in self.sights.values():
            start = sight.heard or self._marked
            if sight.gap is not None:
                self.close_gap(sight, at, recovered="no")
            elif start is not None:
                self._record_loss(sight, start, at, cause)

    def _record_loss(self, sight: Sight, start: Micros, at: Micros, cause: str) -> None:
        gap, station = str(uuid.uuid4()), sight.station
        sight.cause = cause

        def effect(transaction: Transaction) -> None:
            transaction.open_gap(gap, source=self.name, station=station.id, cause=cause, basis=self.basis, start=start)
            transaction.close_gap(gap, end=at, recovered="no", ahead=2)

        self._telemetry.gaps_opened.labels(station.id, self.name, self.protocol, cause).inc()
        opened = self._gap_event(sight, gap, "opened", at, {"From": rfc3339(start), "To": None})
        closed = self._gap_event(sight, gap, "closed", at, {"To": rfc3339(at), "Recovered": "no"})
        self._ingest.store(self.name, self.protocol, [opened, closed], effect=effect)

    def _gap_event(self, sight: Sight, gap: str, state: str, at: Micros, more: dict[str, Any]) -> Event:
        body = {
            "GapId": gap,
            "State": state,
            "Source": self.name,
            "Cause": sight.cause,
            "Basis": self.basis,
            "Recovered": None,
            **more,
        }
        station = sight.station
        return gateway_event("ObservationGap", body, at=at, key=f"{gap} {state}", line=station.line, station=station.id)

    def _store(self, event: Event, effect: Callable[[Transaction], None] | None = None) -> None:
        self._ingest.store(self.name, self.protocol, [event], effect=effect)
