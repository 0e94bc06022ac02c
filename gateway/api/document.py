"""The OpenAPI document, and the page that shows it without fetching anything from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.api.outlet import Bytes, Json
from gateway.api.problems import MEDIA_TYPE, Kind, ProblemDocument, missing
from gateway.api.query import Parameter, Query
from gateway.api.route import Route
from gateway.api.scopes import BASE, SCOPES, Scope
from gateway.core.event import Document

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {"docs.js": "text/javascript", "docs.css": "text/css"}
_REF = "#/components/schemas/{name}"
_ALWAYS = (Kind.BAD_REQUEST, Kind.BAD_PARAMETER, Kind.TOKEN_IN_URL, Kind.HOST_NOT_ALLOWED, Kind.JOURNAL_UNAVAILABLE)
_CHANGES = (Kind.ORIGIN_NOT_ALLOWED, Kind.UNSUPPORTED_MEDIA_TYPE)


class Documentation:
    """The endpoints. described: all routes, set once they are known."""

    def __init__(self, *, version: str) -> None:
        self._version = version
        self.described: Sequence[Route] = ()

    @cached_property
    def document(self) -> dict[str, Any]:
        """Made when it is first asked for: few ask, and a gateway that starts has machines waiting."""
        return describe(self.described, version=self._version)

    def routes(self) -> tuple[Route, ...]:
        file = Parameter("file", "One of the page's files.", {"type": "string", "enum": list(_FILES)}, where="path")
        return (
            Route(method="GET", path="/", summary="Leads to the documentation", endpoint=self.start, statuses=(307,)),
            Route(
                method="GET",
                path=f"{BASE}/openapi.json",
                summary="This document",
                endpoint=self.openapi,
                answers={"application/json": None},
            ),
            Route(
                method="GET",
                path=f"{BASE}/docs",
                summary="This document as a page",
                endpoint=self.page,
                answers={"text/html": None},
            ),
            Route(
                method="GET",
                path=f"{BASE}/docs/{{file}}",
                summary="Files of that page",
                endpoint=self.file,
                parameters=(file,),
                answers={"text/javascript": None, "text/css": None},
                problems=(Kind.NOT_FOUND,),
            ),
        )

    async def start(self, _: Request, query: Query) -> Response:
        query.check()
        return RedirectResponse(f"{BASE}/docs", 307)

    async def openapi(self, _: Request, query: Query) -> Response:
        query.check()
        return Json(msgspec.json.encode(self.document))

    async def page(self, _: Request, query: Query) -> Response:
        query.check()
        return static("docs.html", "text/html")

    async def file(self, request: Request, query: Query) -> Response:
        query.check()
        name = request.path_params["file"]
        if name not in _FILES:
            raise missing(f"file {name!r}")
        return static(name, _FILES[name])


def static(name: str, media_type: str) -> Response:
    """A file of a page of ours, which gets nothing from elsewhere and sends nothing there."""
    content = files("gateway.api").joinpath("static", name).read_bytes()
    return Bytes(content, headers={"content-security-policy": _POLICY}, media_type=media_type)


def describe(routes: Sequence[Route], *, version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of these routes."""
    types = {
        type_
        for route in routes
        for one in (*route.answers.values(), route.body)
        for type_ in get_args(one) or (one,)
        if isinstance(type_, type)
    }
    types |= {ProblemDocument, Document}
    _, schemas = msgspec.json.schema_components(sorted(types, key=lambda type_: type_.__name__), ref_template=_REF)
    schemas["Event"] = schemas.pop(Document.__name__)
    schemas["ProblemDocument"]["properties"]["type"]["enum"] = [kind.uri for kind in Kind]
    schemas["EventPage"] = {
        "type": "object",
        "description": "`next` is the last position scanned: an empty page with a moved `next` is no error.",
        "properties": {
            "events": {"type": "array", "items": {"$ref": _REF.format(name="Event")}},
            "next": {"type": "string"},
            "more": {"type": "boolean"},
            "head": {"type": "string"},
        },
        "required": ["events", "next", "more", "head"],
    }
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lineside",
            "version": version,
            "description": "Events and state of the machines of a line. Every position is an opaque cursor.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": f"Scopes: {', '.join(Scope)}."},
            },
        },
    }


def _id(route: Route) -> str:
    """Pages have the names of what they show."""
    page = "" if route.path.startswith(BASE) or "text/html" not in route.answers else "_page"
    name = f"{route.method.lower()}_{route.path.removeprefix(BASE).strip('/') or 'start'}{page}"
    return name.translate(str.maketrans("/.", "__", "{}"))


def _operation(route: Route) -> dict[str, Any]:
    scope = SCOPES[route.method, route.path]
    content = {kind: {} if type_ is None else {"schema": _schema(type_)} for kind, type_ in route.answers.items()}
    responses: dict[str, Any] = {
        str(status): {"description": "As asked for." if status < 300 else "See the body."}
        | ({"content": content} if content else {})
        for status in route.statuses
    }
    problems = {*_ALWAYS, *route.problems}
    if route.method != "GET":
        problems |= {*_CHANGES}
    if scope is not None:
        problems |= {Kind.UNAUTHENTICATED, Kind.FORBIDDEN}
    for kind in Kind:
        if kind in problems:
            known = responses.setdefault(str(kind.status), {"description": "", "content": {}})
            known["description"] = f"{known['description']} {kind.code}: {kind.title}.".strip()
            known.setdefault("content", {})[MEDIA_TYPE] = {"schema": {"$ref": _REF.format(name="ProblemDocument")}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": route.description,
        "operationId": _id(route),
        "parameters": [parameter.document() for parameter in route.parameters],
        "responses": responses,
        "security": [] if scope is None else [{"token": [scope]}],
        "x-scope": scope,
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(route.body)}},
        }
    return operation


def _schema(type_: Any) -> dict[str, Any]:
    """Of a type, of one of several (`A | B`), or of what is known by this name."""
    if several := get_args(type_):
        return {"anyOf": [_schema(one) for one in several]}
    return {"$ref": _REF.format(name=type_ if isinstance(type_, str) else type_.__name__)}
