"""Reading: every form in which envelopes arrive, what is kept of each, and how what is none is refused."""

from __future__ import annotations

import base64
import gzip
import random
import tracemalloc
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from gateway.cfx.envelope import Limits, compressed, read
from gateway.core.errors import DecodeError
from gateway.core.observation import CfxMessage, Kind, Unreadable

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
_STARTED = (Path(__file__).parent / "samples" / "work_started.json").read_bytes()
_TINY = b'{"MessageName":"CFX.Heartbeat","MessageBody":{"HeartbeatFrequency":"00:01:00"}}'
_BOM = b"\xef\xbb\xbf"


def one(payload: bytes, **options: bool | Limits | None) -> CfxMessage:
    (message,) = read(payload, **options)  # type: ignore[arg-type]
    assert isinstance(message, CfxMessage)
    return message


def reason(payload: bytes, **options: bool | Limits | None) -> str:
    with pytest.raises(DecodeError) as caught:
        read(payload, **options)  # type: ignore[arg-type]
    assert str(caught.value)
    return caught.value.reason


_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "byte order mark": lambda text: _BOM + text,
    "white space": lambda text: b" \r\n\t" + text + b"\n ",
    "mark and white space": lambda text: _BOM + b"\n" + text,
    "gzip": lambda text: gzip.compress(text, mtime=0),
    "gzip of a mark": lambda text: gzip.compress(_BOM + text, mtime=0),
    "gzip in members": lambda text: (
        gzip.compress(text[:40], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(text[40:])
    ),
    "gzip padded": lambda text: gzip.compress(text, mtime=0) + b"\0" * 700,
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 of gzip": lambda text: base64.b64encode(gzip.compress(text, mtime=0)),
    "base64 of gzip, marked": lambda text: _BOM + base64.b64encode(gzip.compress(text, mtime=0)) + b"\r\n",
    "gzip of base64": lambda text: gzip.compress(base64.b64encode(text), mtime=0),
    "array of one": lambda text: b" [ " + text + b" ] ",
    "gzip of an array": lambda text: gzip.compress(b"[" + text + b"]", mtime=0),
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("form", _FORMS)
def test_every_form_gives_the_same_message(sample: Path, form: str) -> None:
    plain = sample.read_bytes()
    expected = one(plain)
    found = one(_FORMS[form](plain))
    for field in ("text", "digest", "body", "name", "source", "timestamp", "time", "local", "unique_id", "facts"):
        assert getattr(found, field) == getattr(expected, field)
    assert found.raw.removeprefix(_BOM).strip() == plain.strip()


def test_the_fields_of_an_envelope() -> None:
    message = one(_STARTED)
    assert message.raw is message.text
    assert message.digest == blake2b(_STARTED, digest_size=16).digest()
    assert (message.name, message.kind) == ("CFX.Production.WorkStarted", Kind.EVENT)
    assert (message.source, message.target, message.request_id) == ("Example.Placer.SN1", None, None)
    assert (message.version, message.unique_id) == ("2.1", "1d598538-95b3-4e92-a376-1f1907ae5ffd")
    assert message.timestamp == "2026-11-20T13:44:33.9432161+01:00"
    assert (message.time, message.local, message.coarse) == (1_795_178_673_943_216, None, False)
    assert message.body == _STARTED[_STARTED.index(b'{"$type"') : -1]


def test_white_space_goes_and_tokens_stay() -> None:
    pretty = (Path(__file__).parent / "samples" / "units_arrived_pretty.json").read_bytes()
    message = one(pretty)
    assert message.raw == pretty
    assert b'"X":50.450,"Y":1E1,"Rotation":0.0' in message.body
    assert message.body in message.text
    assert b"\n" not in message.text
    assert (message.time, message.coarse) == (1_795_178_673_000_000, True)


@pytest.mark.parametrize(
    "token",
    [
        b"60.0",
        b"1E5",
        b"-0",
        b"-0.0",
        b"1e999",
        b"1" + b"0" * 5000,
        b'"\\u0000\\/\\ud83d\\ude00"',
        '"\u00e9\U0001f600"'.encode(),
        b'" \\" "',
    ],
)
def test_the_body_is_opaque(token: bytes) -> None:
    """Numbers that no float holds, escapes, duplicate keys: as they came, and the rest is still understood."""
    body = b'{"TransactionID":"t-1","Own":' + token + b',"Own":' + token + b"}"
    message = one(b'{"MessageName":"CFX.Production.WorkStarted","MessageBody":' + body + b"}")
    assert message.body == body
    assert message.facts.transaction == "t-1"


def test_no_time_zone_and_no_time() -> None:
    local = one((Path(__file__).parent / "samples" / "state_changed_1_0.json").read_bytes())
    assert (local.time, local.coarse) == (None, True)
    assert local.local is not None
    assert local.local.isoformat() == "2019-06-03T08:15:30"
    none = one((Path(__file__).parent / "samples" / "vendor_message.json").read_bytes())
    assert (none.time, none.local, none.timestamp) == (None, None, "yesterday")
    assert (none.kind, none.unique_id) == (Kind.UNKNOWN, "42")
    assert (none.source, none.target, none.request_id) == (None, None, None)


def test_names_of_fields_in_any_case_and_numbers_for_text() -> None:
    message = one((Path(__file__).parent / "samples" / "inspected_lower_case.json").read_bytes())
    assert (message.name, message.version) == ("CFX.Production.TestAndInspection.UnitsInspected", "1.6")
    assert (message.source, message.unique_id) == ("Example.AOI.4", None)
    assert message.facts.transaction == "2c24590d-39c5-4039-96a5-91900cecedfa"


@pytest.mark.parametrize(
    ("fields", "version", "source"),
    [
        (b'"Version":2.0,"Source":"a"', "2.0", "a"),
        (b'"Version":{"Major":2},"Source":["a"]', None, None),
        (b'"Version":true,"Source":false', "true", "false"),
        (b'"Version":"1.0","Source":"a","source":"b"', "1.0", "a"),
        (b'"version":"1.0","SOURCE":"a","source":"b","Extra":{}', "1.0", "b"),
        (b'"Version":"1.0","Version":"1.1","Source":"\\u00e4"', "1.1", "\u00e4"),
        (b'"Version":"","Source":null', None, None),
    ],
)
def test_header_fields_of_any_type(fields: bytes, version: str | None, source: str | None) -> None:
    message = one(b'{"MessageName":"CFX.Heartbeat",' + fields + b',"MessageBody":{}}')
    assert (message.version, message.source, message.body) == (version, source, b"{}")


@pytest.mark.parametrize("body", [b',"MessageBody":null', b""])
def test_no_body_is_null(body: bytes) -> None:
    assert one(b'{"MessageName":"CFX.ResourcePerformance.StationOffline"' + body + b"}").body == b"null"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (_BOM, "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"[]", "empty"),
        (b"[ \n]", "empty"),
        (gzip.compress(_STARTED, mtime=0)[:-9], "bad-gzip"),
        (gzip.compress(_STARTED, mtime=0)[:30], "bad-gzip"),
        (b"\x1f\x8b", "bad-gzip"),
        (gzip.compress(_STARTED, mtime=0) + b"trailing", "bad-gzip"),
        (gzip.compress(_STARTED, mtime=0)[:-6] + b"\0" * 6, "bad-gzip"),
        (gzip.compress(b"", mtime=0) * 1001, "bad-gzip"),
        (_STARTED.replace(b"Placer", b"Pl\xe4cer"), "bad-utf8"),
        (_STARTED.replace(b"PNL", b"\xed\xa0\x80"), "bad-utf8"),
        (_STARTED[:-1], "bad-json"),
        (_STARTED + b"}", "bad-json"),
        (_STARTED + _STARTED, "bad-json"),
        (_STARTED.replace(b'"PNL-000123",', b'"PNL\n",'), "bad-json"),
        (_STARTED.replace(b'"PNL-000123",', b'"\\ud800",'), "bad-json"),
        (_STARTED.replace(b"50.45", b"NaN"), "bad-json"),
        (_STARTED.replace(b"50.45", b"050"), "bad-json"),
        (b"hello", "bad-json"),
        (b"12", "bad-json"),
        (b"aGVsbG8=!", "bad-json"),
        (base64.b64encode(base64.b64encode(base64.b64encode(base64.b64encode(_TINY)))), "bad-json"),
        (_STARTED.decode().encode("utf-16"), "bad-json"),
        (b"{}", "not-an-envelope"),
        (b'{"MessageName":""}', "not-an-envelope"),
        (b'{"MessageName":5}', "not-an-envelope"),
        (b'{"MessageName":null,"MessageBody":{}}', "not-an-envelope"),
        (b'{"MessageName":"CFX.Heartbeat","MessageBody":[]}', "not-an-envelope"),
        (b'{"MessageName":"CFX.Heartbeat","MessageBody":"{}"}', "not-an-envelope"),
        (b'{"MessageName":"CFX.Heartbeat","messagebody":7}', "not-an-envelope"),
        (b"[" * 200 + b"]" * 200, "too-deep"),
        (b'{"a":' * 200, "too-deep"),
        (b"[" * 100_000, "too-deep"),
    ],
)
def test_why_a_payload_cannot_be_read(payload: bytes, expected: str) -> None:
    assert reason(payload) == expected


