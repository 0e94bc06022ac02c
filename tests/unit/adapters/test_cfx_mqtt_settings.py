"""Settings of cfx-mqtt: what is accepted, what is refused, what is warned about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.cfx_mqtt import CfxMqttAdapter, CfxMqttConnection
from gateway.core.adapter import Adapter, Basis
from gateway.core.errors import DecodeError
from gateway.core.frame import Frame


def settings(**more: Any) -> CfxMqttConnection:
    given = {"protocol": "cfx-mqtt", "name": "plant", "host": "10.0.0.5", "topics": ["SMTPlus/#"], **more}
    return CfxMqttConnection.model_validate(given, context={"folder": Path("/etc/lineside")})


def test_the_example_of_the_contract() -> None:
    made = settings(port=1883, qos=1)
    assert (made.effective_port, made.version, made.topics) == (1883, "3.1.1", ("SMTPlus/#",))
    assert made.warnings() == []


def test_tls_has_its_own_port_and_files_relative_to_the_configuration() -> None:
    made = settings(tls={"ca": "plant-ca.pem"})
    assert made.effective_port == 8883
    assert made.tls is not None
    assert made.tls.ca == Path("/etc/lineside/plant-ca.pem")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"topics": []}, "at least 1 item"),
        ({"topics": ["a/#/b"]}, "'#' may only be the whole last level"),
        ({"topics": ["a", "b", "a"]}, "names a filter twice"),
        ({"qos": 2}, "0 or 1"),
        ({"version": "3.1"}, "'3.1.1' or '5'"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"password": "env:X"}, "`password` needs `user`"),
        ({"user": "u", "password": "hunter2"}, "only where it is kept"),
        ({"keepalive_s": 0}, "greater than 0"),
        ({"connect_timeout_s": float("inf")}, "finite"),
        ({"receive_maximum": 65_536}, "65535"),
        ({"tls": {"client_ca": "x"}}, "Extra inputs"),
        ({"topic": "x"}, "Extra inputs"),
    ],
)
def test_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**wrong)
    assert words in str(caught.value)
    assert "hunter2" not in caught.value.errors(include_input=False)[0]["msg"]


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        ({"qos": 0}, "plant: qos = 0: the broker forgets"),
        ({"topics": ["SMTPlus/#", "+/CFX"]}, "'SMTPlus/#' and '+/CFX' overlap"),
        ({"topics": ["$share/g/SMTPlus/#"]}, "is shared"),
        ({"user": "u", "password": "env:X"}, "in clear text"),
        ({"tls": {"verify": False}}, "anybody can pose as 10.0.0.5"),
    ],
)
def test_warned_about(allowed: dict[str, Any], words: str) -> None:
    (only,) = settings(**allowed).warnings()
    assert words in only


@pytest.mark.parametrize(
    "fine",
    [
        {"user": "u", "password": "env:X", "tls": {}},
        {"user": "u", "password": "env:X", "host": "127.0.0.1"},
        {"topics": ["SMTPlus/#", "Other/+/CFX/#", "$share/g/SMTPlus/#"][:2]},
    ],
)
def test_not_warned_about(fine: dict[str, Any]) -> None:
    assert settings(**fine).warnings() == []


def test_adapter() -> None:
    adapter: Adapter = CfxMqttAdapter(settings(), "plant", "line1-pc")
    assert (adapter.name, adapter.protocol, adapter.basis) == ("plant", "cfx-mqtt", Basis.DURABLE_BROKER)
    assert CfxMqttAdapter(settings(), "plant", "line1-pc").client_id == "lineside-line1-pc-plant"
    assert CfxMqttAdapter(settings(client_id="mine"), "plant", "line1-pc").client_id == "mine"
    assert CfxMqttAdapter(settings(qos=0), "plant", "line1-pc").basis is Basis.HEARTBEAT_ONLY


@pytest.mark.parametrize(
    ("payload", "meta", "reason"),
    [
        (b"begin", {"size": 3000}, "too-large"),
        (b" " * 2001, {}, "too-large"),
        (b"{", {}, "bad-json"),
        (b"", {}, "empty"),
    ],
)
def test_undecodable(payload: bytes, meta: dict[str, str | int], reason: str) -> None:
    adapter = CfxMqttAdapter(settings(max_payload_bytes=2000), "plant", "test")
    with pytest.raises(DecodeError) as caught:
        adapter.decode(Frame(connection="plant", received=1, channel="t", payload=payload, meta=meta))
    assert caught.value.reason == reason
