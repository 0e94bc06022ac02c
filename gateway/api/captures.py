"""`/captures`: what machines send, recorded as files, begun and stopped while the gateway runs; and a page for that."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from gateway.api import answers
from gateway.api.document import static
from gateway.api.outlet import PIECE, Readers, Stream
from gateway.api.problems import Fault, Kind, Problem, missing
from gateway.api.query import Parameter, Query
from gateway.api.route import Route, json, read_body
from gateway.api.scopes import BASE
from gateway.capture import captures as capture
from gateway.capture.choice import NoSuch
from gateway.capture.order import Order
from gateway.core.errors import LinesideError
from gateway.core.times import rfc3339

_NAME = Parameter("name", "The capture's name.", where="path")
_FILE = Parameter("file", "A file of it, as the list names it.", where="path")
_PAGE = {"captures.js": "text/javascript", "captures.css": "text/css"}
_ONE = {"application/json": answers.Capture}
_MISSES = (Kind.NOT_FOUND, Kind.ONLY_AT_GATEWAY)


class Captures:
    """The endpoints. captures: None where there is no gateway that could capture anything."""

    def __init__(self, captures: capture.Captures | None, readers: Readers) -> None:
        self._captures = captures
        self._readers = readers

    def routes(self) -> tuple[Route, ...]:
        one = f"{BASE}/captures/{{name}}"
        return (
            Route(
                method="GET",
                path=f"{BASE}/captures",
                summary="Captures, running and stopped, with their files",
                endpoint=self.list,
                answers={"application/json": answers.Captures},
                problems=(Kind.ONLY_AT_GATEWAY,),
            ),
            Route(
                method="POST",
                path=f"{BASE}/captures",
                summary="Begin a capture",
                description="Of everything, or of some stations and sources. With `keep` it is a ring that loses its oldest files.",
                endpoint=self.begin,
                body=answers.CaptureOrder,
                answers=_ONE,
                statuses=(201,),
                problems=(Kind.TOO_LARGE, Kind.CAPTURE_REFUSED, Kind.ONLY_AT_GATEWAY),
            ),
            Route(
                method="GET",
                path=one,
                summary="One capture",
                endpoint=self.one,
                parameters=(_NAME,),
                answers=_ONE,
                problems=_MISSES,
            ),
            Route(
                method="POST",
                path=f"{one}/stop",
                summary="Stop a capture; its files are complete when this is answered",
                endpoint=self.stop,
                parameters=(_NAME,),
                answers=_ONE,
                problems=(*_MISSES, Kind.CAPTURE_REFUSED),
            ),
            Route(
                method="POST",
                path=f"{one}/start",
                summary="Go on with a capture that has stopped, in a new file",
                endpoint=self.go_on,
                parameters=(_NAME,),
                answers=_ONE,
                problems=(*_MISSES, Kind.CAPTURE_REFUSED),
            ),
            Route(
                method="DELETE",
                path=one,
                summary="Delete a capture that has stopped, with its files",
                endpoint=self.delete,
                parameters=(_NAME,),
                statuses=(204,),
                problems=(*_MISSES, Kind.CAPTURE_REFUSED),
            ),
            Route(
                method="GET",
                path=f"{one}/files/{{file}}",
                summary="Download a file, as far as it is on disk now",
                endpoint=self.download,
                parameters=(_NAME, _FILE),
                answers={"application/octet-stream": None},
                problems=(*_MISSES, Kind.TOO_MANY_READERS),
            ),
            Route(
                method="GET",
                path="/captures",
                summary="Captures as a page",
                endpoint=self.page,
                answers={"text/html": None},
            ),
            Route(
                method="GET",
                path="/captures/{file}",
                summary="Files of that page",
                endpoint=self.page_file,
                parameters=(Parameter("file", "One of them.", {"type": "string", "enum": list(_PAGE)}, where="path"),),
                answers={"text/javascript": None, "text/css": None},
                problems=(Kind.NOT_FOUND,),
            ),
        )

    async def list(self, _: Request, query: Query) -> Response:
        query.check()
        found = await asyncio.to_thread(self._here.states)
        return json(answers.Captures(captures=[_capture(state) for state in found]))

    async def one(self, request: Request, query: Query) -> Response:
        query.check()
        try:
            return json(_capture(await asyncio.to_thread(self._here.state, request.path_params["name"])))
        except LinesideError as error:
            raise _problem(error) from error

    async def begin(self, request: Request, query: Query) -> Response:
        query.check()
        wanted: answers.CaptureOrder = await read_body(request, answers.CaptureOrder)
        keep = wanted.keep
        if keep is not None and keep.seconds is None and keep.bytes is None:
            raise _bad("/keep", "must limit something", ("seconds", "bytes"))
        order = Order(
            name=wanted.name,
            stations=tuple(wanted.stations),
            sources=tuple(wanted.sources),
            keep_s=None if keep is None else keep.seconds,
            keep_bytes=None if keep is None else keep.bytes,
            redact=wanted.redact,
        )
        try:
            state = await self._here.begin(order)
        except NoSuch as error:
            raise _bad(f"/{error.what}s", str(error), error.known) from error
        except LinesideError as error:
            raise Problem(Kind.CAPTURE_REFUSED, str(error)) from error
        return json(_capture(state), 201)

    async def stop(self, request: Request, query: Query) -> Response:
        query.check()
        try:
            return json(_capture(await self._here.stop(request.path_params["name"])))
        except LinesideError as error:
            raise _problem(error) from error

    async def go_on(self, request: Request, query: Query) -> Response:
        query.check()
        try:
            return json(_capture(await self._here.go_on(request.path_params["name"])))
        except LinesideError as error:
            raise _problem(error) from error

    async def delete(self, request: Request, query: Query) -> Response:
        query.check()
        try:
            await self._here.delete(request.path_params["name"])
        except LinesideError as error:
            raise _problem(error) from error
        return Response(status_code=204)

    async def download(self, request: Request, query: Query) -> Response:
        query.check()
        name, file = request.path_params["name"], request.path_params["file"]
        try:
            path = await asyncio.to_thread(self._here.file, name, file)
            return _Download(self._readers, path, path.stat().st_size)
        except (LinesideError, FileNotFoundError) as error:
            raise missing(f"file {file!r} of capture {name!r}") from error

    async def page(self, _: Request, query: Query) -> Response:
        query.check()
        return static("captures.html", "text/html")

    async def page_file(self, request: Request, query: Query) -> Response:
        query.check()
        name = request.path_params["file"]
        if name not in _PAGE:
            raise missing(f"file {name!r}")
        return static(name, _PAGE[name])

    @property
    def _here(self) -> capture.Captures:
        if self._captures is None:
            raise Problem(Kind.ONLY_AT_GATEWAY, "captures are made at a gateway")
        return self._captures


class _Download(Stream):
    kind = "capture"

    def __init__(self, readers: Readers, path: Path, size: int) -> None:
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": f'attachment; filename="{path.name}"',
            "content-length": str(size),
        }
        super().__init__(readers, headers=headers)
        self._path, self._size = path, size

    async def write(self, send: Send) -> None:
        """As much as was there when it was asked for: a file that is being written grows meanwhile."""
        left = self._size
        with self._path.open("rb") as file:
            while left > 0 and (piece := await asyncio.to_thread(file.read, min(left, 16 * PIECE))):
                left -= len(piece)
                for start in range(0, len(piece), PIECE):
                    await send({"type": "http.response.body", "body": piece[start : start + PIECE], "more_body": True})


def _problem(error: LinesideError) -> Problem:
    kind = Kind.NOT_FOUND if isinstance(error, capture.Unknown) else Kind.CAPTURE_REFUSED
    return Problem(kind, str(error))


def _bad(path: str, reason: str, allowed: tuple[str, ...] | list[str]) -> Problem:
    return Problem(Kind.BAD_REQUEST, f"the body does not fit: {reason}", errors=[Fault(path, reason, allowed)])


def _capture(state: capture.State) -> answers.Capture:
    order = state.order
    ring = answers.Keep(seconds=order.keep_s, bytes=order.keep_bytes) if order.ring else None
    return answers.Capture(
        name=order.name,
        running=state.running,
        reason=state.reason or None,
        stations=list(order.stations),
        sources=list(order.sources),
        keep=ring,
        redact=order.redact,
        bytes=state.bytes,
        frames=state.frames,
        events=state.events,
        missed_frames=state.missed_frames,
        left_out_frames=state.left_out_frames,
        files=[
            answers.CaptureFile(name=file.name, bytes=file.bytes, written=rfc3339(file.ended)) for file in state.files
        ],
    )
