"""How far a machine's clock is off, and how far its time stamps can be trusted."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.event import TimeQuality
from gateway.core.observation import CfxMessage
from gateway.core.times import FIRST, LAST, Micros, from_datetime

_MINUTE = 60_000_000
_WINDOW = 10  # minutes
_ENOUGH = 3  # messages before the offset counts as known
_BURST = 1_000_000
_OLDEST = 978_307_200_000_000  # 2001-01-01: clocks that lost their battery start at 1970 or 2000
_DAY = 86_400_000_000
SUSPECT_MS = 500
DELAYED = 60_000_000


class Clock(msgspec.Struct, frozen=True, gc=False):
    """Estimate of gateway time minus machine time: the lower envelope of (received - stamp) over ten minutes.

    Delay on the way only ever adds, so the smallest difference is the closest to the truth. Messages that come in faster
    than their stamps are apart (the backlog after an outage) are left out.
    """

    minimums: tuple[tuple[int, int], ...] = ()  # (minute of receipt, smallest difference in µs)
    count: int = 0
    last_received: Micros = 0
    last_stamp: Micros = 0
    offset_ms: int | None = None
    """Gateway minus machine in milliseconds; None while unknown."""

    def heard(self, stamp: Micros, received: Micros) -> Clock:
        """With one more message, stamped `stamp` by the machine."""
        steady = self.last_received != 0 and stamp - self.last_stamp <= 2 * (received - self.last_received) + _BURST
        if not steady:
            return Clock(self.minimums, self.count, received, stamp, self.offset_ms)
        minute, difference, count = received // _MINUTE, received - stamp, self.count + 1
        minimums = self.minimums
        if minimums and minimums[-1][0] == minute:
            if difference >= minimums[-1][1] and count != _ENOUGH:
                return Clock(minimums, count, received, stamp, self.offset_ms)
            minimums = (*minimums[:-1], (minute, min(difference, minimums[-1][1])))
        else:
            minimums = (*(old for old in minimums if old[0] > minute - _WINDOW), (minute, difference))
        offset = round(min(value for _, value in minimums) / 1000) if count >= _ENOUGH else None
        return Clock(minimums, count, received, stamp, offset)


UNKNOWN = Clock()


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """An event's time. `clocked`: it comes from the machine's clock and may be used to estimate its offset."""

    time: Micros
    quality: TimeQuality
    clocked: bool


def stamp(message: CfxMessage, received: Micros, zone: ZoneInfo, offset_ms: int | None) -> Stamp:
    """The machine's time, never corrected, and the first quality that applies."""
    doubtful = False
    if message.time is not None:
        time = message.time
    elif message.local is not None:
        time, doubtful = _in_zone(message.local, zone)
    elif message.timestamp is None:
        return Stamp(received, TimeQuality.GATEWAY, False)
    else:
        return Stamp(received, TimeQuality.SUSPECT, False)  # there is a stamp, but it is no date
    if not FIRST <= time <= LAST:  # a zone moved it out of the years 1 to 9999: no date that anyone could read
        return Stamp(received, TimeQuality.SUSPECT, False)
    return Stamp(time, judge(time, received, offset_ms, doubtful=doubtful, coarse=message.coarse), True)


def judge(
    time: Micros, received: Micros, offset_ms: int | None, *, doubtful: bool = False, coarse: bool = False
) -> TimeQuality:
    """How far a time of the machine's can be trusted: the first quality that applies."""
    if doubtful or time < _OLDEST or time > received + _DAY:
        return TimeQuality.SUSPECT
    if offset_ms is not None and abs(offset_ms) > SUSPECT_MS:
        return TimeQuality.SUSPECT
    if received - time - (offset_ms or 0) * 1000 > DELAYED:
        return TimeQuality.DELAYED
    return TimeQuality.COARSE if coarse else TimeQuality.GOOD


def _in_zone(local: datetime, zone: ZoneInfo) -> tuple[Micros, bool]:
    early, late = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
    # Around a clock change the two readings differ: the hour that comes twice, and the one that does not exist.
    return from_datetime(early), early.utcoffset() != late.utcoffset()
