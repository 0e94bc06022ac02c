"""`/quarantine`: what could not be understood, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers, cursor
from gateway.api.context import Context
from gateway.api.cursor import FROM_OLDEST
from gateway.api.log import EventLog
from gateway.api.outlet import Download
from gateway.api.problems import Fault, Kind, Problem, missing
from gateway.api.query import AFTER, LIMITED, Parameter, Query
from gateway.api.route import Route, json
from gateway.api.scopes import BASE
from gateway.core.errors import RetryRefused
from gateway.core.times import rfc3339
from gateway.journal.reader import Quarantined

_NUMBER = Parameter("id", "Number of the entry.", {"type": "integer"}, where="path")
_SOURCE = Parameter("source", "Only from this connection.")
_REASON = Parameter("reason", "Only for this reason, such as `bad-json`.")


class QuarantineLog(Protocol):
    """Quarantined messages by their numbers. Raises JournalError; Problem where they are kept elsewhere."""

    async def entries(self, after: int, limit: int, *, source: str | None, reason: str | None) -> Sequence[Quarantined]:
        """Behind number `after`, oldest first."""

    async def raw(self, number: int) -> bytes | None:
        """The bytes of one, up to the payload cap."""

    async def retry(self, number: int) -> bool:
        """Put one through ingest again; whether it was understood this time. Raises RetryRefused."""


class GatewayQuarantine:
    """Over a gateway's own journal."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reader = context.reader

    async def entries(self, after: int, limit: int, *, source: str | None, reason: str | None) -> Sequence[Quarantined]:
        return await self._reader.quarantined(after=after, limit=limit, source=source, reason=reason)

    async def raw(self, number: int) -> bytes | None:
        return await self._reader.quarantine_raw(number)

    async def retry(self, number: int) -> bool:
        if self._context.retry is None:
            raise RetryRefused("this gateway only reads: no connection of its own takes messages")
        return await self._context.retry(number)


class Quarantine:
    """The endpoints."""

    def __init__(self, log: EventLog, quarantine: QuarantineLog) -> None:
        self._log = log
        self._quarantine = quarantine

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path=f"{BASE}/quarantine",
                summary="Messages that could not be understood, oldest first",
                endpoint=self.quarantine,
                parameters=(AFTER, LIMITED, _SOURCE, _REASON),
                answers={"application/json": answers.Quarantine},
                problems=(Kind.BAD_PARAMETER, Kind.CURSOR_GONE, Kind.ONLY_AT_GATEWAY),
            ),
            Route(
                method="GET",
                path=f"{BASE}/quarantine/{{id}}/raw",
                summary="The bytes of a quarantined message, up to the payload cap",
                endpoint=self.raw,
                parameters=(_NUMBER,),
                answers={"application/octet-stream": None},
                problems=(Kind.BAD_PARAMETER, Kind.NOT_FOUND, Kind.ONLY_AT_GATEWAY),
            ),
            Route(
                method="POST",
                path=f"{BASE}/quarantine/{{id}}/retry",
                summary="Try a quarantined message again, after an update or a change of the configuration",
                endpoint=self.retry,
                parameters=(_NUMBER,),
                answers={"application/json": answers.Retried},
                problems=(Kind.BAD_PARAMETER, Kind.NOT_FOUND, Kind.RETRY_NOT_POSSIBLE, Kind.ONLY_AT_GATEWAY),
            ),
        )

    async def quarantine(self, _: Request, query: Query) -> Response:
        after, limit = query.after() or FROM_OLDEST, query.limit()
        source, reason = query.one("source"), query.one("reason")
        query.check()
        position, as_of = after.within(self._log.id), self._cursor(self._log.tail.head)
        found = await self._quarantine.entries(position, limit + 1, source=source, reason=reason)
        more, found = len(found) > limit, found[:limit]
        last = found[-1].id if found else position
        entries = [_quarantined(entry) for entry in found]
        return json(answers.Quarantine(quarantine=entries, next=self._cursor(last), more=more, as_of=as_of))

    async def raw(self, request: Request, query: Query) -> Response:
        query.check()
        number = _number(request)
        return Download(await self._bytes(number), name=f"quarantine-{number}.bin")

    async def retry(self, request: Request, query: Query) -> Response:
        query.check()
        number = _number(request)
        await self._bytes(number)
        try:
            understood = await self._quarantine.retry(number)
        except RetryRefused as error:
            raise Problem(Kind.RETRY_NOT_POSSIBLE, str(error)) from error
        return json(answers.Retried(id=number, understood=understood))

    async def _bytes(self, number: int) -> bytes:
        raw = await self._quarantine.raw(number)
        if raw is None:
            raise missing(f"quarantined message {number}; the oldest make room for new ones")
        return raw

    def _cursor(self, position: int) -> str:
        return cursor.write(self._log.id, position)


def _quarantined(entry: Quarantined) -> answers.Quarantined:
    return answers.Quarantined(
        id=entry.id,
        source=entry.source,
        station=entry.station,
        channel=entry.channel,
        reason=entry.reason,
        detail=entry.detail,
        digest=entry.digest,
        size=entry.size,
        first=rfc3339(entry.first),
        last=rfc3339(entry.last),
        count=entry.count,
    )


def _number(request: Request) -> int:
    text: str = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Problem(Kind.BAD_PARAMETER, "not understood: id", errors=[Fault("id", f"{text[:100]!r} is no number")])
    return int(text)
