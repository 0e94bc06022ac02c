"""Text, events and samples as PostgreSQL can hold them, and back as they were."""

from __future__ import annotations

import uuid

import pytest

from gateway.core.event import CfxHeader, Event, Origin, Place, UnitRef, encode
from gateway.core.sample import Quality, Value
from gateway.journal.reader import Placed
from gateway.sinks.postgres.rows import (
    EVENT_COLUMNS,
    event_row,
    row_event,
    sample_row,
    sample_value,
)
from gateway.sinks.postgres.text import ESCAPE, HEAD, LONGEST, escaped, key, restored
from gateway.sinks.sink import Sampled

PLACE = Place("8c1f02aa", "fab\0", "line1-pc")


@pytest.mark.parametrize(
    "text",
    ["", "PNL-000123", "a\\b", "\0", "\0\0x\0", ESCAPE, f"{ESCAPE}0", f"{ESCAPE}{ESCAPE}u0000\0", "\ud800", "\udfff\0\U0001f600"],
)  # fmt: skip
def test_text_comes_back(text: str) -> None:
    stored = escaped(text)
    stored.encode()
    assert "\0" not in stored
    assert restored(stored) == text


def test_ordinary_text_is_not_touched() -> None:
    text = "L1.pnp1 \\ '\" é 基板 \U0001f600\n\t\x01"
    assert escaped(text) is text


def test_different_texts_are_stored_differently() -> None:
    texts = ["\0", ESCAPE, f"{ESCAPE}0", "0", f"{ESCAPE}u0000", "\ud800", f"{ESCAPE}ud800"]
    assert len(set(map(escaped, texts))) == len(texts)


def test_keys_fit_an_index_and_tell_long_texts_apart() -> None:
    long = "\U0001f600" * 5000
    assert key("x" * LONGEST) == "x" * LONGEST
    keys = {key(long), key(long + "a"), key("a" + long)}
    assert len(keys) == 3
    assert all(len(each) <= LONGEST and len(each.encode()) < 2700 for each in keys)
    assert key(long).startswith(long[:HEAD])


def _event(**more: object) -> Event:
    fields: dict[str, object] = {
        "seq": 7,
        "id": str(uuid.uuid4()),
        "time": 1,
        "received": 2,
        "message": "CFX.Heartbeat",
        "origin": Origin.NATIVE,
        "body": b"{}",
        "cfx": CfxHeader("2.1", None, None, "\0"),
    }
    return Event(**(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"raw": b'{"MessageBody":{}}'},
        {"raw": b'{"MessageBody":{},"After":1}'},
        {"raw": b'{ "MessageBody" : { } }'},
        {"raw": b"{}"},
        {"raw": b'\xef\xbb\xbf{"MessageBody":null}', "body": b"null"},
        {"origin": Origin.GATEWAY, "cfx": None, "raw": b"{}"},
        {"unit_refs": (UnitRef("a"), UnitRef(None, 2), UnitRef("\0", 3)), "also_units": ("b", "a")},
        {"message": "m" * 9000, "station": "L1." + "\0" * 300, "line": "l" * 201},
    ],
)
def test_events_come_back(more: dict[str, object]) -> None:
    event = _event(**more)
    row = dict(zip(EVENT_COLUMNS, event_row(Placed(event, PLACE)), strict=True))
    assert not any(isinstance(value, str) and "\0" in value for value in row.values())
    assert all(len(row[name] or "") <= LONGEST for name in ("line", "station", "message"))
    found = row_event({**row, "position": 900, "journal": PLACE.journal})
    assert (found.seq, found.number, found.place) == (900, 7, PLACE)
    assert encode(found.own(), found.place) == encode(event, PLACE)
    assert found.raw == event.raw
    assert set(event.also_units) <= set(found.also_units)


@pytest.mark.parametrize("value", [None, 1.5, 0, -1, 2**53, 2**53 + 1, -(2**63), 10**30, True, False, "", "\0", "1"])
def test_values_come_back(value: Value) -> None:
    *_, kind, _, number, text = sample_row(1, Sampled(2, "L1.a", "s", None, 3, 4, value, Quality.GOOD))
    found = sample_value(kind, number, text)
    assert (found, type(found)) == (value, type(value))
