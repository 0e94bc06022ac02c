"""Secrets are looked up where the configuration says, and shown nowhere."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.core.errors import ConfigError
from gateway.core.secrets import Secret

VALUE = "s3cret-välue "


class Holder(BaseModel):
    model_config = ConfigDict(frozen=True)

    password: Secret | None = None


def read(reference: object, folder: Path | None = None) -> Secret:
    holder = Holder.model_validate({"password": reference}, context={"folder": folder} if folder else None)
    assert holder.password is not None
    return holder.password


def missing(secret: Secret) -> str:
    with pytest.raises(ConfigError) as caught:
        secret.reveal()
    (problem,) = caught.value.problems
    return problem


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINESIDE_TEST", raising=False)
    secret = read("env:LINESIDE_TEST")
    assert missing(secret) == "env:LINESIDE_TEST: environment variable LINESIDE_TEST is not set"
    monkeypatch.setenv("LINESIDE_TEST", "")
    assert missing(secret).endswith("is empty")
    monkeypatch.setenv("LINESIDE_TEST", VALUE)
    assert secret.reveal() == VALUE


@pytest.mark.parametrize(("end", "left"), [("", ""), ("\n", ""), ("\r\n", ""), ("\n\n", "\n")])
def test_file(tmp_path: Path, end: str, left: str) -> None:
    (tmp_path / "secret").write_bytes((VALUE + end).encode())
    assert read("file:secret", tmp_path).reveal() == VALUE + left
    assert read(f"file:{tmp_path}/secret").reveal() == VALUE + left
    assert read("file:../x/../" + tmp_path.name + "/secret", tmp_path).reveal() == VALUE + left


def test_unusable_files(tmp_path: Path) -> None:
    assert missing(read("file:none", tmp_path)).endswith("none: No such file or directory")
    assert missing(read("file:.", tmp_path)).endswith("Is a directory")
    (tmp_path / "empty").write_bytes(b"\n")
    assert missing(read("file:empty", tmp_path)).endswith("empty is empty")
    (tmp_path / "latin").write_bytes(b"m\xfcll")
    assert missing(read("file:latin", tmp_path)).endswith("latin is not UTF-8 text")
    (tmp_path / "long").write_bytes(b"x" * ((1 << 20) + 1))
    assert missing(read("file:long", tmp_path)).endswith("long is longer than 1048576 bytes")


def test_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    secret = read("credential:mes.key")
    assert "$CREDENTIALS_DIRECTORY is not set" in missing(secret)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "mes.key: No such file" in missing(secret)
    (tmp_path / "mes.key").write_text(VALUE)
    assert secret.reveal() == VALUE


def test_what_was_rotated_is_found(tmp_path: Path) -> None:
    secret = read("file:s", tmp_path)
    for value in ("one", "two"):
        (tmp_path / "s").write_text(value)
        assert secret.reveal() == value


@pytest.mark.parametrize(
    "reference",
    [
        "hunter2",
        "",
        "env",
        "env:",
        "env:A B",
        "ENV:A",
        "file:",
        "file:a\0b",
        "credential:../x",
        "credential:.x",
        "vault:x",
    ],
)
def test_anything_else_is_refused_and_not_repeated(reference: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(reference)
    (detail,) = caught.value.errors()
    assert "hunter2" not in detail["msg"]
    with pytest.raises(ValueError, match=r"\w+"):
        Secret(reference)


@pytest.mark.parametrize("value", [7, True, ["env:A"], {"env": "A"}])
def test_no_text_is_no_secret(value: object) -> None:
    with pytest.raises(ValidationError, match="must say where the secret is kept"):
        read(value)


def test_nothing_shows_the_value(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(VALUE)
    holder = Holder(password=Secret("file:s", folder=tmp_path))
    assert holder.password is not None
    assert holder.password.reveal() == VALUE
    shown = [repr(holder), str(holder), f"{holder.password}", str(holder.model_dump()), holder.model_dump_json()]
    assert not [each for each in shown if VALUE in each]
    assert json.loads(holder.model_dump_json()) == {"password": f"file:{tmp_path}/s"}


def test_equal_where_kept_in_the_same_place(tmp_path: Path) -> None:
    one = Secret("file:a/../s", folder=tmp_path)
    assert one == Secret(f"file:{tmp_path}/s") == copy.copy(one)
    assert len({one, Secret(f"file:{tmp_path}/s"), Secret("env:S")}) == 2
    assert one != "file:s"
