"""What a source of `hermes-vertical` may stand beside: with the settings of the real adapters."""

from __future__ import annotations

import pytest

from adapters.registry import ADAPTERS
from gateway.config.load import Protocols
from gateway.config.plan import resolve
from tests.unit.config.conftest import HEAD, Finds, Loads

HERMES = 'protocol = "hermes-vertical"\nhost = "10.0.0.30"\nport = 50100\n'
MODBUS = 'protocol = "modbus-tcp"\nhost = "10.0.0.30"\n'
CFX = 'protocol = "cfx-mqtt"\nhost = "10.0.0.30"\ntopics = ["a/#"]\n'
PROFILE = 'profile = "generic/example-registers"\n'


@pytest.fixture
def protocols() -> Protocols:
    return {name: entry.settings for name, entry in ADAPTERS.items()}


def station(*sources: str, more: str = "", name: str = "m1") -> str:
    return f'[[station]]\nname = "{name}"\n{more}' + "".join(f"[[station.source]]\n{each}" for each in sources)


def test_alone(loads: Loads) -> None:
    (plan,) = resolve(loads(HEAD + station(HERMES, more='class = "magazine_loader"\n'))).stations
    assert plan.bound is not None
    assert (plan.bound.name, plan.bound.machine_class, plan.machine_class) == ("hermes", "magazine_loader", "magazine_loader")  # fmt: skip
    assert plan.bound.told == {"unit.arrived", "unit.departed"}
    assert not plan.hermes


def test_beside_a_profile(loads: Loads) -> None:
    (plan,) = resolve(loads(HEAD + station(MODBUS, HERMES, more=PROFILE))).stations
    assert plan.bound is not None
    assert (plan.bound.name, plan.hermes) == ("generic/example-registers", True)
    assert [route.connection for route in plan.routes] == ["m1", "m1.2"]


def test_without_it(loads: Loads) -> None:
    (plan,) = resolve(loads(HEAD + station(MODBUS, more=PROFILE))).stations
    assert not plan.hermes


def test_a_profile_needs_its_own_source(finds: Finds) -> None:
    (problem,) = finds(HEAD + station(HERMES, more=PROFILE.replace("\n", " #<\n")))
    assert problem == (
        "station[m1].profile: is for another source, and there is none; on hermes-vertical none is needed"
    )


def test_a_machine_that_speaks_cfx_tells_of_its_boards_itself(finds: Finds) -> None:
    text = HEAD + station(CFX, HERMES)
    (problem,) = finds(text.replace("[[station.source]]\n" + HERMES, "[[station.source]] #<\n" + HERMES))
    assert problem.endswith("its machine speaks CFX too, and tells of its boards by that; allowed: one of them")


def test_one_machine_on_one_connection(finds: Finds) -> None:
    second = station(HERMES, name="m2").replace("[[station.source]]", "[[station.source]] #<")
    (problem,) = finds(HEAD + station(HERMES) + second)
    assert problem.endswith("connection 'm1' is m1 already; allowed: one station")


def test_neither_handle_nor_unit(finds: Finds) -> None:
    connection = f'[[connection]]\nname = "h"\n{HERMES}'
    text = HEAD + connection + station('connection = "h"\nunit = 1\n').replace("[[station.source]]", "[[station.source]] #<")  # fmt: skip
    (problem,) = finds(text)
    assert problem.endswith("machines on hermes-vertical have neither handle nor unit; allowed: none of them")


def test_the_port_must_be_said(finds: Finds) -> None:
    source = HERMES.replace("port = 50100\n", "")
    (problem,) = finds(HEAD + station(source).replace("[[station.source]]", "[[station.source]] #<"))
    assert "port" in problem
    assert "missing" in problem
