"""Settings of `opcua` connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.opcua_settings import OpcUaConnection


def settings(**more: Any) -> OpcUaConnection:
    return OpcUaConnection.model_validate(
        {"protocol": "opcua", "name": "oven", "url": "opc.tcp://10.0.0.31:4840/oven", **more}
    )


def test_defaults_are_quiet() -> None:
    assert settings().warnings() == []
    assert not settings().secured
    assert settings(security_policy="aes256").secured


@pytest.mark.parametrize(
    "url",
    ["10.0.0.31:4840", "http://10.0.0.31", "opc.tcp://", "opc.tcp://h:0", "opc.tcp://h:99999", "opc.tcp://u:p@h:1"],
)
def test_no_address(url: str) -> None:
    with pytest.raises(ValidationError, match=r"allowed: "):
        settings(url=url)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"password": "env:P"}, "`password` needs `user`"),
        ({"certificate": "a.der"}, "`certificate` and `private_key` belong together"),
        ({"user_private_key": "a.pem"}, "`user_certificate` and `user_private_key` belong together"),
        ({"user": "u", "user_certificate": "a", "user_private_key": "b"}, "allowed: one of them"),
        ({"security_policy": "basic256"}, "basic256sha256"),
        ({"session_timeout_s": 0.5}, "greater than or equal to 1"),
    ],
)
def test_what_does_not_go_together(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"user": "u"}, "anybody can pose as the server"),
        ({"session_timeout_s": 3600.0}, "burdens the server"),
        ({"session_timeout_s": 5.0, "keepalive_s": 5.0}, "between two keepalives"),
    ],
)
def test_warnings(more: dict[str, Any], message: str) -> None:
    (warning,) = settings(**more).warnings()
    assert message in warning
    assert warning.startswith("oven: ")


def test_a_password_to_this_computer_is_nobodys_matter() -> None:
    assert settings(url="opc.tcp://127.0.0.1:4840", user="u").warnings() == []


def test_the_folder_of_certificates_is_beside_the_configuration(tmp_path: Path) -> None:
    made = OpcUaConnection.model_validate(
        {"protocol": "opcua", "name": "oven", "url": "opc.tcp://h:4840"}, context={"folder": tmp_path}
    )
    assert made.pki == tmp_path / "opcua"
