"""What a machine's number or text stands for, in both directions: missing and empty values, maps, scaling, kinds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.cfx import states
from gateway.core.sample import Value
from gateway.profile.numbers import Affine
from gateway.profile.state_names import state_name
from gateway.profile.vocabulary import Kind

Read = Callable[[Any], Value]
Write = Callable[[Value], Any]


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """numbers: `float`, `int` or None, what the machine says are texts. map: what each means, by the machine's number
    or text; empty: there is none. choices: the only texts allowed; empty: any."""

    kind: Kind
    numbers: type[float] | type[int] | None
    missing: tuple[Any, ...] = ()
    empty: tuple[Any, ...] = ()
    map: Mapping[Any, Value] = {}
    affine: Affine = Affine()
    choices: tuple[str, ...] = ()
    inverted: bool = False

    def read(self) -> Read:
        """Of what is meant to what it stands for; None for what stands for nothing."""
        plain = self._plain()
        missing, empty = frozenset(self.missing), frozenset(self.empty)
        if empty:
            return lambda part: None if part in missing else "" if part in empty else plain(part)
        return (lambda part: None if part in missing else plain(part)) if missing else plain

    def write(self) -> Write:
        """The inverse. Raises ValueError for a value that the machine has no way to say."""
        plain = self._back()
        backwards = {value: part for part, value in reversed(list(self.map.items()))}

        def write(value: Value) -> Any:
            if value is None:
                return self._nothing()
            if self.kind is Kind.STATE:
                value = state_name(value) or value
            if value == "" and self.empty:
                return self.empty[0]
            if not self.map:
                return plain(value)
            if value not in backwards:
                raise ValueError(f"{value!r} is not in the map")
            return backwards[value]

        return write

    def _nothing(self) -> Any:
        if self.missing:
            return self.missing[0]
        if self.numbers is float:
            return math.nan
        if self.numbers is None and "" not in self.empty and "" not in self.map:
            return ""
        raise ValueError("the machine has no way to say that there is no value")

    def _plain(self) -> Read:
        if self.map:
            return self.map.get
        if self.kind is Kind.NUMBER:
            return self.affine.of_floats() if self.numbers is float else self.affine.of_integers()
        if self.kind is Kind.COUNTER:
            return _whole(self.affine) if self.numbers is float else self.affine.of_integers()
        if self.kind is Kind.FLAG:
            return {0: self.inverted, 1: not self.inverted}.get
        if self.kind is Kind.STATE:
            return state_name
        if self.numbers is not None:
            return str
        choices = frozenset(self.choices)
        if choices:
            return lambda part: part if part in choices else None
        return lambda part: part or None

    def _back(self) -> Write:
        if self.kind is Kind.FLAG:
            return lambda value: int(_flag(value) is not self.inverted)
        if self.kind in (Kind.NUMBER, Kind.COUNTER):
            back = self.affine.back
            return (
                (lambda value: float(back(_number(value))))
                if self.numbers is float
                else (lambda value: round(back(_number(value))))
            )
        if self.numbers is None:
            return _text
        if self.kind is Kind.STATE:
            return _state
        return lambda value: int(_text(value))


def _whole(affine: Affine) -> Callable[[float], int | None]:
    """A counter that the machine keeps as a float."""
    scale = affine.of_floats()

    def read(part: float) -> int | None:
        value = scale(part)
        return int(value) if value is not None and value.is_integer() else None

    return read


def _number(value: Value) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is no number")


def _state(value: Value) -> int:
    code = states.parse(value)
    if code is None:
        raise ValueError(f"{value!r} is no CFX ResourceState")
    return code


def _flag(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is not true or false")


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is no text")
