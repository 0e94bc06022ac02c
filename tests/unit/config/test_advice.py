"""What is allowed, and yet probably not meant."""

from __future__ import annotations

from pathlib import Path

from gateway.config.advice import warnings
from gateway.config.plan import resolve
from tests.unit.config.conftest import HEAD, Loads

BROKER = '[[connection]]\nname = "{}"\nprotocol = "cfx-mqtt"\nhost = "{}"\ntopics = ["t"]\n'


def test_nothing_to_say(loads: Loads) -> None:
    text = HEAD + BROKER.format("b", "h") + '[[station]]\nname = "x"\nsource = { connection = "b", handle = "x" }\n'
    assert warnings(resolve(loads(text))) == []


def test_nothing_to_hear(loads: Loads) -> None:
    assert warnings(resolve(loads(HEAD))) == ["there is no [[connection]] and no station: nothing will be heard"]


def test_what_adapters_say_and_connections_without_station(loads: Loads) -> None:
    text = HEAD + BROKER.format("b", "h") + "qos = 0\n" + BROKER.format("c", "h2")
    assert warnings(resolve(loads(text))) == [
        "connection 'b': no station is on it; all it hears goes to stations under 'unassigned'",
        "connection 'c': no station is on it; all it hears goes to stations under 'unassigned'",
        "connection 'b': QoS 0 loses events",
    ]


def test_one_machine_on_two_connections(loads: Loads) -> None:
    text = HEAD + BROKER.format("b", "h") + BROKER.format("c", "h2")
    for name in "bc":
        text += f'[[station]]\nname = "x{name}"\nsource = {{ connection = "{name}", handle = "x" }}\n'
    assert warnings(resolve(loads(text))) == ["handle 'x' is claimed by xb and, on another connection, by xc"]


def test_http_beyond_this_machine(loads: Loads, tmp_path: Path) -> None:
    text = HEAD + '[http]\nlisten = "0.0.0.0:80"\n'
    found = warnings(resolve(loads(text + "allow_anonymous = true\n")))
    assert "http.listen: 0.0.0.0:80 is without TLS; a proxy in front of it can add that" in found
    assert any(each.startswith("http.allow_anonymous: whoever reaches") for each in found)
    found = warnings(resolve(loads(text + '[auth]\ntokens = "file:tokens"\n')))
    assert (
        f"auth.tokens: there is no file {tmp_path}/tokens yet, so nobody can sign in; lineside token makes it" in found
    )
    assert not any(each.startswith("http.allow_anonymous") for each in found)
    (tmp_path / "tokens").touch()
    assert not any(
        each.startswith("auth") for each in warnings(resolve(loads(text + '[auth]\ntokens = "file:tokens"\n')))
    )
