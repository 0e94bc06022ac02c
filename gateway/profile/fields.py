"""Texts of a record's fields to values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from gateway.core.sample import Value
from gateway.core.times import Micros, from_datetime
from gateway.profile.numbers import Affine
from gateway.profile.state_names import state_name
from gateway.profile.vocabulary import Kind

Read = Callable[[str], Value]
"""None for a text that says nothing, or not what was expected."""

# Bounded, so that no text can ask for a number of a billion digits.
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")


def reading(
    kind: Kind,
    *,
    map_: Mapping[str, Value] | None = None,
    decimal: str = ".",
    affine: Affine = Affine(),  # noqa: B008  (frozen)
    choices: tuple[str, ...] = (),
) -> Read:
    """For a field of that kind, other than a time, of which the blanks around are taken away."""
    return map_.get if map_ else _plain(kind, decimal, affine, frozenset(choices))


def _plain(kind: Kind, decimal: str, affine: Affine, choices: frozenset[str]) -> Read:
    if kind is Kind.NUMBER:
        return lambda text: number(_pointed(text) if decimal == "," else text, affine)
    if kind is Kind.COUNTER:
        return lambda text: int(text) if _WHOLE.fullmatch(text) else None
    if kind is Kind.STATE:
        return state_name
    if choices:
        return lambda text: text if text in choices else None
    return lambda text: text if text and text.isprintable() else None


def _pointed(text: str) -> str:
    """With a point for the decimal comma; a point that is there already makes it no number."""
    return "" if "." in text else text.replace(",", ".")


def number(text: str, affine: Affine) -> float | None:
    """The float nearest to what the text says; a whole number stays one where nothing is done to it."""
    if _NUMBER.fullmatch(text) is None:
        return None
    if affine.identity:
        value = int(text) if _WHOLE.fullmatch(text) else float(text)
        return value if math.isfinite(value) else None
    try:
        return float(Fraction(text) * affine.factor + affine.zero)
    except OverflowError:
        return None


def instant(text: str, format_: str | None, zone: ZoneInfo) -> Micros | None:
    """When that was. zone: of a text that names none. format_: as for strptime; None: ISO 8601."""
    try:
        value = datetime.fromisoformat(text) if format_ is None else datetime.strptime(text, format_)  # noqa: DTZ007
        return from_datetime(value if value.tzinfo is not None else value.replace(tzinfo=zone))
    except (ValueError, OverflowError):  # no such time, or none in this zone
        return None
