"""The one place that connects, retries, watches and gives up on nothing."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial

from gateway.core import times
from gateway.core.adapter import Adapter, Basis, Gatekeeper, Leaver, Resumer, Together
from gateway.core.errors import NotConnected, SourceEnded
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros
from gateway.ingest.acks import AckLine
from gateway.ingest.ingest import Ingest
from gateway.ingest.stations import Station
from gateway.journal.transaction import Transaction
from gateway.profile.hermes import PROTOCOL as HERMES
from gateway.supervisor.links import Link, LinkState
from gateway.supervisor.settings import SupervisorSettings

log = logging.getLogger("lineside.supervisor")


class Supervisor:
    """Runs one task per connection and one that ticks.

    marks: when each connection was last alive, from the journal. draw: evenly from 0 to 1, for the pauses.
    """

    def __init__(
        self,
        adapters: Iterable[Adapter],
        ingest: Ingest,
        telemetry: Telemetry,
        settings: SupervisorSettings,
        *,
        marks: Mapping[str, Micros],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._adapters = list(adapters)
        self._ingest = ingest
        self._telemetry = telemetry
        self._settings = settings
        self._draw = draw
        self._refused: Counter[tuple[str, str]] = Counter()
        self.links: dict[str, Link] = {
            adapter.name: Link(
                adapter.name,
                adapter.protocol,
                adapter.basis,
                ingest.stations.on(adapter.name),
                ingest,
                telemetry,
                marked=marks.get(adapter.name),
            )
            for adapter in self._adapters
        }

    async def run(self) -> None:
        """Until cancelled; then every connection is closed in order."""
        for link in self.links.values():
            link.resume(times.now())
            for station in self._ingest.stepper.unreadable_states:
                link.forgotten(station, times.now())
        async with asyncio.TaskGroup() as group:
            for adapter in self._adapters:
                group.create_task(self._keep(adapter), name=f"connection {adapter.name}")
            group.create_task(self._tick(), name="supervisor tick")

    # -- one connection

    async def _keep(self, adapter: Adapter) -> None:
        link = self.links[adapter.name]
        labels = (adapter.name, adapter.protocol)
        settings = self._settings
        failures = 0
        while True:
            pause: float | None = None
            started = asyncio.get_running_loop().time()
            try:
                await self._once(adapter, link)
                reason = "the connection ended"
            except SourceEnded as error:
                log.info("%s: ended: %s", adapter.name, error)
                link.change(LinkState.DOWN, times.now(), str(error))
                return
            except NotConnected as error:
                reason, pause = str(error), error.retry_after_s
            except Exception as error:  # the adapter's defect must not take the other machines with it
                log.exception("%s: unexpected failure in the %s adapter", adapter.name, adapter.protocol)
                reason, pause = f"{type(error).__name__}: {error}", settings.retry_most_s
            link.tried = True
            lasted = asyncio.get_running_loop().time() - started
            failures = 1 if link.state is not LinkState.DOWN and lasted >= settings.settled_s else failures + 1
            if link.state is LinkState.DOWN:
                self._telemetry.connect_failures.labels(*labels).inc()
            self._report_loss(link, reason, failures)
            if pause is None:
                bound = min(settings.retry_most_s, settings.retry_first_s * 2 ** min(failures - 1, 30))
                pause = bound * (0.5 + self._draw() / 2)
            await asyncio.sleep(pause)

    def _report_loss(self, link: Link, reason: str, failures: int) -> None:
        was_up = link.state is not LinkState.DOWN
        if was_up or failures == 1:
            log.warning("%s: %s; trying again until it is back", link.name, reason)
        now = times.now()
        link.change(LinkState.DOWN, now, reason)
        link.reason = reason
        if was_up:
            if link.basis is not Basis.DURABLE_BROKER:
                link.disconnected(now)
            self._lost(link, self._ingest.stations.on(link.name), now)

    def _lost(self, link: Link, stations: Iterable[Station], at: Micros) -> None:
        """Of machines that speak no CFX, nothing is known while they are out of sight. Hermes beside another source has
        no signals."""
        kept = link.basis in (Basis.DURABLE_BROKER, Basis.MACHINE_BUFFER)
        for station in stations:
            if station.setup is not None and not link.protocol == HERMES != station.setup.bound.protocol:
                self._ingest.lost(link.name, link.protocol, station.id, at, kept=kept)

    async def _once(self, adapter: Adapter, link: Link) -> None:
        line = self._ingest.line(adapter.name)
        labels = (adapter.name, adapter.protocol)
        try:
            async with adapter.connect() as deliveries:
                link.tried = True
                self._telemetry.connects.labels(*labels).inc()
                log.info("%s: connected", adapter.name)
                link.change(LinkState.CONNECTED, times.now())
                if link.basis is Basis.HEARTBEAT_ONLY and not (isinstance(adapter, Resumer) and adapter.resumed):
                    link.regained(times.now())
                await self._read(adapter, link, line, deliveries)
        finally:
            if isinstance(adapter, Leaver):
                self._ingest.last(adapter, line, adapter.left())
            line.close()

    async def _read(
        self, adapter: Adapter, link: Link, line: AckLine, deliveries: AsyncIterator[Delivery | Notice]
    ) -> None:
        """Until nothing more comes."""
        some = deliveries.together if isinstance(deliveries, Together) else partial(_one, deliveries)
        dropped: set[str | None] = set()  # peers of which nothing was taken since
        while (arrived := await some()) is not None:
            if isinstance(arrived, Notice):
                self._notice(link, arrived)
                continue
            link.frames += len(arrived)
            for delivery in arrived:
                link.octets += len(delivery.frame.payload)
                if missed := delivery.frame.meta.get("missed"):
                    self._telemetry.poll_ticks_missed.labels(link.name, link.protocol).inc(int(missed))
            if link.state is not LinkState.PROVEN:
                link.change(LinkState.PROVEN, times.now())
            lost = await self._ingest.offer_all(adapter, line, arrived)
            if dropped:
                dropped.difference_update(each.peer for each in arrived if each not in lost)
            for delivery in lost:
                link.overflow(delivery.frame.received)
                if delivery.peer not in dropped:
                    dropped.add(delivery.peer)
                    self._lost(link, self._behind(link, delivery.peer), delivery.frame.received)

    # -- notices

    def _notice(self, link: Link, notice: Notice) -> None:
        match notice.kind:
            case NoticeKind.SESSION_KEPT:
                pass
            case NoticeKind.CATCHING_UP:
                link.catching_up(notice.peer)
            case NoticeKind.CAUGHT_UP:
                link.caught_up(notice.peer, notice.at, complete=notice.count == 0)
            case NoticeKind.SESSION_LOST:
                link.lost(notice.at, "session-lost")
            case NoticeKind.OVERFLOW:
                link.overflow(notice.at)
                self._lost(link, self._behind(link, notice.peer), notice.at)
            case NoticeKind.PEER_UP:
                log.info("%s: %s is there", link.name, notice.peer)
                link.peer_up(notice.peer or "", self._named(link, notice), notice.at)
            case NoticeKind.PEER_DOWN:
                named = self._named(link, notice)
                log.warning("%s: %s has gone%s", link.name, notice.peer, f": {notice.detail}" if notice.detail else "")
                link.peer_down(notice.peer or "", named, notice.at)
                if named is not None:
                    self._lost(link, (named,), notice.at)

    def _behind(self, link: Link, peer: str | None) -> list[Station]:
        """Whose frames were dropped: of whoever may have been meant."""
        stations = self._ingest.stations.on(link.name)
        return [station for station in stations if station.id == peer] or stations

    def _named(self, link: Link, notice: Notice) -> Station | None:
        """Whom a notice is about: the adapters of profiled machines say the station, the others a handle."""
        for station in self._ingest.stations.on(link.name):
            if station.setup is not None and station.id == notice.peer:
                return station
        return self._ingest.stations.known(link.name, notice.peer or "")

    # -- watching

    def refresh_metrics(self) -> None:
        """Bring the metrics up to date; the hot path only counts."""
        for adapter in self._adapters:
            if isinstance(adapter, Gatekeeper):
                for reason, count in adapter.refused.items():
                    known = self._refused[adapter.name, reason]
                    self._telemetry.connections_refused.labels(adapter.name, adapter.protocol, reason).inc(
                        count - known
                    )
                    self._refused[adapter.name, reason] = count
        for link in self.links.values():
            labels = (link.name, link.protocol)
            frames, octets = link.take_counts()
            self._telemetry.frames_received.labels(*labels).inc(frames)
            self._telemetry.frame_bytes.labels(*labels).inc(octets)
            line = self._ingest.lines.get(link.name)
            self._telemetry.unacknowledged_bytes.labels(*labels).set(line.unacknowledged if line is not None else 0)

    def heard(self, connection: str, station: str, peer: str | None, at: Micros) -> None:
        """Ingest stored something of this station."""
        link, found = self.links.get(connection), self._ingest.stations.by_id.get(station)
        if link is not None and found is not None:
            link.heard(found, at, peer)

    async def _tick(self) -> None:
        settings = self._settings
        next_mark = 0.0
        mark: asyncio.Future[object] | None = None
        while True:
            await asyncio.sleep(settings.tick_s)
            clock, now = time.monotonic(), times.now()
            for link in self.links.values():
                if link.dropped_clock is not None and clock - link.dropped_clock > settings.tick_s:
                    link.relieved(now)
                self._look_for_silence(link, now)
            if clock >= next_mark and (mark is None or mark.done()):
                next_mark = clock + settings.mark_s
                mark = self._mark(now)

    def _look_for_silence(self, link: Link, now: Micros) -> None:
        if link.state is LinkState.DOWN:
            return
        for sight in link.sights.values():
            interval = self._ingest.stepper.known(sight.station.id).heartbeat_s or sight.station.heartbeat_s
            if interval is None or sight.peer is False:
                continue
            if link.look_for_silence(sight, self._settings.stale_factor * interval, now):
                self._lost(link, (sight.station,), now)

    def _mark(self, now: Micros) -> asyncio.Future[object] | None:
        alive = [link.name for link in self.links.values() if link.state is not LinkState.DOWN]
        if not alive:
            return None

        def effect(transaction: Transaction) -> None:
            for name in alive:
                transaction.mark(name, now)

        return self._ingest.store("gateway", "gateway", [], effect=effect)  # type: ignore[return-value]


async def _one(deliveries: AsyncIterator[Delivery | Notice]) -> Notice | Sequence[Delivery] | None:
    """The next by itself; None after the last."""
    arrived = await anext(deliveries, None)
    return (arrived,) if isinstance(arrived, Delivery) else arrived
