"""Units, against factors worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from gateway.profile.units import check, conversion


@pytest.mark.parametrize(
    ("origin", "target", "scale", "offset"),
    [
        ("Cel", "Cel", 1, 0),
        ("Cel", "K", 1, Fraction("273.15")),
        ("K", "Cel", 1, Fraction("-273.15")),
        ("[degF]", "Cel", Fraction(5, 9), Fraction(-160, 9)),
        ("Cel", "[degF]", Fraction(9, 5), 32),
        ("Cel/s", "K/min", 60, 0),
        ("cm/min", "mm/s", Fraction(1, 6), 0),
        ("m/min", "cm/min", 100, 0),
        ("kPa", "mbar", 10, 0),
        ("bar", "Pa", 100_000, 0),
        ("l/min", "m3/h", Fraction(6, 100), 0),
        ("ul", "nl", 1000, 0),
        ("%", "1", Fraction(1, 100), 0),
        ("[ppm]", "%", Fraction(1, 10_000), 0),
        ("kW.h", "kJ", 3600, 0),
        ("[mil_i]", "um", Fraction(254, 10), 0),
        ("[in_i]", "mm", Fraction(254, 10), 0),
        ("MOhm", "kOhm", 1000, 0),
        ("pF", "nF", Fraction(1, 1000), 0),
        ("uH", "H", Fraction(1, 10**6), 0),
        ("V", "mV", 1000, 0),
        ("V.A", "W", 1, 0),
        ("V/A", "Ohm", 1, 0),
        ("s-1", "Hz", 1, 0),
        ("/min", "Hz", Fraction(1, 60), 0),
        ("{boards}/h", "/d", 24, 0),
        ("{boards}", "1", 1, 0),
        ("kg.m.s-2", "N", 1, 0),
        ("mm2", "cm2", Fraction(1, 100), 0),
        ("h", "s", 3600, 0),
        ("kN", "N", 1000, 0),
    ],
)
def test_conversions(origin: str, target: str, scale: Fraction, offset: Fraction) -> None:
    assert conversion(origin, target) == (scale, offset)


def test_what_is_not_a_simple_fraction() -> None:
    scale, offset = conversion("[psi]", "kPa")
    assert round(float(scale), 9) == 6.894757293
    assert offset == 0
    assert float(conversion("deg", "rad")[0]) == math.pi / 180


@pytest.mark.parametrize(
    ("origin", "target", "says"),
    [
        ("mm", "Cel", "'mm' cannot be converted to 'Cel'; allowed: K, Cel, [degF]"),
        ("C", "Cel", "'C' cannot be converted to 'Cel', did you mean 'Cel'?"),
        ("Cel/s", "Cel", "cannot be converted"),
        ("rad", "1", "cannot be converted"),
        ("%", "kg.m.K", "allowed: what measures the same"),
    ],
)
def test_what_measures_something_else(origin: str, target: str, says: str) -> None:
    with pytest.raises(ValueError, match="cannot be converted") as caught:
        conversion(origin, target)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("°C", "did you mean 'Cel'?"),
        ("psi", "did you mean '[psi]'?"),
        ("sec", "did you mean 's'?"),
        ("rpm", "did you mean '/min'?"),
        ("xyzzy", "UCUM codes"),
        ("", "UCUM codes"),
        ("m//s", "UCUM codes"),
        ("mm/", "UCUM codes"),
        ("kmin", "UCUM codes"),
        ("kCel", "UCUM codes"),
        ("0", "UCUM codes"),
        ("min99999999", "UCUM codes"),
        ("mm s", "UCUM codes"),
    ],
)
def test_what_is_no_unit(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="is no unit") as caught:
        check(text)
    assert says in str(caught.value)
    assert repr(text) in str(caught.value)
