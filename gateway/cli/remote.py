"""Asking a running gateway for its events, over its own API and with the standard library alone."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from gateway.core.errors import LinesideError

Query = Sequence[tuple[str, str]]

AGAIN_S = 1.0


def export(url: str, query: Query) -> Iterator[bytes]:
    """Everything up to now, an event a line. Raises LinesideError when it ends before it is complete."""
    complete: bool | None = None
    with _open(url, "/api/v1/events", query, "application/x-ndjson") as answer:
        for line in _lines(answer):
            text = line.rstrip(b"\r\n")
            if text.startswith(b'{"next":'):
                end = msgspec.json.decode(text)
                complete = bool(end.get("complete"))
                if not complete:
                    raise LinesideError(f"the export is not complete: {_said(end.get('problem'))}")
            elif text:
                yield text
    if not complete:
        raise LinesideError("the export is not complete: the gateway ended it; go on with --after and the last cursor")


def follow(url: str, query: Query, *, again_s: float = AGAIN_S) -> Iterator[bytes]:
    """Events as they come, for ever: a connection that is lost is taken up again behind the last event.

    Raises LinesideError when the gateway refuses, or cannot be reached the first time.
    """
    last: str | None = None
    first = True
    while True:
        kind, data, cursor = b"", b"", None
        try:
            with _open(url, "/api/v1/events/stream", query, "text/event-stream", last=last) as answer:
                first = False
                for line in _lines(answer):
                    text = line.rstrip(b"\r\n")
                    if not text:  # only now is a block complete
                        if kind == b"gap":
                            print(f"lineside: events are missing here: {data.decode()}", file=sys.stderr)  # noqa: T201
                        elif data:
                            yield data
                        last, kind, data = cursor or last, b"", b""
                    elif text.startswith(b"id: "):
                        cursor = text[4:].decode()
                    elif text.startswith(b"event: "):
                        kind = text[7:]
                    elif text.startswith(b"data: "):
                        data = text[6:]
        except _Unreachable:
            if first:
                raise
        time.sleep(again_s)


def answer(url: str, path: str, query: Query) -> Any:
    """What the gateway answers to one question, as JSON. Raises LinesideError when it refuses, or cannot be reached."""
    try:
        with _open(url, path, query, "application/json") as response:
            return msgspec.json.decode(response.read())
    except (OSError, HTTPException) as error:
        raise LinesideError(f"the gateway at {url} ended its answer early: {error}") from error


def tell(url: str, path: str, body: Any, *, method: str = "POST") -> Any:
    """Have the gateway do something; what it answers, None for nothing. Raises LinesideError as `answer`."""
    try:
        data = msgspec.json.encode(body)
        with _open(url, path, (), "application/json", method=method, data=data) as response:
            said = response.read()
        return msgspec.json.decode(said) if said else None
    except (OSError, HTTPException) as error:
        raise LinesideError(f"the gateway at {url} ended its answer early: {error}") from error


def quoted(text: str) -> str:
    """As a part of a path."""
    return quote(text, safe="")


class _Unreachable(LinesideError):
    pass


def _open(
    url: str,
    path: str,
    query: Query,
    accept: str,
    *,
    last: str | None = None,
    method: str = "GET",
    data: bytes | None = None,
) -> HTTPResponse:
    request = urllib.request.Request(f"{url}{path}?{urlencode(query)}", data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    request.add_header("Accept", accept)
    if last is not None:
        request.add_header("Last-Event-ID", last)
    if token := os.environ.get("LINESIDE_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        answer: HTTPResponse = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        raise LinesideError(_said(error.read())) from error
    except OSError as error:
        raise _Unreachable(f"the gateway at {url} does not answer: {error}") from error
    return answer


def _lines(answer: HTTPResponse) -> Iterator[bytes]:
    """Until it ends, in whatever way."""
    try:
        yield from answer
    except (OSError, IncompleteRead):
        return


def _said(problem: Any) -> str:
    """What an application/problem+json body says."""
    try:
        found = msgspec.json.decode(problem) if isinstance(problem, bytes) else problem
        return f"{found['title']}: {found['detail']}"
    except (msgspec.DecodeError, KeyError, TypeError):
        return repr(problem)[:500]
