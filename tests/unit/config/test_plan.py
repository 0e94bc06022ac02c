"""What has to run, out of a configuration that was accepted."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from gateway.config.plan import RoutePlan, StationPlan, resolve
from gateway.core.secrets import Secret
from tests.unit.config.conftest import HEAD, Amqp, Loads, Mqtt


def mqtt(more: str) -> str:
    return f'{{ protocol = "cfx-mqtt", host = "h", {more} }}'


def test_stations_with_all_defaults_filled_in(loads: Loads) -> None:
    text = """timezone = "Europe/Berlin"
[[connection]]
name = "b"
protocol = "cfx-mqtt"
host = "h"
topics = ["t"]
[[line]]
name = "L1"
[[line.station]]
name = "p1"
class = "spi"
source = { connection = "b", handle = ["x", "y", "x"] }
[[line.station]]
name = "p2"
heartbeat_s = 30
timezone = "Asia/Tokyo"
source = [{ connection = "b", handle = "z" }, { connection = "b", handle = "v" }]
[[line.station]]
name = "p3"
after = ["p1", "p2"]
source = { connection = "b", handle = "w" }
[[line.station]]
name = "p4"
after = []
source = { connection = "b", handle = "u" }
[[station]]
name = "xray"
source = { connection = "b", handle = "r" }
"""
    config = loads(HEAD + text)
    resolved = resolve(config)
    berlin = ZoneInfo("Europe/Berlin")

    def station(line: str | None, name: str, handles: tuple[str, ...], after: tuple[str, ...]) -> StationPlan:
        return StationPlan(
            id=f"{line}.{name}" if line else name,
            line=line,
            name=name,
            machine_class="spi" if name == "p1" else "generic",
            zone=ZoneInfo("Asia/Tokyo") if name == "p2" else berlin,
            routes=(RoutePlan("b", handles),),
            heartbeat_s=30.0 if name == "p2" else None,
            after=after,
        )

    assert resolved.stations == (
        station("L1", "p1", ("x", "y"), ()),
        station("L1", "p2", ("z", "v"), ("L1.p1",)),
        station("L1", "p3", ("w",), ("L1.p1", "L1.p2")),
        station("L1", "p4", ("u",), ()),
        station(None, "xray", ("r",), ()),
    )
    assert resolved.config is config
    assert list(resolved.connections) == ["b"]


def test_connections_in_place_take_their_station_s_name(loads: Loads) -> None:
    text = f"""
[[line]]
name = "L1"
[[line.station]]
name = "p1"
source = [{mqtt('topics = ["a"]')}, {{ protocol = "cfx-amqp", listen = "127.0.0.1:5672" }}]
[[station]]
name = "xray"
source = {{ protocol = "cfx-amqp", host = "x" }}
"""
    resolved = resolve(loads(HEAD + text))
    assert resolved.connections == {
        "L1.p1": Mqtt(name="L1.p1", protocol="cfx-mqtt", host="h", topics=("a",)),
        "L1.p1.2": Amqp(name="L1.p1.2", protocol="cfx-amqp", listen="127.0.0.1:5672"),
        "xray": Amqp(name="xray", protocol="cfx-amqp", host="x"),
    }
    assert resolved.stations[0].routes == (RoutePlan("L1.p1", ()), RoutePlan("L1.p1.2", ()))


def test_the_same_endpoint_and_credentials_are_one_connection(loads: Loads) -> None:
    secret = 'user = "u", password = "env:A"'
    text = f"""
[[connection]]
name = "b"
protocol = "cfx-mqtt"
host = "h"
port = 1884
topics = ["n"]
[[station]]
name = "x1"
source = {mqtt(f'topics = ["a", "b"], handle = "1", {secret}')}
[[station]]
name = "x2"
source = {mqtt(f'topics = ["b", "c"], handle = "2", {secret}')}
[[station]]
name = "other_user"
source = {mqtt('topics = ["a"], handle = "3", user = "u", password = "env:B"')}
[[station]]
name = "other_port"
source = {mqtt('topics = ["d"], handle = "4", port = 1884')}
[[station]]
name = "default_port"
source = {mqtt(f'topics = ["e"], handle = "7", port = 1883, {secret}')}
[[station]]
name = "y1"
source = {{ protocol = "cfx-amqp", host = "h", addresses = ["q1"], handle = "5" }}
[[station]]
name = "y2"
source = {{ protocol = "cfx-amqp", host = "h", addresses = ["q2"], handle = "6" }}
"""
    resolved = resolve(loads(HEAD + text))
    assert [route.connection for station in resolved.stations for route in station.routes] == [
        "x1",
        "x1",
        "other_user",
        "b",
        "x1",
        "y1",
        "y1",
    ]
    assert set(resolved.connections) == {"b", "x1", "other_user", "y1"}
    shared, named, queues = (resolved.connections[name] for name in ("x1", "b", "y1"))
    assert isinstance(shared, Mqtt)
    assert isinstance(named, Mqtt)
    assert isinstance(queues, Amqp)
    assert (shared.name, shared.topics, shared.password) == ("x1", ("a", "b", "c", "e"), Secret("env:A"))
    assert (named.name, named.topics) == ("b", ("n", "d"))
    assert queues.addresses == ["q1", "q2"]


def test_a_station_with_and_without_handle_on_one_connection_hears_everything(loads: Loads) -> None:
    without, one = mqtt('topics = ["t"]'), mqtt('topics = ["u"], handle = "h"')
    (station,) = resolve(loads(f'{HEAD}[[station]]\nname = "x"\nsource = [{without}, {one}]\n')).stations
    assert station.routes == (RoutePlan("x", ()),)
