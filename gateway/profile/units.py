"""Units of measure, written in UCUM (The Unified Code for Units of Measure, case sensitive), and their conversion.

A subset: the atoms, prefixes and operators that machines of an SMT line need. Factors are fractions, so that nothing
is lost in a conversion whose factor is a simple one.
"""

from __future__ import annotations

import difflib
import math
import re
from fractions import Fraction
from functools import cache
from typing import NamedTuple

_Dimension = tuple[int, ...]  # exponents of the base units m, g, s, K, A, rad
_NONE: _Dimension = (0,) * 6


class _Unit(NamedTuple):
    """A value in it, times factor plus zero, is one in base units."""

    factor: Fraction
    dimension: _Dimension
    zero: Fraction = Fraction(0)


def _base(index: int) -> _Dimension:
    return tuple(int(each == index) for each in range(6))


_PREFIXES = {
    "p": Fraction(1, 10**12),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "c": Fraction(1, 100),
    "d": Fraction(1, 10),
    "k": Fraction(1000),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
}

_METRIC: dict[str, _Unit] = {
    "m": _Unit(Fraction(1), _base(0)),
    "g": _Unit(Fraction(1), _base(1)),
    "s": _Unit(Fraction(1), _base(2)),
    "K": _Unit(Fraction(1), _base(3)),
    "A": _Unit(Fraction(1), _base(4)),
    "rad": _Unit(Fraction(1), _base(5)),
    "Hz": _Unit(Fraction(1), (0, 0, -1, 0, 0, 0)),
    "N": _Unit(Fraction(1000), (1, 1, -2, 0, 0, 0)),
    "Pa": _Unit(Fraction(1000), (-1, 1, -2, 0, 0, 0)),
    "bar": _Unit(Fraction(10**8), (-1, 1, -2, 0, 0, 0)),
    "J": _Unit(Fraction(1000), (2, 1, -2, 0, 0, 0)),
    "W": _Unit(Fraction(1000), (2, 1, -3, 0, 0, 0)),
    "C": _Unit(Fraction(1), (0, 0, 1, 0, 1, 0)),
    "V": _Unit(Fraction(1000), (2, 1, -3, 0, -1, 0)),
    "Ohm": _Unit(Fraction(1000), (2, 1, -3, 0, -2, 0)),
    "S": _Unit(Fraction(1, 1000), (-2, -1, 3, 0, 2, 0)),
    "F": _Unit(Fraction(1, 1000), (-2, -1, 4, 0, 2, 0)),
    "H": _Unit(Fraction(1000), (2, 1, -2, 0, -2, 0)),
    "l": _Unit(Fraction(1, 1000), (3, 0, 0, 0, 0, 0)),
    "L": _Unit(Fraction(1, 1000), (3, 0, 0, 0, 0, 0)),
}
_INCH = Fraction(254, 10_000)
_PLAIN: dict[str, _Unit] = {
    "1": _Unit(Fraction(1), _NONE),
    "%": _Unit(Fraction(1, 100), _NONE),
    "[ppm]": _Unit(Fraction(1, 10**6), _NONE),
    "[ppb]": _Unit(Fraction(1, 10**9), _NONE),
    "min": _Unit(Fraction(60), _base(2)),
    "h": _Unit(Fraction(3600), _base(2)),
    "d": _Unit(Fraction(86_400), _base(2)),
    "deg": _Unit(Fraction(math.pi) / 180, _base(5)),
    "[in_i]": _Unit(_INCH, _base(0)),
    "[mil_i]": _Unit(_INCH / 1000, _base(0)),
    "[ft_i]": _Unit(_INCH * 12, _base(0)),
    "[psi]": _Unit(Fraction("4448.2216152605") / _INCH**2, (-1, 1, -2, 0, 0, 0)),  # pound-force, in g.m/s2
    "Cel": _Unit(Fraction(1), _base(3), Fraction("273.15")),
    "[degF]": _Unit(Fraction(5, 9), _base(3), Fraction("459.67") * Fraction(5, 9)),
}

