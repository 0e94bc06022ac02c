"""Query parameters: declared once, for reading them and for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request

from gateway.api import cursor
from gateway.api.cursor import Cursor
from gateway.api.places import EventFilter, Places
from gateway.api.problems import Fault, Kind, Problem
from gateway.core.event import Origin
from gateway.core.times import Micros, parse_rfc3339
from gateway.journal.filter import Choice

LIMIT = 100
MOST = 1000
_VALUES = 100
"""Most values of one parameter."""
_CURSOR = 'a cursor as answers and `id:` lines give it, or "0" for the oldest'
_TIME = "RFC 3339 with a zone, such as 2026-11-20T12:44:33Z or 2026-11-20T13:44:33%2B01:00"


class Parameter(msgspec.Struct, frozen=True):
    """repeated: may be given several times, and then means several values."""

    name: str
    description: str
    schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})
    repeated: bool = False
    where: str = "query"
    required: bool = False

    def document(self) -> dict[str, Any]:
        """As OpenAPI has it."""
        schema = {"type": "array", "items": self.schema} if self.repeated else self.schema
        document: dict[str, Any] = {
            "name": self.name,
            "in": self.where,
            "description": self.description,
            "schema": schema,
        }
        if self.repeated:
            document |= {"style": "form", "explode": True}
        return document | {"required": True} if self.required or self.where == "path" else document


_CHOICE = "Several values: any of them; a value with `!` in front: none of those."
AFTER = Parameter("after", f"Where to go on: {_CURSOR}.")
LIMITED = Parameter(
    "limit",
    "Most entries in the answer. A page may have fewer; `more` says whether there is more.",
    {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
)
FROM = Parameter("from", f"Earliest `time`, inclusive; {_TIME}.", {"type": "string", "format": "date-time"})
TO = Parameter("to", f"Latest `time`, exclusive; {_TIME}.", {"type": "string", "format": "date-time"})
PLACES = (
    Parameter("site", f"Site of the gateway. {_CHOICE}", repeated=True),
    Parameter("gateway", f"Name of the gateway: where several have a station of the same id, which one. {_CHOICE}", repeated=True),
)  # fmt: skip
FILTER = (
    *PLACES,
    Parameter("line", f"Name of the line. {_CHOICE}", repeated=True),
    Parameter("station", f"Id of the station, such as `L1.pnp1`. {_CHOICE}", repeated=True),
    Parameter(
        "message", f"CFX message, such as `CFX.Production.WorkCompleted`; `CFX.Production.*` is a prefix. {_CHOICE}",
        repeated=True,
    ),
    Parameter("unit", f"Identifier of a unit, panel or carrier; also of the same transaction. {_CHOICE}", repeated=True),
    Parameter("origin", f"One of {', '.join(Origin)}. {_CHOICE}", repeated=True),
    FROM,
    TO,
)  # fmt: skip
BODY = Parameter("body", "`none` leaves the bodies out.", {"type": "string", "enum": ["full", "none"]})


class Query:
    """The parameters of one request. Collects what is wrong; `check` raises it all at once."""

    def __init__(self, request: Request, allowed: Sequence[Parameter]) -> None:
        self._values: dict[str, list[str]] = {}
        self._faults: list[Fault] = []
        names = {parameter.name: parameter for parameter in allowed if parameter.where == "query"}
        for name, value in request.query_params.multi_items():
            if name not in names:
                if name not in self._values:
                    self.wrong(name, "there is no such parameter here", sorted(names))
            elif name in self._values and not names[name].repeated:
                self.wrong(name, "given more than once")
            self._values.setdefault(name, []).append(value)

    def wrong(self, path: str, reason: str, allowed: str | Sequence[str] | None = None) -> None:
        self._faults.append(Fault(path, reason, allowed))

    def check(self) -> None:
        """Raises Problem `bad-parameter` when anything read so far was wrong."""
        if self._faults:
            names = ", ".join(dict.fromkeys(fault.path for fault in self._faults))
            raise Problem(Kind.BAD_PARAMETER, f"not understood: {names}", errors=self._faults)

    def one(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[0] if values else None

    def needed(self, name: str) -> str:
        text = self.one(name)
        if not text:
            self.wrong(name, "must be given")
        return text or ""

    def limit(self, default: int = LIMIT, most: int = MOST) -> int:
        text = self.one("limit")
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            self.wrong("limit", f"{text!r} is no whole number from 1 to {most}", f"1 to {most}")
            return default
        return int(text)

    def after(self) -> Cursor | None:
        text = self.one("after")
        if text is None:
            return None
        try:
            return cursor.parse(text)
        except ValueError:
            self.wrong("after", f"{text[:100]!r} is no cursor", _CURSOR)
            return None

    def instant(self, name: str) -> Micros | None:
        text = self.one(name)
        if text is None:
            return None
        try:
            return parse_rfc3339(text)
        except (ValueError, OverflowError):
            reason = f"{text[:100]!r} is no time with a zone"
            if " " in text:
                reason += "; a + in a URL means a space and must be written %2B"
            self.wrong(name, reason, _TIME)
            return None

    def with_body(self) -> bool:
        text = self.one("body")
        if text not in (None, "full", "none"):
            self.wrong("body", f"{text[:100]!r} is not known", ["full", "none"])
        return text != "none"

    def choice(self, name: str, allowed: Sequence[str] = ()) -> Choice:
        wanted: list[str] = []
        unwanted: list[str] = []
        values = self._values.get(name, [])
        if len(values) > _VALUES:
            self.wrong(name, f"given {len(values)} times", f"at most {_VALUES} values")
            return Choice()
        for value in values:
            text = value.removeprefix("!")
            if not text:
                self.wrong(name, "empty")
            elif allowed and text not in allowed:
                self.wrong(name, f"{text[:100]!r} is not known", allowed)
            (unwanted if value.startswith("!") else wanted).append(text)
        return Choice(tuple(wanted), tuple(unwanted))

    def places(self) -> Places:
        return Places(self.choice("site"), self.choice("gateway"))

    def filter(self) -> EventFilter:
        return EventFilter(
            places=self.places(),
            line=self.choice("line"),
            station=self.choice("station"),
            message=self.choice("message"),
            unit=self.choice("unit"),
            origin=self.choice("origin", [str(origin) for origin in Origin]),
            start=self.instant("from"),
            end=self.instant("to"),
        )
