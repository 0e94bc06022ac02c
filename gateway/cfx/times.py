"""Date-times and time spans as CFX writes them (the .NET forms), read tolerantly and written exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gateway.core.times import FIRST, LAST, Micros, from_datetime, rfc3339

_SPAN = re.compile(r"(-)?(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,7})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = from_datetime(datetime(1, 1, 1, tzinfo=UTC))
_LAST = from_datetime(datetime.max.replace(tzinfo=UTC))


def read_stamp(text: str | None) -> tuple[Micros | None, datetime | None, bool]:
    """What a TimeStamp means: the instant when it has a zone, the naive date-time when not, both None when it is no date.

    Takes any ISO 8601 date-time; digits beyond microseconds are cut off. The last part: it gives whole seconds only.
    """
    if text is None:
        return None, None, False
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None, None, False
    coarse = value.microsecond == 0
    if value.tzinfo is None:
        return None, value, coarse
    since = value - _EPOCH
    time = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return (time, None, coarse) if _FIRST <= time <= _LAST else (None, None, False)


def read_span(text: object) -> float | None:
    """The seconds of a TimeSpan such as `00:01:00` or `1.01:30:00`; None for anything else."""
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    sign, days, hours, minutes, seconds, fraction = match.groups()
    whole = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
    value = whole + float(f"0.{fraction or 0}")
    return -value if sign else value


def is_instant(text: str) -> bool:
    """Whether the SDK reads `text` as a DateTime, and as the one that is meant."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return False
    try:
        datetime.fromisoformat(match[1])
        datetime.fromisoformat("2000-01-01T00:00:00" + (match[2] or ""))
    except ValueError:
        return False
    return True


def is_span(text: str) -> bool:
    """Whether `text` is a TimeSpan in .NET's constant form."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return False
    days, hours, minutes, seconds, fraction = (match[part] or "0" for part in range(2, 7))
    return (
        all(len(match[part]) == 2 for part in (3, 4, 5))
        and len(fraction) <= 7
        and int(hours) < 24
        and int(minutes) < 60
        and int(seconds) < 60
        and int(days) < 10_675_199
    )


def instant(at: Micros) -> str:
    """A DateTime in UTC, with no trailing zeros, as the SDK writes it: `2026-11-20T12:44:33.94Z`.

    Raises OverflowError outside the years 1 to 9999.
    """
    if not FIRST <= at <= LAST:
        raise OverflowError(f"{at} µs is outside the years 1 to 9999")
    whole, _, fraction = rfc3339(at)[:-1].partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def zoned(value: datetime) -> str:
    """A DateTime with the offset that `value` has. Raises ValueError when it has none."""
    offset_from_utc = value.utcoffset()
    if offset_from_utc is None:
        raise ValueError(f"{value.isoformat()} has no time zone")
    if not offset_from_utc or offset_from_utc % timedelta(minutes=1):
        return instant(from_datetime(value))
    text = value.isoformat()
    whole, fraction, offset = text[:19], text[19:-6].rstrip("0"), text[-6:]
    return f"{whole}{fraction}{offset}"


def span(value: timedelta) -> str:
    """A TimeSpan: `00:01:25`, `1.01:30:00`, `00:00:01.2340000`."""
    micros = abs(value) // timedelta(microseconds=1)
    seconds, micros = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    sign = "-" if value < timedelta() else ""
    day = f"{days}." if days else ""
    fraction = f".{micros:06d}0" if micros else ""
    return f"{sign}{day}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
