"""A filter as conditions of SQL. Values are only ever bound, never written into the text."""

from __future__ import annotations

from typing import Any

from gateway.core.event import Origin
from gateway.journal.filter import Choice, Filter
from gateway.sinks.postgres.text import HEAD, escaped, key

_WHOLE = ("site", "gateway")
"""Columns without an index, in which nothing is cut."""


class Where:
    """Conditions, and the values that they are about."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._conditions: list[str] = []

    def bind(self, value: Any) -> str:
        """How the text names this value."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str) -> None:
        self._conditions.append(condition)

    def __str__(self) -> str:
        return " AND ".join(self._conditions) or "true"

    def places(self, site: Choice, gateway: Choice) -> None:
        """Columns `site` and `gateway`."""
        self._choice("site", site)
        self._choice("gateway", gateway)

    def wanted(self, wanted: Filter) -> None:
        """What `gateway.journal.filter.Filter.accepts` accepts."""
        for column in ("line", "station", "message"):
            self._choice(column, getattr(wanted, column))
        if wanted.origin:
            self.add(
                f"origin = ANY({self.bind([str(each) for each in Origin if wanted.origin.accepts(each)])}::text[])"
            )
        if wanted.start is not None:
            self.add(f"time >= {self.bind(wanted.start)}")
        if wanted.end is not None:
            self.add(f"time < {self.bind(wanted.end)}")
        if wanted.unit.wanted:
            self.add(f"units && {self._keys(wanted.unit.wanted)}")
        if wanted.unit.unwanted:
            self.add(f"(units IS NULL OR NOT units && {self._keys(wanted.unit.unwanted)})")

    def _keys(self, texts: tuple[str, ...]) -> str:
        return f"{self.bind([key(text) for text in texts])}::text[]"

    def _choice(self, column: str, choice: Choice) -> None:
        if choice.wanted:
            self.add(self._fits(column, choice.wanted))
        if choice.unwanted:
            self.add(f"({column} IS NULL OR NOT {self._fits(column, choice.unwanted)})")

    def _fits(self, column: str, patterns: tuple[str, ...]) -> str:
        exact = tuple(pattern for pattern in patterns if not pattern.endswith("*"))
        stored = escaped if column in _WHOLE else key
        clauses = [f"{column} = ANY({self.bind([stored(each) for each in exact])}::text[])"] if exact else []
        for pattern in patterns:
            if pattern.endswith("*"):
                prefix = escaped(pattern[:-1])
                # A name that was cut for the index has its beginning there, and all of it beside.
                of = column if len(prefix) <= HEAD or column in _WHOLE else f"coalesce(long->>'{column}', {column})"
                clauses.append(f"starts_with({of}, {self.bind(prefix)}::text)")
        return f"({' OR '.join(clauses)})"
