"""Stamps and clock offsets, on made-up messages with chosen times of receipt."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.classes.clock import UNKNOWN, Clock, stamp
from gateway.core.event import TimeQuality
from gateway.core.times import from_datetime, parse_rfc3339, rfc3339
from tests.build import message

BERLIN = ZoneInfo("Europe/Berlin")
NOON = parse_rfc3339("2026-11-20T12:00:00Z")
SECOND = 1_000_000


def heard(clock: Clock, *pairs: tuple[float, float]) -> Clock:
    """(stamp, receipt) in seconds after noon."""
    for stamped, received in pairs:
        clock = clock.heard(NOON + round(stamped * SECOND), NOON + round(received * SECOND))
    return clock


def test_the_smallest_difference_is_the_offset() -> None:
    clock = heard(UNKNOWN, (0, 2.5), (10, 12.1), (20, 22.9), (30, 32.3))
    assert clock.offset_ms == 2100


def test_unknown_until_enough_was_heard() -> None:
    assert heard(UNKNOWN, (0, 1), (1, 2), (2, 3)).offset_ms is None
    assert heard(UNKNOWN, (0, 1), (1, 2), (2, 3), (3, 4)).offset_ms == 1000


def test_a_backlog_after_an_outage_does_not_count() -> None:
    clock = heard(UNKNOWN, *((t, 3600 + t / 1000) for t in range(0, 3600, 60)))
    assert clock.offset_ms is None
    clock = heard(clock, (3601, 3601.02), (3610, 3610.01), (3620, 3620.03), (3630, 3630.02))
    assert clock.offset_ms == 10


def test_a_clock_that_is_set_right_is_followed_within_the_window() -> None:
    clock = heard(UNKNOWN, *((t - 5, t) for t in range(0, 120, 10)))
    assert clock.offset_ms == 5000
    clock = heard(clock, *((t, t) for t in range(130, 300, 10)))
    assert clock.offset_ms == 0


@pytest.mark.parametrize(
    ("sent", "received", "offset", "quality"),
    [
        ("2026-11-20T12:00:00.5Z", NOON + SECOND, 3, TimeQuality.GOOD),
        ("2026-11-20T12:00:00.5Z", NOON + SECOND, 501, TimeQuality.SUSPECT),
        ("2026-11-20T12:00:00.5Z", NOON + SECOND, -501, TimeQuality.SUSPECT),
        ("2026-11-20T12:00:00.5Z", NOON + 62 * SECOND, None, TimeQuality.DELAYED),
        ("1970-01-01T00:00:07.5Z", NOON, None, TimeQuality.SUSPECT),
        ("2026-11-22T12:00:00.5Z", NOON, None, TimeQuality.SUSPECT),
    ],
)
def test_quality(sent: str, received: int, offset: int | None, quality: TimeQuality) -> None:
    made = stamp(message("x", timestamp=sent), received, BERLIN, offset)
    assert (made.time, made.quality) == (parse_rfc3339(sent), quality)


def test_whole_seconds_are_coarse() -> None:
    made = msgspec.structs.replace(message("x", timestamp="2026-11-20T12:00:00Z"), coarse=True)
    assert stamp(made, NOON, BERLIN, None).quality is TimeQuality.COARSE


def test_no_time_at_all_is_the_gateways() -> None:
    made = stamp(message("x", timestamp=None), NOON, BERLIN, None)
    assert (made.time, made.quality, made.clocked) == (NOON, TimeQuality.GATEWAY, False)


def test_a_stamp_that_is_no_date_is_suspect() -> None:
    made = msgspec.structs.replace(message("x"), time=None, timestamp="yesterday")
    assert stamp(made, NOON, BERLIN, None).quality is TimeQuality.SUSPECT


@pytest.mark.parametrize(
    ("local", "utc", "quality"),
    [
        ("2026-11-20T13:00:00.5", "2026-11-20T12:00:00.5", TimeQuality.GOOD),
        ("2026-10-25T02:30:00.5", "2026-10-25T00:30:00.5", TimeQuality.SUSPECT),  # comes twice
        ("2026-03-29T02:30:00.5", "2026-03-29T01:30:00.5", TimeQuality.SUSPECT),  # does not exist
    ],
)
def test_a_stamp_without_zone_is_the_stations(local: str, utc: str, quality: TimeQuality) -> None:
    at = from_datetime(datetime.fromisoformat(utc).replace(tzinfo=UTC))
    made = msgspec.structs.replace(message("x"), time=None, local=datetime.fromisoformat(local))
    got = stamp(made, at + SECOND, BERLIN, None)
    assert (got.time, got.quality) == (at, quality)


@pytest.mark.parametrize(
    ("local", "zone"), [("0001-01-01T00:00:00", "Asia/Tokyo"), ("9999-12-31T23:59:59", "America/New_York")]
)
def test_a_zone_that_leads_out_of_the_calendar(local: str, zone: str) -> None:
    made = msgspec.structs.replace(message("x"), time=None, local=datetime.fromisoformat(local))
    got = stamp(made, NOON, ZoneInfo(zone), None)
    assert (got.time, got.quality, got.clocked) == (NOON, TimeQuality.SUSPECT, False)


def test_any_instant_can_be_written() -> None:
    assert rfc3339(parse_rfc3339("0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00.000000Z"
    assert rfc3339(-(10**18)) == "0001-01-01T00:00:00.000000Z"
    assert rfc3339(10**18) == "9999-12-31T23:59:59.999999Z"
    assert rfc3339(NOON + 5) == "2026-11-20T12:00:00.000005Z"
