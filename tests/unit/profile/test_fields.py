"""Texts of fields to values."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from gateway.core.sample import Value
from gateway.core.times import rfc3339
from gateway.profile.fields import instant, reading
from gateway.profile.numbers import affine
from gateway.profile.vocabulary import Kind

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-12", -12),
        (" 12", None),
        ("+1.50", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1,5", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("-Infinity", None),
        ("1e999", None),
        ("1e9999999999", None),
        ("9" * 5000, None),
        ("0x10", None),
        ("1_000", None),
        ("१२", None),
        ("12 V", None),
        ("--", None),
    ],
)
def test_numbers(text: str, value: Value) -> None:
    found = reading(Kind.NUMBER)(text)
    assert (found, type(found)) == (value, type(value))


def test_decimal_commas() -> None:
    read = reading(Kind.NUMBER, decimal=",")
    assert [read(text) for text in ("1,5", "12", "1.5", "1.000,5", "1,0,5")] == [1.5, 12, None, None, None]


def test_scaled_numbers_are_exact() -> None:
    read = reading(Kind.NUMBER, affine=affine(0.1, None, "kOhm", "Ohm"))
    assert [read(text) for text in ("3", "0.07")] == [300.0, 7.0]
    assert reading(Kind.NUMBER, affine=affine(0.001, None, None, None))("150.3") == 0.1503
    assert reading(Kind.NUMBER, affine=affine(1e15, None, None, None))("1e300") is None


def test_other_kinds() -> None:
    assert [reading(Kind.COUNTER)(text) for text in ("0012", "1.0", "x")] == [12, None, None]
    assert [reading(Kind.TEXT)(text) for text in ("a b", "", "a\tb", "a\x00")] == ["a b", None, None, None]
    assert [reading(Kind.TEXT, choices=("A",))(text) for text in ("A", "a")] == ["A", None]
    assert [reading(Kind.FLAG, map_={"Y": True, "N": False})(text) for text in ("Y", "N", "?")] == [True, False, None]
    assert [reading(Kind.STATE)(text) for text in ("1100", "SBY", "9", "run")] == ["PRD_RegularWork", "SBY", 9, None]


@pytest.mark.parametrize(
    ("text", "format_", "at"),
    [
        ("2026-11-20T13:44:33+01:00", None, "2026-11-20T12:44:33.000000Z"),
        ("2026-11-20 13:44:33.25", None, "2026-11-20T12:44:33.250000Z"),
        ("2026-07-20T13:44:33", None, "2026-07-20T11:44:33.000000Z"),
        ("20.11.2026 13:44:33", "%d.%m.%Y %H:%M:%S", "2026-11-20T12:44:33.000000Z"),
        ("31.02.2026 13:44:33", "%d.%m.%Y %H:%M:%S", None),
        ("20.11.26", "%d.%m.%Y", None),
        ("10000-01-01T00:00:00", None, None),
        ("", None, None),
    ],
)
def test_times(text: str, format_: str | None, at: str | None) -> None:
    found = instant(text, format_, BERLIN)
    assert (None if found is None else rfc3339(found)) == at
