"""A route as data: what it is called, what it takes and answers, and the function that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.outlet import Json
from gateway.api.problems import Fault, Kind, Problem
from gateway.api.query import Parameter, Query

Endpoint = Callable[[Request, Query], Awaitable[Response]]

_BODY_BYTES = 64 * 1024
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """answers: media type to the type that describes it (None: no schema). body: type of the JSON that is sent to it."""

    method: str
    path: str
    summary: str
    endpoint: Endpoint
    description: str = ""
    parameters: Sequence[Parameter] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    statuses: Sequence[int] = (200,)
    body: Any = None
    problems: Sequence[Kind] = ()


def json(value: Any, status: int = 200) -> Response:
    return Json(_encode(value), status)


def accepts(request: Request, media_type: str) -> bool:
    """Whether the caller asks for this form by name."""
    for accepted in request.headers.get("accept", "").split(","):
        kind, *parameters = (part.strip().lower() for part in accepted.split(";"))
        if kind == media_type:
            return not any(
                parameter.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters
            )
    return False


async def read_body(request: Request, type_: Any) -> Any:
    """The JSON body as `type_`. Raises Problem `too-large`, `bad-request`."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _BODY_BYTES:
            raise Problem(Kind.TOO_LARGE, f"the body may have at most {_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(bytes(body), type=type_)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        pointer = path.rstrip("`").replace(".", "/") or "/"
        raise Problem(Kind.BAD_REQUEST, f"the body does not fit: {reason}", errors=[Fault(pointer, reason)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(Kind.BAD_REQUEST, f"the body is no JSON: {error}") from error
