"""How a gateway does: each of its parts for `/readyz`, and metrics that are looked up when somebody asks."""

from __future__ import annotations

import time
from collections import Counter

from gateway.api import answers
from gateway.api.context import Context
from gateway.core import times
from gateway.core.times import Micros, rfc3339


class Health:
    """`gateway.api.watch.Watched` of one gateway."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # -- readiness

    def components(self) -> list[answers.Component]:
        context = self._context
        found = [self._journal(), _component("http", "http", True, "serving", context.started, None)]
        for link in context.supervisor.links.values():
            since = context.started if link.since is None else link.since
            reason = link.reason if link.tried else "not tried yet"
            found.append(_component(link.name, "connection", link.tried, link.state, since, reason))
        for sink in context.sinks:
            since = context.started if sink.since is None else sink.since
            reason = sink.reason if sink.tried else "not tried yet"
            found.append(_component(sink.name, "sink", sink.tried, sink.state, since, reason))
        for name, look in context.extra_components.items():
            ready, reason, at = look()
            found.append(_component(name, "other", ready, "ready" if ready else "failing", at, reason))
        return found

    def _journal(self) -> answers.Component:
        context = self._context
        stall, alive = context.writer.stall, context.ingest.alive
        if stall is None and alive:
            return _component("journal", "journal", True, "writing", context.started, context.writer.figures.over)
        if stall is not None:
            since = times.now() - int((time.monotonic() - stall.since) * 1e6)
            return _component("journal", "journal", False, "stalled", since, stall.reason)
        return _component("journal", "journal", False, "stopped", None, "the writing thread is not running")

    # -- metrics that are looked up when somebody asks

    def refresh(self) -> None:
        context, metrics = self._context, self._context.telemetry
        frames: Counter[str] = Counter()
        octets: Counter[str] = Counter()
        for key, (count, size) in context.ingest.depth().items():
            source = key.partition(" ")[0]  # queues are per handle, which would be labels without end
            frames[source] += count
            octets[source] += size
        for source, count in frames.items():
            metrics.queue_frames.labels(source).set(count)
            metrics.queue_bytes.labels(source).set(octets[source])
        context.supervisor.refresh_metrics()
        for station, state in list(context.ingest.stepper.states.items()):
            if state.clock.offset_ms is not None:
                metrics.clock_offset.labels(station).set(state.clock.offset_ms / 1000)
        stall = context.writer.stall
        metrics.journal_head.set(context.writer.head)
        metrics.journal_stalled.set(0 if stall is None else time.monotonic() - stall.since)


def _component(
    name: str, kind: str, ready: bool, state: str, since: Micros | None, reason: str | None
) -> answers.Component:
    return answers.Component(
        name=name,
        kind=kind,
        ready=ready,
        state=state,
        since=None if since is None else rfc3339(since),
        reason=reason or None,
    )
