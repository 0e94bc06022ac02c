"""What a commit stored, copied, renamed and put in quarantine, as metrics."""

from __future__ import annotations

from gateway.core.telemetry import Telemetry
from gateway.ingest.apply import Tally


def count(metrics: Telemetry, tally: Tally) -> None:
    """Once for each commit, on the event loop."""
    for labels, many in tally.stored.items():
        metrics.events_stored.labels(*labels).inc(many)
    for labels, many in tally.samples.items():
        metrics.samples_stored.labels(*labels).inc(many)
    for labels, many in tally.duplicates.items():
        metrics.duplicates.labels(*labels).inc(many)
    for labels, many in tally.reused.items():
        metrics.ids_reused.labels(*labels).inc(many)
    for labels, many in tally.copies.items():
        metrics.possible_copies.labels(*labels).inc(many)
    for labels, many in tally.quarantined.items():
        metrics.quarantined.labels(*labels).inc(many)
    if tally.dropped:
        metrics.quarantine_dropped.inc(tally.dropped)