def test_the_message_says_what_half_a_character_is() -> None:
    with pytest.raises(DecodeError, match="surrogate"):
        read(_STARTED.replace(b'"PNL-000123",', b'"\\uDFFF, and so on",'))


def test_what_the_transport_says_is_a_hint() -> None:
    assert one(_STARTED, gzip=True).raw == _STARTED
    assert one(compressed(_STARTED), gzip=True).raw == _STARTED
    assert reason(base64.b64encode(_STARTED), gzip=True) == "bad-gzip"
    assert reason(compressed(_STARTED), gzip=False) == "bad-json"
    assert one(base64.b64encode(_STARTED), gzip=False).raw == _STARTED


def test_limits_are_exact() -> None:
    packed = compressed(_STARTED)
    size = len(_STARTED)
    assert one(packed, limits=Limits(frame=len(packed), payload=size)).raw == _STARTED
    assert reason(packed, limits=Limits(frame=len(packed) - 1)) == "too-large"
    assert reason(packed, limits=Limits(payload=size - 1)) == "too-large"
    assert reason(_STARTED, limits=Limits(payload=size - 1)) == "too-large"
    assert reason(b" " + _STARTED, limits=Limits(payload=size)) == "too-large"
    assert one(base64.b64encode(_STARTED), limits=Limits(payload=size)).raw == _STARTED


