"""Values that come with their own types, as OPC UA's do, to what they stand for and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.core.sample import Value
from gateway.profile.meaning import Meaning, Read, Write
from gateway.profile.numbers import Affine
from gateway.profile.tables import Scalar
from gateway.profile.vocabulary import Kind

_WORDS = {"true": True, "false": False}
_AROUND = " \t\r\n\0"
"""What controllers fill texts of fixed length with."""


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """map: by what a profile writes, which stands for the number and for the text alike. choices: as in Meaning."""

    kind: Kind
    missing: tuple[Scalar, ...] = ()
    empty: tuple[Scalar, ...] = ()
    map: Mapping[str, Value] = {}
    affine: Affine = Affine()
    choices: tuple[str, ...] = ()
    inverted: bool = False

    def read(self) -> Read:
        """None for what stands for nothing, and for what has a type that such a value cannot have."""
        missing = [each for each in self.missing if not isinstance(each, bool)]
        numbers = tuple(each for each in missing if not isinstance(each, str))
        singles = tuple(float(struct.unpack("f", struct.pack("f", each))[0]) for each in numbers if abs(each) < 3e38)
        by_type: dict[type, Read | None] = {
            bool: self._of_flag(),
            int: self._of(int, numbers, self._numbers()),
            float: self._of(float, numbers + singles, self._numbers()) if self._takes_floats else None,
            str: self._of_text(tuple(each for each in missing if isinstance(each, str))),
        }
        reads = {type_: read for type_, read in by_type.items() if read is not None}

        def read(raw: Any) -> Value:
            own = reads.get(type(raw))
            return None if own is None else own(raw)

        return read

    @property
    def _takes_floats(self) -> bool:
        return bool(self.map) or self.kind in (Kind.NUMBER, Kind.COUNTER)

    def _of(self, type_: type[int] | type[float], missing: tuple[Any, ...], map_: Mapping[Any, Value]) -> Read:
        empty = tuple(each for each in self.empty if isinstance(each, int | float))
        read = self._meaning(type_, missing, empty, map_).read()
        return read if not self.map or map_ else lambda raw: None

    def _meaning(
        self,
        numbers: type[float] | type[int] | None,
        missing: tuple[Any, ...],
        empty: tuple[Any, ...],
        map_: Mapping[Any, Value],
    ) -> Meaning:
        return Meaning(
            kind=self.kind,
            numbers=numbers,
            missing=missing,
            empty=empty,
            map=map_,
            affine=self.affine,
            choices=self.choices,
            inverted=self.inverted,
        )

    def _numbers(self) -> Mapping[Any, Value]:
        return {number: value for text, value in self.map.items() if (number := number_of(text)) is not None}

    def _of_flag(self) -> Read | None:
        if self.map:
            found = {word: self.map[text] for text, word in _WORDS.items() if text in self.map}
            found = found or {bool(number): value for number, value in self._numbers().items() if number in (0, 1)}
            return found.get
        if self.kind is Kind.FLAG:
            return lambda raw: raw is not self.inverted
        return None

    def _of_text(self, missing: tuple[str, ...]) -> Read | None:
        if not self.map and self.kind not in (Kind.TEXT, Kind.STATE):
            return None
        empty = tuple(each for each in self.empty if isinstance(each, str))
        read = self._meaning(None, missing, empty, self.map).read()

        def clean(raw: str) -> Value:
            bare = raw.strip(_AROUND)
            return read(bare) if bare.isprintable() else None

        return clean

    def write(self) -> Write:
        """The inverse: what a machine with such a profile would say; None where it has no word for no value."""
        plain = self._back()
        backwards = {value: text for text, value in reversed(list(self.map.items()))}

        def write(value: Value) -> Any:
            if value is None:
                return self.missing[0] if self.missing else None
            if value == "" and self.empty:
                return self.empty[0]
            if not self.map:
                return plain(value)
            if value not in backwards:
                raise ValueError(f"{value!r} is not in the map")
            text = backwards[value]
            number = number_of(text)
            return _WORDS.get(text, text if number is None else number)

        return write

    def _back(self) -> Callable[[Value], Any]:
        numbers = float if self.kind is Kind.NUMBER else int if self.kind is Kind.COUNTER else None
        if self.kind is Kind.FLAG:
            return lambda value: bool(self._meaning(int, (), (), {}).write()(value))
        return self._meaning(numbers, (), (), {}).write()


def number_of(text: str) -> float | None:
    """Of a key of `map`: whole numbers, also in hexadecimal, and decimals; None for what is none."""
    try:
        return int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError:
        pass
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
