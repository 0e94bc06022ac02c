"""Boards as machines tell of them: what each message means, and what nobody can use."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.hermes import HermesAdapter
from adapters.hermes_messages import board_id, stamp, whole
from adapters.hermes_settings import HermesConnection
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError
from gateway.core.frame import Frame
from gateway.core.observation import Observation, Record
from gateway.core.times import parse_rfc3339, rfc3339
from gateway.profile.bound import Machine
from gateway.profile.hermes import bound

BERLIN = ZoneInfo("Europe/Berlin")
RECEIVED = parse_rfc3339("2026-11-20T13:00:31.6Z")
MACHINE = Machine(station="L1.printer", bound=bound("generic"), zone=BERLIN)

ARRIVED = b"""<Hermes Timestamp="2026-11-20T14:00:31.507">
  <BoardArrived MachineId="Printer-1" UpstreamLaneId="1" BoardTransfer="2" MagazineId="MAG7" SlotId="4"
    BoardId="3F0C2A5E-9b1d-4c77-8a10-5d2e6f7a8b90" BoardIdCreatedBy="Printer-1" FailedBoard="1" FlippedBoard="1"
    ProductTypeId="P-100" TopBarcode="SN0001" Length="160.000" Width="100,000" WorkOrderId="WO-1" Unheard="of">
    <SubBoards><SB Pos="1" Bc="SN0001-1" St="1"/><SB Pos="2" St="4"/></SubBoards></BoardArrived></Hermes>"""


def settings(**more: Any) -> HermesConnection:
    given = {"protocol": "hermes-vertical", "name": "printer", "host": "127.0.0.1", "port": 50_100}
    return HermesConnection.model_validate(given | more)


def adapter(**more: Any) -> HermesAdapter:
    return HermesAdapter(settings(**more), "line1-pc", [MACHINE])


def decoded(payload: bytes, *, meta: dict[str, int] | None = None, **more: Any) -> list[Observation]:
    frame = Frame(connection="printer", received=RECEIVED, channel="L1.printer", payload=payload, meta=meta or {})
    return list(adapter(**more).decode(frame))


def board(name: str = "BoardDeparted", **attributes: str) -> bytes:
    said = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f'<Hermes Timestamp="2026-11-20T14:00:31.507"><{name} {said}/></Hermes>'.encode()


def only(found: list[Observation]) -> Record:
    (record,) = found
    assert isinstance(record, Record)
    return record


def test_a_board_arrives() -> None:
    record = only(decoded(ARRIVED))
    assert (record.station, record.name, record.lane) == ("L1.printer", "unit.arrived", 1)
    assert rfc3339(record.time or 0) == "2026-11-20T13:00:31.507000Z"
    assert record.fields == {
        "hermes": "3f0c2a5e-9b1d-4c77-8a10-5d2e6f7a8b90",
        "unit": "SN0001",
        "bottom": None,
        "way": "magazine",
        "magazine": "MAG7",
        "slot": 4,
    }
    assert [child.fields for child in record.children] == [
        {"position": 1, "unit": "SN0001-1", "status": "Pass"},
        {"position": 2, "unit": None, "status": "Skip"},
    ]


def test_a_board_departs() -> None:
    record = only(decoded(board(DownstreamLaneId="2", UpstreamLaneId="1", BoardTransfer="1", BoardId="b", BottomBarcode=" 007 ")))  # fmt: skip
    assert (record.name, record.lane, record.children) == ("unit.departed", 2, ())
    assert [record.fields[key] for key in ("hermes", "unit", "bottom", "way")] == ["b", None, "007", "machine"]


@pytest.mark.parametrize(
    ("first", "ways"), [(1, [None, "machine", "magazine", "hand", None]), (0, ["machine", "magazine", "hand", None, None])]
)  # fmt: skip
def test_ways_by_the_standard_and_of_an_old_library(first: int, ways: list[str | None]) -> None:
    found = [decoded(board(BoardId="b", BoardTransfer=str(code)), first_transfer=first) for code in range(5)]
    assert [only(each).fields["way"] for each in found] == ways
    assert only(decoded(board(BoardId="b"))).fields["way"] is None


@pytest.mark.parametrize(
    "payload",
    [
        b'<Hermes><CheckAlive Type="1" Id="17"/></Hermes>',
        b'<Hermes><Notification NotificationCode="10021" Severity="2" Description="door"/></Hermes>',
        b'<Hermes><QueryWorkOrderInfo QueryId="1" MachineId="m"/></Hermes>',
        b"<Hermes><SomethingOfTheYear2030/></Hermes>",
        b'<Hermes><boardArrived BoardId="b"/></Hermes>',
    ],
)
def test_what_tells_of_no_board(payload: bytes) -> None:
    assert decoded(payload) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (ARRIVED[:300], "bad-xml"),
        (ARRIVED[200:], "bad-xml"),
        (b'<!DOCTYPE Hermes [<!ENTITY a "b">]>' + ARRIVED, "bad-xml"),
        (ARRIVED.replace(b"SN0001", b"\xfe"), "bad-xml"),
        (ARRIVED.replace(b"P-100", b"x" * 70_000), "too-large"),
        (board(), "no-board"),
        (board(BoardId=" ", TopBarcode=""), "no-board"),
        (board(BoardId="00000000-0000-0000-0000-000000000000"), "no-board"),
    ],
)
def test_what_nobody_can_use(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decoded(payload)
    assert caught.value.reason == reason


def test_what_was_cut_off_is_said_with_its_size() -> None:
    with pytest.raises(DecodeError, match="100000 bytes; allowed: 65536") as caught:
        decoded(ARRIVED, meta={"size": 100_000})
    assert caught.value.reason == "too-large"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20T14:00:31.507", "2026-11-20T13:00:31.507000Z"),
        ("2026-11-20T14:00:31.7", "2026-11-20T13:00:31.007000Z"),
        ("2026-11-20T14:00:31.70", "2026-11-20T13:00:31.070000Z"),
        ("2026-11-20T14:00:31,507", "2026-11-20T13:00:31.507000Z"),
        ("2026-11-20T14:00:31.5071234", "2026-11-20T13:00:31.507123Z"),
        ("2026-11-20 14:00:31", "2026-11-20T13:00:31.000000Z"),
        ("2026-11-20T14:00:31.507Z", "2026-11-20T14:00:31.507000Z"),
        ("2026-11-20T14:00:31.507+08:00", "2026-11-20T06:00:31.507000Z"),
        ("2026-11-20T14:00:31.507-0330", "2026-11-20T17:30:31.507000Z"),
        ("1970-01-01T00:00:00.000", "1969-12-31T23:00:00.000000Z"),
    ],
)
def test_times(text: str, time: str) -> None:
    found = stamp(text, BERLIN, RECEIVED)
    assert found is not None
    assert rfc3339(found) == time


@pytest.mark.parametrize(
    "text",
    [None, "", "now", "2026-11-20", "2026-13-01T00:00:00", "2026-11-20T24:30:00", "2026-11-20T14:00:31.", "0001-01-01T00:00:00+14:00", "٢٠٢٦-11-20T14:00:31"],
)  # fmt: skip
def test_what_is_no_time(text: str | None) -> None:
    assert stamp(text, BERLIN, RECEIVED) is None


def test_the_hour_that_comes_twice() -> None:
    for received in ("2026-10-25T00:30:01Z", "2026-10-25T01:30:01Z"):
        found = stamp("2026-10-25T02:30:00.000", BERLIN, parse_rfc3339(received))
        assert found is not None
        assert rfc3339(found)[:13] == received[:13]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("2147483647", 2_147_483_647), ("2147483648", None), ("-1", None), ("1.0", None), ("٣", None), ("9" * 5_000, None), (None, None)],
)  # fmt: skip
def test_whole_numbers(text: str | None, number: int | None) -> None:
    assert whole(text) == number


def test_identifiers_of_boards() -> None:
    assert board_id("3F0C2A5E-9B1D-4C77-8A10-5D2E6F7A8B90") == "3f0c2a5e-9b1d-4c77-8a10-5d2e6f7a8b90"
    assert board_id("Board ABC") == "Board ABC"
    assert board_id(None) is None


def test_one_station_on_one_connection() -> None:
    made = adapter()
    assert (made.name, made.protocol, made.basis) == ("printer", "hermes-vertical", Basis.HEARTBEAT_ONLY)
    for machines in ([], [MACHINE, MACHINE]):
        with pytest.raises(ConfigError, match="allowed: one"):
            HermesAdapter(settings(), "g", machines)
