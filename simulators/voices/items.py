"""What a machine has to say about a panel, in the words of its class, before any profile says how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Moment(NamedTuple):
    """An instant, in virtual seconds."""

    at: float


class Quantity(NamedTuple):
    """unit: UCUM."""

    value: float
    unit: str


Word = Moment | Quantity | str | float | bool | None


class Item(NamedTuple):
    """A record: name and fields are the class's (gateway.profile.vocabulary). None: nobody knows."""

    name: str
    fields: Mapping[str, Word] = {}
    children: tuple[Item, ...] = ()

    def all(self, name: str) -> tuple[Item, ...]:
        """Those directly in it."""
        return tuple(child for child in self.children if child.name == name)