def test_a_gzip_bomb_never_takes_more_than_the_limit() -> None:
    bomb = gzip.compress(b" " * (200 << 20), compresslevel=1)
    bomb = gzip.compress(b" " * 10, mtime=0) + bomb
    limit = 4 << 20
    tracemalloc.start()
    try:
        assert reason(bomb, limits=Limits(payload=limit)) == "too-large"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * limit


def _nested(depth: int, inside: bytes = b"1") -> bytes:
    """An envelope as deep as `depth`, itself included."""
    lists = depth - 2
    return b'{"MessageName":"Own.Deep","MessageBody":{"A":' + b"[" * lists + inside + b"]" * lists + b"}}"


@pytest.mark.parametrize(
    "inside", [b"1", b'"]]]]}}}}"', b'"[[[[[["', b'"\\"[[[["', b'"\\\\","[","\\\\\\"["', b"{},{},[],[[]]"]
)
def test_depth_is_exact_whatever_stands_in_texts(inside: bytes) -> None:
    extra = 2 if b"[[]]" in inside else 0
    limits = Limits(depth=40)
    assert one(_nested(40 - extra, inside), limits=limits).name == "Own.Deep"
    assert reason(_nested(41 - extra, inside), limits=limits) == "too-deep"


def test_wide_is_not_deep() -> None:
    wide = _nested(3, b",".join([b'{"UnitIdentifier":"[{"}'] * 5000))
    assert one(wide, limits=Limits(depth=8)).raw == wide


def test_a_limit_beyond_the_interpreters_own_is_no_crash() -> None:
    assert reason(_nested(20_000), limits=Limits(depth=100_000)) == "too-deep"


