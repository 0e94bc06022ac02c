from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.cfx_amqp import CfxAmqpAdapter, CfxAmqpConnection
from gateway.core.adapter import Basis
from gateway.core.errors import DecodeError
from gateway.core.frame import Frame
from gateway.core.observation import CfxMessage

BASE: dict[str, Any] = {"protocol": "cfx-amqp", "name": "p2p"}
CLIENT = BASE | {"host": "broker", "addresses": ["/queue/a"]}
ENVELOPE = (
    b'{"MessageName":"CFX.Heartbeat","Version":"2.1","TimeStamp":"2026-11-20T12:44:35Z",'
    b'"UniqueID":"0e223e33-230e-4bf4-859d-2b4b5953147f","Source":"A.B.C","Target":null,"RequestID":null,'
    b'"MessageBody":{"$type":"CFX.Heartbeat, CFX","CFXHandle":"A.B.C"}}'
)


def settings(**given: Any) -> CfxAmqpConnection:
    return CfxAmqpConnection.model_validate(BASE | given)


def test_client_form() -> None:
    made = settings(host="broker", addresses=["/queue/a"])
    assert (made.effective_port, made.credit, made.warnings()) == (5672, 300, [])
    assert settings(host="broker", addresses=["a"], tls={}).effective_port == 5671
    assert settings(host="broker", addresses=["a"], tls={}, port=1).effective_port == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "exactly one of `host`"),
        ({"host": "b", "listen": "127.0.0.1:1"}, "exactly one of `host`"),
        ({"host": "b"}, "`addresses` must name"),
        ({"host": "b", "addresses": ["a", "a"]}, "twice"),
        ({"host": "b", "addresses": ["a"], "user": "u"}, "belong together"),
        ({"host": "b", "addresses": ["a"], "external": True}, "needs `tls`"),
        ({"host": "b", "addresses": ["a"], "allow_anonymous": True}, "does not go with `host`: allow_anonymous"),
        ({"listen": "127.0.0.1:1", "addresses": ["a"]}, "does not go with `listen`: addresses"),
        ({"listen": "5672"}, "must be HOST:PORT"),
        ({"listen": "127.0.0.1:70000"}, "must be HOST:PORT"),
        ({"listen": "0.0.0.0:5672"}, "needs `auth`"),
        ({"listen": "line-pc:5672"}, "needs `auth`"),
        ({"listen": "[::]:5672"}, "needs `auth`"),
        ({"listen": "127.0.0.1:5672", "tls": {}}, "needs its `cert`"),
        ({"listen": "127.0.0.1:5672", "tls": {"cert": "c"}}, "belong together"),
        ({"listen": "127.0.0.1:5672", "unanswered": "shrug"}, "not-supported"),
        ({"listen": "127.0.0.1:5672", "credits": 3}, "Extra inputs"),
        (
            {"host": "b", "addresses": ["a"], "user": "u", "password": "hunter2"},
            "where the secret is kept|does not belong",
        ),
    ],
)
def test_what_is_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as raised:
        settings(**given)
    assert "hunter2" not in str(raised.value.errors(include_input=False))


def test_warnings(tmp_path: Path) -> None:
    users = tmp_path / "cfx-users"
    users.write_text("m1:nonsense\n")
    auth = {"users": f"file:{users}"}
    found = settings(listen="0.0.0.0:5672", auth=auth).warnings()
    assert len(found) == 2
    assert "clear text" in found[0]
    assert "cfx-users:1: user 'm1'" in found[1]
    assert "anybody" in settings(listen="0.0.0.0:5672", allow_anonymous=True).warnings()[0]
    assert settings(listen="127.0.0.1:5672").warnings() == []
    client = {"host": "b", "addresses": ["a"]}
    assert "clear text" in settings(**client, user="u", password="env:PW").warnings()[0]
    assert settings(**client | {"host": "localhost"}, user="u", password="env:PW").warnings() == []
    assert "pose" in settings(**client, tls={"verify": False}).warnings()[0]
    assert "drop again" in settings(**client, idle_timeout_s=2.0).warnings()[0]


def test_basis() -> None:
    assert CfxAmqpAdapter(settings(listen="127.0.0.1:0"), "pc").basis is Basis.MACHINE_BUFFER
    for addresses, durable, basis in (
        (["/queue/a", "b"], True, Basis.DURABLE_BROKER),
        (["/queue/a"], False, Basis.HEARTBEAT_ONLY),
        (["/queue/a", "/exchange/x/#"], True, Basis.HEARTBEAT_ONLY),
    ):
        made = settings(host="localhost", addresses=addresses, durable=durable)
        assert CfxAmqpAdapter(made, "pc").basis is basis
        assert len(made.warnings()) == ("/exchange/x/#" in addresses)


def test_who_is_let_in() -> None:
    """On loopback a listener without credentials lets in anybody; credentials are never weakened by where it listens."""
    assert settings(listen="127.0.0.1:5672").lets_in_anyone
    assert not settings(listen="127.0.0.1:5672", auth={"users": "file:u"}).lets_in_anyone


def frame(payload: bytes, **meta: str | int) -> Frame:
    return Frame(connection="p2p", received=1, channel="x", payload=payload, meta=meta)


def test_decode() -> None:
    adapter = CfxAmqpAdapter(settings(listen="127.0.0.1:0", max_message_bytes=2048), "pc")
    (message,) = adapter.decode(frame(ENVELOPE))
    assert isinstance(message, CfxMessage)
    assert message.source == "A.B.C"
    assert len(adapter.decode(frame(b"[" + ENVELOPE + b"," + ENVELOPE + b"]"))) == 2
    assert adapter.decode(frame(ENVELOPE)) == adapter.decode(frame(ENVELOPE, content_encoding="GZIP"))


@pytest.mark.parametrize(
    ("payload", "meta", "reason"),
    [
        (ENVELOPE, {"truncated": 1, "size": 5000}, "too-large"),
        (b"junk", {"undecodable": "no section at byte 0"}, "bad-amqp"),
        (b"junk", {}, "bad-json"),
        (b"\x1f\x8bjunk", {"content_encoding": "gzip"}, "bad-gzip"),
    ],
)
def test_decode_gives_the_reason(payload: bytes, meta: dict[str, str | int], reason: str) -> None:
    adapter = CfxAmqpAdapter(settings(listen="127.0.0.1:0"), "pc")
    with pytest.raises(DecodeError) as raised:
        adapter.decode(frame(payload, **meta))
    assert raised.value.reason == reason
