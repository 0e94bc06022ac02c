"""A station that is followed by what it shows is one machine, and its connection has somebody to show it to."""

from __future__ import annotations

import pytest

from adapters.registry import ADAPTERS
from gateway.config.load import Protocols
from tests.unit.config.conftest import HEAD, Finds, Loads

BUS = '[[connection]]\nname = "bus"\nprotocol = "modbus-tcp"\nhost = "10.0.0.1"\n'
STATION = '[[station]]\nname = "m"\nprofile = "generic/example-registers"\n'


@pytest.fixture
def protocols() -> Protocols:
    return {name: entry.settings for name, entry in ADAPTERS.items()}


def source(text: str) -> str:
    return f"[[station.source]]\n{text}\n"


def test_two_units_of_one_bus_are_two_stations(finds: Finds) -> None:
    first, second = source('connection = "bus"\nunit = 1'), '[[station.source]] #<\nconnection = "bus"\nunit = 2\n'
    assert finds(HEAD + BUS + STATION + first + second) == [
        "station[m].source[1]: is another machine than m is already; allowed: one station for each machine"
    ]


def test_two_hosts_are_two_stations(finds: Finds) -> None:
    places = ['protocol = "modbus-tcp"\nhost = "10.0.0.1"', 'protocol = "modbus-tcp"\nhost = "10.0.0.2"']
    text = source(places[0]) + source(places[1]).replace("]]\n", "]] #<\n", 1)
    assert finds(HEAD + STATION + text) == [
        "station[m].source[1]: is another machine than m is already; allowed: one station for each machine"
    ]


def test_one_machine_may_tell_of_its_boards_too(loads: Loads) -> None:
    hermes = source('protocol = "hermes-vertical"\nhost = "10.0.0.9"\nport = 50101')
    assert len(loads(HEAD + BUS + STATION + source('connection = "bus"') + hermes).station) == 1


def test_the_same_machine_said_twice_is_one(loads: Loads) -> None:
    assert (
        len(loads(HEAD + BUS + STATION + source('connection = "bus"') + source('connection = "bus"\nunit = 1')).station)
        == 1
    )


def test_a_bus_without_station_cannot_be_asked(finds: Finds) -> None:
    """It could not be opened: what would it be asked for?"""
    assert finds(HEAD + BUS.replace("]]\n", "]] #<\n", 1)) == [
        "connection[bus]: no station is on it; allowed: on modbus-tcp at least one"
    ]
