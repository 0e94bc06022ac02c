"""Metrics: `lineside_<noun>_<unit>`, labels station, source (the connection) and protocol."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter that nobody asks for

_SOURCE = ("source", "protocol")
_STATION = ("station", "source", "protocol")


class Telemetry:
    """Every metric of one gateway, on a registry of its own, so that two gateways in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, help_: str, labels: tuple[str, ...]) -> Counter:
            return Counter(f"lineside_{name}", help_, labels, registry=self.registry)

        def gauge(name: str, help_: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"lineside_{name}", help_, labels, registry=self.registry)

        self.frames_received = counter("frames_received", "Frames read from machines", _SOURCE)
        self.frame_bytes = counter("frame_bytes", "Payload bytes read from machines", _SOURCE)
        self.events_stored = counter("events_stored", "Events committed to the journal", _STATION)
        self.samples_stored = counter("samples_stored", "Samples committed to the journal", _STATION)
        self.poll_ticks_missed = counter(
            "poll_ticks_missed", "Polls left out because the one before took too long", _SOURCE
        )
        self.duplicates = counter("duplicates", "Messages recognised as copies: acknowledged, not stored", _STATION)
        self.ids_reused = counter("ids_reused", "Messages whose UniqueID came before with other content", _STATION)
        self.possible_copies = counter("possible_copies", "Events kept although they may be copies", _STATION)
        self.quarantined = counter("quarantined", "Messages put into quarantine", (*_SOURCE, "reason"))
        self.quarantine_dropped = counter("quarantine_dropped", "Quarantined messages dropped for the budget", ())
        self.frames_dropped = counter(
            "frames_dropped", "Frames of unacknowledged transports that found no room", _SOURCE
        )
        self.pauses = counter(
            "reading_pauses", "Times that reading paused because too much was not yet stored", _SOURCE
        )
        self.connects = counter("connects", "Connections made", _SOURCE)
        self.connect_failures = counter("connect_failures", "Attempts to connect that failed", _SOURCE)
        self.connections_refused = counter(
            "connections_refused", "Machines that our listener did not let in", (*_SOURCE, "reason")
        )
        self.link_up = gauge("link_up", "1 while connected", _SOURCE)
        self.queue_frames = gauge("queue_frames", "Frames read and not yet committed", ("source",))
        self.queue_bytes = gauge("queue_bytes", "Bytes read and not yet committed", ("source",))
        self.unacknowledged_bytes = gauge("unacknowledged_bytes", "Bytes read and not yet acknowledged", _SOURCE)
        self.clock_offset = gauge("clock_offset_seconds", "Gateway time minus machine time", ("station",))
        self.gaps_opened = counter("gaps_opened", "Observation gaps opened", (*_STATION, "cause"))
        self.journal_head = gauge("journal_head_events", "Position of the newest event")
        self.journal_commits = counter("journal_commits", "Transactions committed", ())
        self.journal_stalled = gauge("journal_stalled_seconds", "How long nothing could be committed; 0 when it can")
        self.subscribers = gauge("subscribers_connections", "Readers of a live stream", ("kind",))
        self.readers_cut = counter("readers_cut", "Readers cut because they did not take a write in time", ())
        self.ingest_seconds = Histogram(
            "lineside_ingest_seconds",
            "From receipt of the oldest frame of a commit to its end",
            registry=self.registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30),
        )
