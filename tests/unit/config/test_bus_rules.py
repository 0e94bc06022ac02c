"""What stations on one bus may be: with the settings of the Modbus connections themselves."""

from __future__ import annotations

import pytest

from adapters.registry import ADAPTERS
from gateway.config.load import Protocols
from tests.unit.config.conftest import HEAD, Finds, Loads

PLACES = {
    "modbus-tcp": 'host = "10.0.0.1"',
    "modbus-rtu-tcp": 'host = "10.0.0.1"',
    "modbus-rtu": 'port = "/dev/serial/by-id/a"',
}
LINES = pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-rtu-tcp"])


@pytest.fixture
def protocols() -> Protocols:
    return {name: entry.settings for name, entry in ADAPTERS.items()}


def stations(protocol: str, *units: str) -> str:
    text = HEAD + f'[[connection]]\nname = "bus"\nprotocol = "{protocol}"\n{PLACES[protocol]}\n'
    for number, unit in enumerate(units):
        text += (
            f'[[station]]\nname = "m{number}"\nclass = "generic"\nprofile = "generic/example-registers"\n'
            f'source = {{ connection = "bus", unit = {unit} }}\n'.replace("#< }", "} #<")
        )
    return text


@LINES
@pytest.mark.parametrize("unit", [0, 248, 255])
def test_no_machine_on_a_serial_line_has_this_number(finds: Finds, protocol: str, unit: int) -> None:
    assert finds(stations(protocol, "7", f"{unit} #<")) == [
        f"station[m1].source.unit: {unit} is no machine on {protocol}; allowed: 1 to 247"
    ]


@LINES
def test_machines_of_a_serial_line(loads: Loads, protocol: str) -> None:
    assert len(loads(stations(protocol, "1", "2", "247")).station) == 3


def test_modbus_tcp_has_every_number(loads: Loads) -> None:
    """Machines of one's own at 0 and 255 are usual there."""
    assert len(loads(stations("modbus-tcp", "0", "1", "248", "255")).station) == 4


@pytest.mark.parametrize("protocol", PLACES)
def test_one_station_for_each_unit(finds: Finds, protocol: str) -> None:
    assert finds(stations(protocol, "7", "8", "7 #<")) == [
        "station[m2].source.unit: 7 on connection 'bus' is m0 already; allowed: one station for each unit"
    ]