def test_an_array_keeps_its_good_elements() -> None:
    bad = [b'{"MessageName":7}', b"7", b"null", b"[" + _TINY + b"]", b'"x"']
    payload = b"[ " + b" ,\n".join([_STARTED, *bad, _TINY]) + b" ]"
    first, *middle, last = read(payload)
    assert isinstance(first, CfxMessage)
    assert isinstance(last, CfxMessage)
    assert (first.raw, last.raw) == (_STARTED, _TINY)
    unreadable = [(item.raw, item.reason) for item in middle if isinstance(item, Unreadable)]
    assert unreadable == [(raw, "not-an-envelope") for raw in bad]


def test_an_array_that_is_no_json_keeps_its_good_elements() -> None:
    damaged = _TINY.replace(b'"00:01:00"', b'"a,]}",,')
    found = read(b"[" + b", ".join([_STARTED, damaged, _TINY]) + b"]")
    assert [type(item) for item in found] == [CfxMessage, Unreadable, CfxMessage]
    assert found[1].raw == damaged
    assert isinstance(found[1], Unreadable)
    assert found[1].reason == "bad-json"


def test_a_truncated_array_keeps_what_was_complete() -> None:
    found = read(b"[" + _STARTED + b"," + _TINY[:30])
    assert [item.raw for item in found] == [_STARTED, _TINY[:30]]
    assert [type(item) for item in found] == [CfxMessage, Unreadable]


def test_an_array_without_a_good_element_that_is_no_json_is_one_failure() -> None:
    assert reason(b"[{,},{,}]") == "bad-json"


def test_an_array_of_envelopes_has_a_limit() -> None:
    limits = Limits(messages=5)
    assert len(read(b"[" + b",".join([_TINY] * 5) + b"]", limits=limits)) == 5
    assert reason(b"[" + b",".join([_TINY] * 6) + b"]", limits=limits) == "too-many"
    assert len(read(b"[" + b",".join([_STARTED] * 5) + b"]", limits=limits)) == 5  # commas inside do not count


def test_an_envelope_with_a_thousand_fields_is_none() -> None:
    fields = b",".join(b'"k%d":[1,2]' % number for number in range(990))
    assert one(_TINY[:-1] + b"," + fields + b"}").name == "CFX.Heartbeat"
    assert reason(_TINY[:-1] + b"," + fields + b"," + fields + b"}") == "not-an-envelope"


def _mutations(source: random.Random) -> bytes:
    payload = bytearray(source.choice(_MATERIAL))
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(payload))
        action = source.randrange(5)
        if action == 0:
            del payload[at:]
        elif action == 1:
            payload[at] ^= 1 << source.randrange(8)
        elif action == 2:
            payload[at:at] = source.choice([b"{", b"[", b'"', b"\\", b",", b"\xff", b"\0", b"null", b"1e5", b"}"])
        elif action == 3:
            del payload[at : at + source.randint(1, 20)]
        else:
            payload += payload[at : at + 30]
        if not payload:
            break
    return bytes(payload)


_MATERIAL = [form(path.read_bytes()) for path in SAMPLES for name, form in _FORMS.items() if name != "gzip padded"]


@pytest.mark.parametrize("seed", range(8))
def test_damage_never_raises_anything_else(seed: int) -> None:
    source = random.Random(seed)
    outcomes: set[str] = set()
    for _ in range(400):
        payload = _mutations(source)
        try:
            for item in read(payload, limits=Limits(payload=1 << 20)):
                outcomes.add(type(item).__name__)
                if isinstance(item, CfxMessage):
                    assert item.body in item.text or item.body == b"null"
                    assert msgspec.json.format(item.text, indent=-1) == item.text
        except DecodeError as error:
            outcomes.add(error.reason)
    assert {"CfxMessage", "bad-json", "bad-gzip"} <= outcomes
    assert outcomes <= {
        "CfxMessage",
        "Unreadable",
        "empty",
        "too-large",
        "bad-gzip",
        "bad-utf8",
        "bad-json",
        "not-an-envelope",
    }
