"""What a simulated machine says on its vertical channel (IPC-HERMES-9852), and what can be wrong with it, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from gateway.transport.hermes import MOST_BYTES, Element, Message, encode
from simulators.faces.switches import Switches

TRACKING, ALIVE, CONFIGURATION = "FeatureBoardTracking", "FeatureCheckAliveResponse", "FeatureConfiguration"
FEATURES = (CONFIGURATION, ALIVE, TRACKING)
"""What machines usually declare."""

TRANSFERRED, LOADED, BY_HAND = 1, 2, 3
"""BoardTransfer: from or to the next machine, out of or into a magazine, by hand."""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """boards: of a panel, (Pos, Bc, St) each. more: further attributes as they are to be written."""

    board_id: str
    created_by: str = "Loader-1"
    top: str | None = None
    bottom: str | None = None
    magazine: str | None = None
    slot: int | None = None
    boards: tuple[tuple[int, str | None, int], ...] = ()
    more: Mapping[str, str] = {}


class Passed(NamedTuple):
    """A board has come in or gone out at that virtual second. transfer: BoardTransfer."""

    at: float
    name: Literal["BoardArrived", "BoardDeparted"]
    board: Board
    lane: int = 1
    transfer: int = TRANSFERRED


def moved(name: str, machine_id: str, board: Board, lane: int, transfer: int) -> Element:
    """`BoardArrived` or `BoardDeparted`."""
    side = "Upstream" if name == "BoardArrived" else "Downstream"
    said: dict[str, object] = {
        "MachineId": machine_id,
        f"{side}LaneId": lane,
        "MagazineId": board.magazine,
        "SlotId": board.slot,
        "BoardTransfer": transfer,
        "BoardId": board.board_id,
        "BoardIdCreatedBy": board.created_by,
        "FailedBoard": 1,
        "FlippedBoard": 1,
        "TopBarcode": board.top,
        "BottomBarcode": board.bottom,
    }
    attributes = {key: str(value) for key, value in said.items() if value is not None}
    inner = tuple(
        Element("SB", {"Pos": str(position), **({} if code is None else {"Bc": code}), "St": str(state)})
        for position, code, state in board.boards
    )
    return Element(name, {**attributes, **board.more}, (Element("SubBoards", {}, inner),) if inner else ())


def notification(code: int, severity: int, text: str) -> Element:
    return Element("Notification", {"NotificationCode": str(code), "Severity": str(severity), "Description": text})


def description(system_id: str, version: str, features: Iterable[str]) -> Element:
    supported = Element("SupportedFeatures", {}, tuple(Element(feature) for feature in features))
    return Element("SupervisoryServiceDescription", {"SystemId": system_id, "Version": version}, (supported,))


class Trouble(StrEnum):
    """What goes wrong: with connections, until it is over, or with what is said of boards."""

    REFUSE = "refuse"  # connections are refused; those that there are stay
    STALL = "stall"  # connections are taken; nothing is understood and nothing said until it is over
    OCCUPIED = "occupied"  # new supervisors are told that there is one already, and cut
    UNTRACKED = "untracked"  # new supervisors are told that boards are not tracked, and hear of none
    DROP = "drop"  # the connection is cut in place of the message
    LOSE = "lose"  # the message is not sent
    GARBAGE = "garbage"  # `data` in place of the message
    NOISE = "noise"  # `data` before the message
    TRUNCATE = "truncate"  # the first half of the message
    OVERSIZE = "oversize"  # the message is larger than the standard allows
    DUPLICATE = "duplicate"  # the message twice
    PIECES = "pieces"  # the message byte by byte


_LASTING = frozenset((Trouble.REFUSE, Trouble.STALL, Trouble.OCCUPIED, Trouble.UNTRACKED))
"""No matter of single messages."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """share: of the messages about boards, drawn by the face's seed. times: after so many it is over. data: of GARBAGE
    and NOISE."""

    trouble: Trouble
    share: float = 1.0
    times: int | None = None
    data: bytes = b'<Hermes Timestamp="2026-11-20T14:00:31.507"><BoardArrived BoardId="3f0c2a5e</Hermes>'


class Faults(Switches[Fault]):
    """Those that are set at the moment."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"{seed}/hermes faults", _LASTING)


def spoilt(message: Message, met: Iterable[Fault]) -> list[bytes] | None:
    """What is written for a message under the faults that it met, piece by piece; None: the connection is cut."""
    data, pieces = encode(message), False
    for fault in met:
        match fault.trouble:
            case Trouble.DROP:
                return None
            case Trouble.LOSE:
                data = b""
            case Trouble.GARBAGE:
                data = fault.data
            case Trouble.NOISE:
                data = fault.data + data
            case Trouble.TRUNCATE:
                data = data[: len(data) // 2]
            case Trouble.OVERSIZE:
                data = data.replace(b"><", b">" + b" " * MOST_BYTES + b"<", 1)
            case Trouble.DUPLICATE:
                data *= 2
            case Trouble.PIECES:
                pieces = True
    return [bytes((byte,)) for byte in data] if pieces else [data]
