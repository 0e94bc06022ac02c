"""What BoardArrived and BoardDeparted say (IPC-HERMES-9852, 3.23 and 3.24), as records. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.core.observation import Record
from gateway.core.sample import Value
from gateway.core.times import FIRST, LAST, Micros, from_datetime
from gateway.profile.bound import Machine
from gateway.transport.hermes import Element, Malformed, Message

_NAMES = {
    "BoardArrived": ("unit.arrived", "UpstreamLaneId"),
    "BoardDeparted": ("unit.departed", "DownstreamLaneId"),
}
_WAYS = ("machine", "magazine", "hand")
"""How a board comes or goes: from or to a machine, out of or into a magazine, by hand (BoardTransfer)."""
_CONDITIONS: dict[str, str] = {"1": "Pass", "2": "Fail", "3": "Skip", "4": "Skip"}
"""CFX UnitStatus of a SubBoard's St: good, failed, missing, to be skipped."""
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NO_BOARD = "00000000-0000-0000-0000-000000000000"
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
_MOST_LANE = 2**31 - 1


def record(message: Message, machine: Machine, received: Micros, first_transfer: int) -> Record | None:
    """None for a message about anything else. first_transfer: what BoardTransfer counts from.

    Raises Malformed when it names neither a board nor anything that was read of one.
    """
    if message.name not in _NAMES:
        return None
    name, lane = _NAMES[message.name]
    board = message.content
    fields: dict[str, Value] = {
        "hermes": board_id(board.get("BoardId")),
        "unit": board.get("TopBarcode"),
        "bottom": board.get("BottomBarcode"),
        "way": _way(board.get("BoardTransfer"), first_transfer),
        "magazine": board.get("MagazineId"),
        "slot": whole(board.get("SlotId")),
    }
    if fields["hermes"] is None and fields["unit"] is None and fields["bottom"] is None:
        raise Malformed("no-board", f"{message.name} without BoardId and without barcode")
    boards = board.child("SubBoards")
    return Record(
        station=machine.station,
        name=name,
        fields=fields,
        children=() if boards is None else tuple(_boards(boards.children, machine.station)),
        time=stamp(message.timestamp, machine.zone, received),
        lane=whole(board.get(lane)),
        live=True,
    )


def _boards(elements: Iterable[Element], station: str) -> Iterable[Record]:
    for each in elements:
        if each.name == "SB":
            fields: dict[str, Value] = {
                "position": whole(each.get("Pos")),
                "unit": each.get("Bc"),
                "status": _CONDITIONS.get(each.get("St") or ""),
            }
            yield Record(station=station, name="unit.position", fields=fields)


def _way(transfer: str | None, first: int) -> str | None:
    number = whole(transfer)
    return None if number is None or not 0 <= number - first < len(_WAYS) else _WAYS[number - first]


def board_id(text: str | None) -> str | None:
    """Machines that pass a board on spell its identifier in capitals or small letters; here it is always small ones.

    What is no GUID is left as it is: implementations accept any text.
    """
    if text is None or _GUID.fullmatch(text) is None:
        return text
    return None if text == _NO_BOARD else text.lower()


def whole(text: str | None) -> int | None:
    """A number of CFX's 32 bits that is not negative."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    number = int(text)
    return number if number <= _MOST_LANE else None


def stamp(text: str | None, zone: ZoneInfo, received: Micros) -> Micros | None:
    """By the standard local time, with milliseconds; up to three digits after the point are counted as these, since some
    machines leave out the zeros before them. None for what is no time.

    In the hour that comes twice the one is meant that is nearer to `received`: nobody keeps messages for later.
    """
    found = None if text is None else _STAMP.fullmatch(text)
    if found is None:
        return None
    date, time, fraction, offset = found.groups()
    zoned = "" if offset is None else "+00:00" if offset in "Zz" else offset
    try:
        at = datetime.fromisoformat(f"{date}T{time}{zoned}") + _part(fraction)
        if offset is not None:
            readings = [from_datetime(at)]
        else:
            readings = [from_datetime(at.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]
    except (ValueError, OverflowError):
        return None
    nearest = min(readings, key=lambda each: abs(each - received))
    return nearest if FIRST <= nearest <= LAST else None


def _part(fraction: str | None) -> timedelta:
    if fraction is None:
        return timedelta(0)
    if len(fraction) <= 3:
        return timedelta(milliseconds=int(fraction))
    return timedelta(microseconds=int(fraction.ljust(6, "0")[:6]))
