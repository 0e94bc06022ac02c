"""Date-times and time spans of .NET."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.cfx.times import instant, is_instant, is_span, read_span, read_stamp, span, zoned
from gateway.core.times import parse_rfc3339

_AT = parse_rfc3339("2026-11-20T12:44:33.943216Z")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T12:44:33.943216Z",
        "2026-11-20T12:44:33.9432169Z",  # 7 digits: the last is cut off
        "2026-11-20T13:44:33.943216+01:00",
        "2026-11-20 04:44:33.943216-08:00",
    ],
)
def test_a_stamp_with_a_zone_is_an_instant(text: str) -> None:
    assert read_stamp(text) == (_AT, None, False)


def test_a_stamp_without_a_zone_stays_local() -> None:
    assert read_stamp("2026-11-20T12:44:33.5") == (None, datetime.fromisoformat("2026-11-20T12:44:33.500"), False)


@pytest.mark.parametrize("text", ["2026-11-20T12:44:33Z", "2026-11-20T12:44:33.0000000Z", "2026-11-20T13:44:33+01:00"])
def test_whole_seconds_are_coarse(text: str) -> None:
    assert read_stamp(text) == (parse_rfc3339("2026-11-20T12:44:33Z"), None, True)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "yesterday",
        "2026-02-30T00:00:00Z",
        "2026-11-20T25:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_instant_is_none(text: str | None) -> None:
    time, local, _ = read_stamp(text)
    assert (time, local) == (None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:01:25", 85.0),
        ("00:00:01.2340000", 1.234),
        ("1.01:30:00", 91_800.0),
        ("-00:00:01", -1.0),
        ("1:00", None),
        ("soon", None),
        ("\u0661\u0661:00:00", None),
        (60, None),
        (None, None),
    ],
)
def test_spans_are_read(text: object, seconds: float | None) -> None:
    assert read_span(text) == seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(seconds=85), "00:01:25"),
        (timedelta(seconds=1, milliseconds=234), "00:00:01.2340000"),
        (timedelta(days=1, hours=1, minutes=30), "1.01:30:00"),
        (-timedelta(days=2, seconds=1), "-2.00:00:01"),
        (timedelta(), "00:00:00"),
    ],
)
def test_spans_are_written_and_read_back(value: timedelta, text: str) -> None:
    assert span(value) == text
    assert is_span(text)
    assert read_span(text) == pytest.approx(value.total_seconds())


@pytest.mark.parametrize(
    "text", ["24:00:00", "00:60:00", "00:00:60", "1:00:00", "00:00:00.12345678", "00:00", "99999999.00:00:00", "x"]
)
def test_what_is_no_span(text: str) -> None:
    assert not is_span(text)


@pytest.mark.parametrize("text", ["2026-11-20T12:44:33", "2026-11-20T12:44:33.1234567+14:00", "0001-01-01T00:00:00Z"])
def test_what_is_a_date_time(text: str) -> None:
    assert is_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20",
        "2026-13-20T12:44:33Z",
        "2026-11-20T12:44:33.12345678Z",
        "2026-11-20T12:44:33+25:00",
        "2026-11-20 12:44:33",
        "",
    ],
)
def test_what_is_no_date_time(text: str) -> None:
    assert not is_instant(text)


def test_instants_are_written_without_trailing_zeros() -> None:
    assert instant(_AT) == "2026-11-20T12:44:33.943216Z"
    assert instant(parse_rfc3339("2026-11-20T12:44:33.940000Z")) == "2026-11-20T12:44:33.94Z"
    assert instant(parse_rfc3339("2026-11-20T12:44:33Z")) == "2026-11-20T12:44:33Z"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 11, 20, 12, 44, 33, 500_000, UTC), "2026-11-20T12:44:33.5Z"),
        (datetime(2026, 11, 20, 12, 44, 33, 0, timezone(timedelta(hours=8))), "2026-11-20T12:44:33+08:00"),
        (datetime(2026, 11, 20, 12, 44, 33, 120_000, timezone(-timedelta(hours=4))), "2026-11-20T12:44:33.12-04:00"),
        (datetime(1890, 1, 1, 0, 53, 28, 0, timezone(timedelta(minutes=53, seconds=28))), "1890-01-01T00:00:00Z"),
    ],
)
def test_offsets_are_kept(value: datetime, text: str) -> None:
    assert zoned(value) == text
    assert is_instant(text)


def test_a_date_time_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zoned(datetime.fromisoformat("2026-11-20T00:00:00"))