_PART = re.compile(r"(\[[^\]]*\]|%|[A-Za-z]+|[0-9]{1,9})([+-]?[0-9])?")
_COMMENT = re.compile(r"\{[!-z|~]*\}")
_MEANT = {
    "°C": "Cel",
    "degC": "Cel",
    "celsius": "Cel",
    "°F": "[degF]",
    "degF": "[degF]",
    "kelvin": "K",
    "sec": "s",
    "hr": "h",
    "inch": "[in_i]",
    "in": "[in_i]",
    "mil": "[mil_i]",
    "ft": "[ft_i]",
    "psi": "[psi]",
    "ppm": "[ppm]",
    "µm": "um",
    "micron": "um",
    "ohm": "Ohm",
    "Ω": "Ohm",
    "rpm": "/min",
    "pcs": "1",
    "°": "deg",
}
"""What people write instead."""


def conversion(origin: str, target: str) -> tuple[Fraction, Fraction]:
    """(scale, offset): a value in `origin`, times scale plus offset, is the same in `target`.

    Raises ValueError, which names both and what is allowed, when one is no unit or they measure different things.
    """
    source, sink = _parse(origin), _parse(target)
    if source.dimension != sink.dimension:
        raise ValueError(f"{origin!r} cannot be converted to {target!r}{_instead(origin, sink)}")
    return source.factor / sink.factor, (source.zero - sink.zero) / sink.factor


def check(text: str) -> None:
    """Raises ValueError when `text` is no unit."""
    _parse(text)


def _instead(origin: str, sink: _Unit) -> str:
    known = [name for name, unit in (_METRIC | _PLAIN).items() if unit.dimension == sink.dimension]
    meant = {"C": "Cel", "F": "[degF]"}.get(origin)  # coulomb and farad to UCUM
    hint = f", did you mean {meant!r}?" if meant in known else ""
    return f"{hint}; allowed: {', '.join(known)} and the like" if known else f"{hint}; allowed: what measures the same"


@cache
def _parse(text: str) -> _Unit:
    bare = _COMMENT.sub("", text)
    if text and not bare:
        return _PLAIN["1"]  # a comment alone, as {boards}, is 1
    if bare in ("Cel", "[degF]"):
        return _PLAIN[bare]
    factor, dimension = Fraction(1), list(_NONE)
    # Beside another unit a temperature is a difference: Cel/s is K/s.
    for operator, part in _split(bare, text):
        found = _PART.fullmatch(part)
        unit = None if found is None else _atom(found[1])
        if found is None or unit is None:
            raise ValueError(_unknown(text, part))
        power = int(found[2] or 1) * (-1 if operator == "/" else 1)
        factor *= unit.factor**power
        dimension = [each + power * own for each, own in zip(dimension, unit.dimension, strict=True)]
    return _Unit(factor, tuple(dimension))


def _split(bare: str, text: str) -> list[tuple[str, str]]:
    """Each part with the operator before it."""
    pieces = re.split(r"([./])", bare if bare.startswith("/") else "." + bare)[1:]
    pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
    if any(not part for _, part in pairs):
        raise ValueError(_unknown(text, text))
    return pairs


def _atom(name: str) -> _Unit | None:
    if name in _PLAIN or name in _METRIC:
        return _PLAIN.get(name) or _METRIC[name]
    prefix, metric = _PREFIXES.get(name[:1]), _METRIC.get(name[1:])
    if prefix is not None and metric is not None:
        return _Unit(metric.factor * prefix, metric.dimension)
    return _Unit(Fraction(int(name)), _NONE) if name.isdigit() and int(name) else None


def _unknown(text: str, part: str) -> str:
    known = [*_PLAIN, *_METRIC]
    close = _MEANT.get(text) or _MEANT.get(part) or next(iter(difflib.get_close_matches(part, known, 1, 0.6)), None)
    hint = f", did you mean {close!r}?" if close else ""
    return (
        f"{text!r} is no unit{hint}; allowed: UCUM codes {' '.join(_PLAIN)}, "
        f"with or without prefix ({' '.join(_PREFIXES)}) {' '.join(_METRIC)}, joined by . and / as in cm/min"
    )
