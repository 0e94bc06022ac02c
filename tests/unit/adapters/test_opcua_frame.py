"""What a server says, as JSON. Expected values are from OPC 10000-6, 5.4, and worked out by hand."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from adapters.opcua_frame import change, happening, micros
from gateway.core.errors import DecodeError
from gateway.profile.bound_nodes import Change
from gateway.profile.node_frame import Payload, decode, encode

_AT = datetime(2026, 11, 20, 12, 44, 33, 943216, tzinfo=UTC)
_MICROS = 1_795_178_673_943_216


@pytest.mark.parametrize(
    ("value", "kind", "plain"),
    [
        (True, "Boolean", b'"v":true,"y":1'),
        (-5, "Int16", b'"v":-5,"y":4'),
        (2**63, "UInt64", b'"v":9223372036854775808,"y":9'),
        (1.5, "Double", b'"v":1.5,"y":11'),
        (float("nan"), "Float", b'"v":"NaN","y":10'),
        (float("-inf"), "Double", b'"v":"-Infinity","y":11'),
        ("Zöne", "String", '"v":"Zöne","y":12'.encode()),
        (_AT, "DateTime", b'"v":"2026-11-20T12:44:33.943216Z","y":13'),
        (uuid.UUID(int=5), "Guid", b'"v":"00000000-0000-0000-0000-000000000005","y":14'),
        (b"\x01\x02", "ByteString", b'"v":"AQI=","y":15'),
        (ua.NodeId("a", 2), "NodeId", b'"v":"ns=2;s=a","y":17'),
        (ua.QualifiedName("Name", 3), "QualifiedName", b'"v":"Name","y":20'),
        (ua.LocalizedText("Text"), "LocalizedText", b'"v":"Text","y":21'),
        ([1.0, float("nan")], "Double", b'"v":[1.0,"NaN"],"y":11'),
        ([], "Int32", b'"v":[],"y":6'),
    ],
)
def test_values(value: Any, kind: str, plain: bytes) -> None:
    given = ua.DataValue(ua.Variant(value, ua.VariantType[kind]), SourceTimestamp=_AT)
    data = encode(Payload(v=(change("i=1", given),)))
    assert data == b'{"v":[{"k":"i=1",' + plain + b',"t":%d}]}' % _MICROS
    assert encode(decode(data)) == data


def test_status_and_times() -> None:
    given = ua.DataValue(
        ua.Variant(1, ua.VariantType.Int32),
        ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue),
        SourceTimestamp=_AT,
        ServerTimestamp=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    )
    assert change("i=1", given) == Change("i=1", 1, 6, 0x40900000, _MICROS, None)
    nothing = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown))
    assert change("i=1", nothing) == Change("i=1", None, 0, 0x80340000)


def test_no_time_is_the_first_and_the_last_one() -> None:
    assert micros(datetime(1601, 1, 1, tzinfo=UTC)) is None
    assert micros(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)) is None
    assert micros(None) is None
    assert micros(_AT.replace(tzinfo=None)) == _MICROS


def test_events() -> None:
    fields = [ua.Variant(_AT, ua.VariantType.DateTime), ua.Variant("0815", ua.VariantType.String), ua.Variant(None)]
    told = happening("test 0", fields)
    assert (told.t, told.v[1], told.v[2]) == (_MICROS, (12, "0815"), (0, None))
    assert decode(encode(Payload(e=(told,)))).e == (told,)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"v":[{"v":1}]}', b'{"v":[{"k":1}]}', b'{"h":"now"}', b"\xff"])
def test_what_nobody_made(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert caught.value.reason == "bad-opcua"
