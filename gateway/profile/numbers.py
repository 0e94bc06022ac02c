"""From a machine's number to a value in the class's unit, and back: one exact factor and one exact zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import msgspec

from gateway.profile.units import conversion


def exact(number: float) -> Fraction:
    """As it is written: 0.1 is one tenth."""
    return Fraction(Decimal(repr(number)))


class Affine(msgspec.Struct, frozen=True):
    """value = raw * factor + zero."""

    factor: Fraction = Fraction(1)
    zero: Fraction = Fraction(0)

    @property
    def identity(self) -> bool:
        return self.factor == 1 and not self.zero

    def then(self, factor: Fraction, zero: Fraction) -> Affine:
        return Affine(self.factor * factor, self.zero * factor + zero)

    def __call__(self, raw: float) -> float:
        """The value of a number as it is written. A whole number stays one where that is exact."""
        value = exact(raw) * self.factor + self.zero
        return int(value) if isinstance(raw, int) and value.denominator == 1 else float(value)

    def of_integers(self) -> Callable[[int], float]:
        """Fast, and correctly rounded: the float nearest to the exact value. All whole or all floats."""
        denominator = math.lcm(self.factor.denominator, self.zero.denominator)
        p, b = int(self.factor * denominator), int(self.zero * denominator)
        if denominator == 1:
            return (lambda raw: raw) if p == 1 and not b else (lambda raw: raw * p + b)
        if not b:
            return (lambda raw: raw / denominator) if p == 1 else (lambda raw: raw * p / denominator)
        return lambda raw: (raw * p + b) / denominator

    def of_floats(self) -> Callable[[float], float | None]:
        """None for what is no finite number."""
        factor, zero, finite = float(self.factor), float(self.zero), math.isfinite

        def plain(raw: float) -> float | None:
            return raw if finite(raw) else None

        def scaled(raw: float) -> float | None:
            value = raw * factor + zero
            return value if finite(value) else None

        return plain if self.identity else scaled

    def back(self, value: float) -> Fraction:
        """The exact inverse. Raises ValueError for NaN and infinities."""
        if not math.isfinite(value):
            raise ValueError(f"{value} is no finite number")
        return (Fraction(value) - self.zero) / self.factor


def affine(scale: float | None, offset: float | None, unit: str | None, target: str | None) -> Affine:
    """First `scale`, then `offset`, then from `unit` into `target` (None: no conversion). Raises ValueError as
    `conversion` does."""
    own = Affine(Fraction(1) if scale is None else exact(scale), Fraction(0) if offset is None else exact(offset))
    return own if unit is None or target is None else own.then(*conversion(unit, target))
