"""Errors as `application/problem+json` (RFC 9457). The list of types is closed: docs/http-api.md has each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:lineside:problem:"
_encode = msgspec.json.Encoder().encode


class Kind(Enum):
    """Every problem that the API answers with: name, HTTP status, title."""

    BAD_REQUEST = ("bad-request", 400, "The request cannot be read")
    BAD_PARAMETER = ("bad-parameter", 400, "A parameter is unknown or has a value that is not allowed")
    TOKEN_IN_URL = ("token-in-url", 400, "A token does not belong into a URL")
    UNAUTHENTICATED = ("unauthenticated", 401, "A valid token is needed")
    FORBIDDEN = ("forbidden", 403, "The token does not have the scope")
    ORIGIN_NOT_ALLOWED = ("origin-not-allowed", 403, "Changes are accepted only from our own pages")
    NOT_FOUND = ("not-found", 404, "There is no such thing")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The method is not allowed here")
    RETRY_NOT_POSSIBLE = ("retry-not-possible", 409, "This message cannot be put through again")
    CAPTURE_REFUSED = ("capture-refused", 409, "This cannot be done with the capture now")
    CURSOR_GONE = ("cursor-gone", 410, "The journal does not have this position")
    TOO_LARGE = ("too-large", 413, "The request is too large")
    UNSUPPORTED_MEDIA_TYPE = ("unsupported-media-type", 415, "Send application/json")
    HOST_NOT_ALLOWED = ("host-not-allowed", 421, "This name is not ours")
    INTERNAL_ERROR = ("internal-error", 500, "Lineside failed; its log says why")
    ONLY_AT_GATEWAY = ("only-at-gateway", 501, "Only the gateway that received it has this")
    JOURNAL_UNAVAILABLE = ("journal-unavailable", 503, "The journal cannot be read or written")
    TOO_MANY_READERS = ("too-many-readers", 503, "Too many streams and exports are open")

    def __init__(self, code: str, status: int, title: str) -> None:
        self.code = code
        self.status = status
        self.title = title

    @property
    def uri(self) -> str:
        """Its `type`."""
        return _PREFIX + self.code


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong. `path`: the parameter, or a JSON pointer into the body. `allowed`: what would be right."""

    path: str
    reason: str
    allowed: str | Sequence[str] | None = None


class ProblemDocument(msgspec.Struct, frozen=True):
    """A problem as it is sent. `cursor-gone` has `reason` (`expired`, `foreign`, `future`), `oldest` and `head` too."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault]


class Problem(Exception):
    """Raised anywhere below a route; becomes the response. more: further members of the document."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.more = more or {}

    def document(self) -> dict[str, Any]:
        kind = self.kind
        return {
            "type": kind.uri,
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "errors": list(self.errors),
            **self.more,
        }

    def response(self) -> Response:
        return Response(_encode(self.document()), self.kind.status, dict(self.headers or {}), MEDIA_TYPE)


def missing(what: str) -> Problem:
    return Problem(Kind.NOT_FOUND, f"there is no {what}")
