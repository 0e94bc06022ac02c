"""The official SDK's own envelopes and the examples of its documentation."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from gateway.cfx.check import check
from gateway.cfx.envelope import read, write
from gateway.core.errors import DecodeError
from gateway.core.observation import CfxMessage, Kind


@pytest.fixture
def wire(shared: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((shared / "cfx" / "wire").glob("*.json"))]


def _message(payload: bytes) -> CfxMessage:
    (message,) = read(payload)
    assert isinstance(message, CfxMessage)
    return message


def test_every_envelope_of_the_sdk_is_read(wire: list[bytes]) -> None:
    assert len(wire) == 102
    for payload in wire:
        message = _message(payload)
        assert message.raw == payload
        assert message.kind is not Kind.UNKNOWN
        assert message.time is not None
        assert message.text.endswith(b'"MessageBody":' + message.body + b"}")
        assert _message(gzip.compress(payload)) == message


def test_an_array_of_all_of_them_is_each_of_them(wire: list[bytes]) -> None:
    assert [item.raw for item in read(b"[" + b",\n".join(wire) + b"]")] == [payload.strip() for payload in wire]


def test_every_body_of_the_sdk_fits_the_catalogue(wire: list[bytes]) -> None:
    for payload in wire:
        message = _message(payload)
        check(message.name, msgspec.json.decode(message.body))


def test_what_we_write_is_what_the_sdk_wrote(wire: list[bytes]) -> None:
    """Byte for byte, but for how UTC is spelled."""
    for payload in wire:
        message = _message(payload)
        assert message.timestamp
        assert message.source
        assert message.unique_id
        again = write(
            message.name,
            msgspec.json.decode(message.body),
            source=message.source,
            at=datetime.fromisoformat(message.timestamp),
            unique_id=message.unique_id,
            target=message.target,
            request_id=message.request_id,
        )
        zulu = message.timestamp.replace("+00:00", "Z").encode()
        assert again == message.text.replace(message.timestamp.encode(), zulu, 1)


def test_the_examples_of_the_documentation(shared: Path) -> None:
    """217 of 228 are JSON; the others are in quarantine's reason bad-json, not a crash."""
    folder = shared / "cfx" / "examples"
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) == 228
    readable = 0
    for row in rows:
        body = (folder / row["file"]).read_bytes()
        payload = body
        if row["kind"] != "envelope":
            payload = b'{"MessageName":"' + row["MessageName"].encode() + b'","MessageBody":' + body + b"}"
        if row["parse"] != "ok":
            with pytest.raises(DecodeError) as caught:
                read(payload)
            assert caught.value.reason == "bad-json", row["file"]
            continue
        message = _message(payload)
        readable += 1
        if row["kind"] != "envelope":
            assert message.body == msgspec.json.format(body, indent=-1)
    assert readable == 217
