"""`/healthz`, `/readyz`, `/metrics` of `lineside serve`."""

from __future__ import annotations

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
from gateway.serve.history import Follow


class HistoryHealth:
    """The endpoints."""

    def __init__(
        self, follow: Follow, access: Access, readers: Readers, telemetry: Telemetry, *, version: str, started: Micros
    ) -> None:
        self._follow = follow
        self._access = access
        self._readers = readers
        self._telemetry = telemetry
        self._version = version
        self._started = rfc3339(started)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/healthz",
                summary="Whether the server is alive",
                endpoint=self.alive,
                answers={"application/json": answers.Alive},
            ),
            Route(
                method="GET",
                path="/readyz",
                summary="Whether the database can be read",
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
        return json(answers.Alive(alive=True, version=self._version, started=self._started))

    async def ready(self, request: Request, query: Query) -> Response:
        query.check()
        follow = self._follow
        database = answers.Component(
            name="database",
            kind="database",
            ready=follow.ready,
            state="reading" if follow.ready else "down",
            since=rfc3339(follow.since),
            reason=follow.reason or None,
        )
        http = answers.Component(
            name="http", kind="http", ready=True, state="serving", since=self._started, reason=None
        )
        shown = [database, http] if self._access.may_read(request) else None
        return json(answers.Readiness(ready=follow.ready, components=shown), 200 if follow.ready else 503)

    async def metrics(self, _: Request, query: Query) -> Response:
        query.check()
        for kind, count in {"sse": 0, "ndjson": 0, **self._readers.count()}.items():
            self._telemetry.subscribers.labels(kind).set(count)
        return Bytes(generate_latest(self._telemetry.registry), headers={"content-type": CONTENT_TYPE_LATEST})
