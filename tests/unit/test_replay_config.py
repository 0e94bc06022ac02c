"""The configuration that `lineside replay` writes for a second gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.registry import protocols
from gateway import resources
from gateway.cli import replay_config
from gateway.cli.demo_pace import LOOKS, SUBSCRIPTIONS, looked_at, quicker
from gateway.config.captured import describe, rebuild
from gateway.config.load import load
from gateway.config.plan import Resolved, StationPlan, resolve
from gateway.core.errors import ConfigError


def _address(protocol: str, number: int) -> dict[str, Any]:
    """Where a machine is played; each elsewhere, since those at one place share a connection."""
    match protocol:
        case "cfx-amqp":
            return {"listen": f"127.0.0.1:{4000 + number}"}
        case "files":
            return {"path": f"/there{number}"}
        case "opcua":
            return {"url": f"opc.tcp://127.0.0.1:{4000 + number}"}
        case "serial-text" | "modbus-rtu":
            return {"port": f"/there{number}.tty"}
        case _:
            return {"host": "127.0.0.1", "port": 4000 + number}


def _demo() -> Resolved:
    return resolve(load(resources.config_dir() / resources.FILE, protocols()))


def _again(resolved: Resolved, path: Path, *, speed: float = 1.0) -> Resolved:
    """Captured, written, and read as a gateway does."""
    site, texts = describe(resolved)
    site = msgspec.json.decode(msgspec.json.encode(site), type=type(site))
    addresses = {
        name: _address(settings["protocol"], number) for number, (name, settings) in enumerate(site.connections.items())
    }
    profiles = {name: text.decode() for name, text in texts.items()}
    replay_config.write(path, site, profiles, addresses, port=8081, speed=speed)
    return resolve(load(path, protocols()))


def _plan(plan: StationPlan) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(plan).items() if key != "bound"}


def test_a_second_gateway_has_the_same_stations_on_the_same_connections_elsewhere(tmp_path: Path) -> None:
    first = _demo()
    second = _again(first, tmp_path / "second" / "lineside.toml")
    assert [_plan(plan) for plan in second.stations] == [_plan(plan) for plan in first.stations]
    assert second.connections.keys() == first.connections.keys()
    assert getattr(second.connections["L1.reflow"], "host", None) == "127.0.0.1"
    assert getattr(second.connections["p2p"], "listen", None) == "127.0.0.1:4001"
    assert {plan.id: plan.bound.texts for plan in second.stations if plan.bound} == {
        plan.id: plan.bound.texts for plan in first.stations if plan.bound
    }
    assert second.config.journal.path == tmp_path / "second" / "lineside-data" / "lineside.db"


def test_looks_and_debounces_are_as_much_faster_as_the_machines(tmp_path: Path) -> None:
    first = _demo()
    second = _again(first, tmp_path / "lineside.toml", speed=10)

    def polls(resolved: Resolved) -> list[float]:
        bounds = [plan.bound for plan in resolved.stations if plan.bound is not None]
        return [poll.every_s for bound in bounds if bound.registers for poll in bound.registers.polls]

    assert polls(second) == [pytest.approx(every_s / 10) for every_s in polls(first)]


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ('every = "1s"', 'every = "0.100000s"'),
        ('every = "100ms"', 'every = "0.020000s"'),
        ('every = "5ms"', 'every = "0.005000s"'),
        ('x = { at = 1, debounce = "20 s" }', 'x = { at = 1, debounce = "2.000000s" }'),
        ('sample = "0s"', 'sample = "0.000000s"'),
        ('text = "every day"', 'text = "every day"'),
    ],
)
def test_times_of_a_profile(text: str, then: str) -> None:
    keys = LOOKS + SUBSCRIPTIONS
    assert quicker(text, 10, keys) == then
    assert quicker(text, 1, keys) == quicker(text, 0.5, keys) == quicker(text, float("inf"), keys) == text


def test_what_proves_who_one_is_stays_behind(tmp_path: Path) -> None:
    site, _ = describe(_demo())
    settings = site.connections["plant-broker"] | {"user": "plant", "password": "file:secret", "client_id": "first"}
    site = msgspec.structs.replace(site, connections={"plant-broker": settings})
    path = tmp_path / "lineside.toml"
    replay_config.write(path, site, {}, {"plant-broker": {"host": "127.0.0.1", "port": 1}}, port=8081, speed=1)
    text = path.read_text("utf-8")
    assert "secret" not in text
    assert "client_id" not in text
    assert [plan.id for plan in resolve(load(path, protocols())).stations] == ["L1.spi", "L1.pnp2"]


@pytest.mark.parametrize("value", ['quote " and \\ and \x7f and \x01', 1.5, True, ["a", 1], {"a b": {"c": "d"}}])
def test_values_are_read_as_they_were_written(value: Any) -> None:
    import tomllib

    assert tomllib.loads(f"value = {replay_config.toml(value)}") == {"value": value}


def test_a_profile_that_is_looked_at_more_often_says_so_in_a_capture() -> None:
    resolved = resolve(load(resources.config_dir() / resources.FILE, protocols()))
    oven = next(plan.bound for plan in resolved.stations if plan.bound is not None and plan.bound.registers)
    quick = looked_at(oven, 10)
    assert quick.name == oven.name
    assert quick.registers is not None
    assert oven.registers is not None
    polls = [each.every_s for each in oven.registers.polls]
    assert [each.every_s for each in quick.registers.polls] == [pytest.approx(every / 10) for every in polls]
    plan = next(each for each in resolved.stations if each.bound is oven)
    stations = tuple(msgspec.structs.replace(each, bound=quick) if each is plan else each for each in resolved.stations)
    site, texts = describe(msgspec.structs.replace(resolved, stations=stations))
    again = rebuild(site, {name: text.decode() for name, text in texts.items()}, protocols())
    found = next(each.bound for each in again.stations if each.id == plan.id)
    assert found is not None
    assert found.registers is not None
    assert found.registers.polls == quick.registers.polls


def test_a_capture_from_anywhere_writes_nowhere_else(tmp_path: Path) -> None:
    site, _ = describe(_demo())
    with pytest.raises(ConfigError, match=r"profile '\.\./\.\./out' of the capture would leave"):
        replay_config.write(tmp_path / "a" / "second.toml", site, {"../../out": ""}, {}, port=8081, speed=1.0)
    assert not list(tmp_path.rglob("out*"))
