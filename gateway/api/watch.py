"""`/healthz`, `/readyz`, `/metrics`: for those who watch Lineside itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers
from gateway.api.access import Access
from gateway.api.outlet import Bytes, Readers
from gateway.api.query import Query
from gateway.api.route import Route, json
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros, rfc3339


class Watched(Protocol):
    """What runs, as it is now."""

    def components(self) -> Sequence[answers.Component]:
        """Ready when all of them are."""

    def refresh(self) -> None:
        """Set the metrics that nothing keeps up to date."""


class Watch:
    """The endpoints."""

    def __init__(
        self,
        watched: Watched,
        access: Access,
        readers: Readers,
        telemetry: Telemetry,
        *,
        version: str,
        started: Micros,
    ) -> None:
        self._watched = watched
        self._access = access
        self._readers = readers
        self._telemetry = telemetry
        self._alive = answers.Alive(alive=True, version=version, started=rfc3339(started))

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/healthz",
                summary="Whether the process is alive",
                endpoint=self.alive,
                answers={"application/json": answers.Alive},
            ),
            Route(
                method="GET",
                path="/readyz",
                summary="Whether all sources have been tried and what is read and written can be, and the state of each component",
                endpoint=self.ready,
                answers={"application/json": answers.Readiness},
                statuses=(200, 503),
            ),
            Route(
                method="GET",
                path="/metrics",
                summary="Metrics in Prometheus' text format",
                endpoint=self.metrics,
                answers={"text/plain": None},
            ),
        )

    async def alive(self, _: Request, query: Query) -> Response:
        query.check()
        return json(self._alive)

    async def ready(self, request: Request, query: Query) -> Response:
        query.check()
        components = [*self._watched.components(), *self._tokens()]
        ready = all(component.ready for component in components)
        shown = components if self._access.may_read(request) else None
        return json(answers.Readiness(ready=ready, components=shown), 200 if ready else 503)

    def _tokens(self) -> list[answers.Component]:
        tokens = self._access.tokens
        if tokens is None:
            return []
        state, since = "refused" if tokens.problem else "read", rfc3339(tokens.since)
        return [
            answers.Component(name="tokens", kind="tokens", ready=True, state=state, since=since, reason=tokens.problem)
        ]

    async def metrics(self, _: Request, query: Query) -> Response:
        query.check()
        self._watched.refresh()
        for kind, count in {"sse": 0, "ndjson": 0, **self._readers.count()}.items():
            self._telemetry.subscribers.labels(kind).set(count)
        return Bytes(generate_latest(self._telemetry.registry), headers={"content-type": CONTENT_TYPE_LATEST})
