"""Metrics of sinks: `lineside_sink_<noun>`, labels sink and kind."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

_LABELS = ("sink", "kind")


class SinkMetrics:
    """On the registry of one gateway, for all of its sinks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_: str) -> Counter:
            return Counter(f"lineside_sink_{name}", help_, _LABELS, registry=registry)

        def gauge(name: str, help_: str) -> Gauge:
            return Gauge(f"lineside_sink_{name}", help_, _LABELS, registry=registry)

        self.events = counter("events", "Events that the destination has taken")
        self.samples = counter("samples", "Samples that the destination has taken")
        self.refused = counter("events_refused", "Events that the destination would not take as they are")
        self.missed = counter("missed", "Events and samples that retention removed before they were taken")
        self.connects = counter("connects", "Connections made")
        self.connect_failures = counter("connect_failures", "Attempts to connect that failed")
        self.up = gauge("up", "1 while connected")
        self.lag_events = gauge("lag_events", "Events of the journal that were not taken yet, when it was last read")
        self.lag_samples = gauge("lag_samples", "Samples of the journal that were not taken yet, when it was last read")
