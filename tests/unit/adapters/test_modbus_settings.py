"""Settings of the Modbus protocols: what is accepted, what is refused, what is warned about."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from adapters.modbus_settings import ModbusConnection, ModbusRtuConnection, ModbusRtuTcpConnection, ModbusTcpConnection
from gateway.transport.modbus import Serial, Tcp

_ANY: TypeAdapter[ModbusConnection] = TypeAdapter(ModbusConnection)

TCP = {"protocol": "modbus-tcp", "name": "oven", "host": "10.0.0.21"}
RTU_TCP = {"protocol": "modbus-rtu-tcp", "name": "oven", "host": "10.0.0.21"}
RTU = {"protocol": "modbus-rtu", "name": "oven", "port": "/dev/serial/by-id/usb-x"}


def settings(given: dict[str, Any], **more: Any) -> ModbusConnection:
    return _ANY.validate_python(given | more)


def test_what_each_connects_to() -> None:
    made = settings(TCP)
    assert isinstance(made, ModbusTcpConnection)
    assert made.options == Tcp(host="10.0.0.21", port=502, framing="tcp", connect_timeout_s=5.0)
    made = settings(RTU_TCP, port=4001)
    assert isinstance(made, ModbusRtuTcpConnection)
    assert made.options == Tcp(host="10.0.0.21", port=4001, framing="rtu", connect_timeout_s=5.0)
    made = settings(RTU)
    assert isinstance(made, ModbusRtuConnection)
    assert made.options == Serial(port="/dev/serial/by-id/usb-x", baudrate=19_200, parity="even", stopbits=1)
    assert [made.answer_timeout_s, made.pause_s, made.silent_most_s] == [1.0, 0.0, 60.0]
    assert [made.most_registers, made.most_bits] == [125, 2_000]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (TCP | {"host": ""}, "at least 1 character"),
        (TCP | {"port": 65_536}, "65535"),
        (TCP | {"port": "/dev/ttyS0"}, "valid integer"),
        (TCP | {"unit": 1}, "Extra inputs"),
        (TCP | {"baudrate": 9_600}, "Extra inputs"),
        (TCP | {"answer_timeout_s": 0}, "greater than 0"),
        (TCP | {"answer_timeout_s": float("inf")}, "finite"),
        (TCP | {"pause_s": -1}, "greater than or equal to 0"),
        (TCP | {"most_registers": 126}, "less than or equal to 125"),
        (TCP | {"most_registers": 0}, "greater than or equal to 1"),
        (TCP | {"most_bits": 2_001}, "less than or equal to 2000"),
        (TCP | {"silent_most_s": 0}, "greater than 0"),
        (RTU | {"port": ""}, "at least 1 character"),
        (RTU | {"parity": "mark"}, "'none', 'even' or 'odd'"),
        (RTU | {"stopbits": 3}, "1 or 2"),
        (RTU | {"host": "h"}, "Extra inputs"),
        (RTU | {"baudrate": 0}, "greater than or equal to 50"),
    ],
)
def test_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (TCP | {"answer_timeout_s": 6}, "oven: answer_timeout_s = 6: a unit that is silent holds up all others"),
        (RTU | {"answer_timeout_s": 6}, "holds up all others"),
        (RTU | {"port": "/dev/ttyUSB0"}, "oven: /dev/ttyUSB0 may be another device after a restart"),
    ],
)
def test_warned_about(given: dict[str, Any], words: str) -> None:
    (only,) = settings(given).warnings()
    assert words in only


@pytest.mark.parametrize("given", [TCP, RTU_TCP, RTU, RTU | {"port": "/dev/ttyS0", "parity": "none"}])
def test_not_warned_about(given: dict[str, Any]) -> None:
    assert settings(given).warnings() == []


def test_on_a_slow_line_fewer_bytes_are_read_for_nothing() -> None:
    assert settings(TCP).widest_gap > 250
    # 13 bytes beside the data, two silences of 3.5, and 10 ms: at 9,600 baud and 11 bits a byte 8 bytes and a bit.
    assert settings(RTU, baudrate=9_600).widest_gap == 13 + 7 + 8
    assert settings(RTU, baudrate=9_600, pause_s=0.1).widest_gap == int(20 + 0.11 * 9_600 / 11)
    assert settings(RTU, baudrate=115_200).widest_gap > 100
