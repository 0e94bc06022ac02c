"""CFX envelopes: reading every form in which they arrive, writing the one form that the SDK writes.

The forms and the reasons for which a payload cannot be read are described in docs/cfx.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from gzip import compress as gzip_compress
from hashlib import blake2b

import msgspec

from gateway.cfx.catalogue import kind
from gateway.cfx.check import check, check_guid, check_text
from gateway.cfx.complete import complete
from gateway.cfx.elements import split
from gateway.cfx.extract import body_facts
from gateway.cfx.header import bad_json, read_header
from gateway.cfx.times import instant, read_stamp, zoned
from gateway.cfx.unwrap import BOM, check_depth, longer_than, too_large, unwrap
from gateway.core.errors import DecodeError, InvalidMessage
from gateway.core.observation import CfxMessage, Unreadable
from gateway.core.times import Micros


class Limits(msgspec.Struct, frozen=True):
    """What reading one payload may cost.

    frame: bytes as received. payload: bytes once decompressed and decoded, at every step. depth: nesting of the JSON
    (above some 900 the interpreter's own limit comes first and means the same). messages: envelopes in one array.
    """

    frame: int = 32 << 20
    payload: int = 32 << 20
    depth: int = 128
    messages: int = 10_000


DEFAULT_LIMITS = Limits()


def read(payload: bytes, *, limits: Limits = DEFAULT_LIMITS, gzip: bool | None = None) -> list[CfxMessage | Unreadable]:
    """Every envelope of one payload, in its order.

    gzip: what the transport says about the content (AMQP content-encoding); None when it says nothing. It is a hint:
    plain JSON is read also when gzip was announced; with False nothing is decompressed.

    In an array, an element that is no envelope comes as Unreadable among the others. Raises DecodeError when the
    payload as a whole yields none, with one of the reasons empty, too-large, bad-gzip, bad-utf8, bad-json, too-deep,
    too-many, not-an-envelope.
    """
    if len(payload) > limits.frame:
        raise too_large(limits.frame, "the payload as received")
    if payload[:1] == b"{" and len(payload) <= limits.payload:  # by far the most frequent form
        raw = text = payload
    else:
        raw = unwrap(payload, limit=limits.payload, gzip=gzip)
        text = raw.removeprefix(BOM)
    if not text.isascii():
        _check_utf8(text)
    marks = text.translate(None, _NEITHER_OPENING_NOR_SPACE)
    if len(marks) > limits.depth < len(marks.translate(None, _SPACE)):  # it cannot be deeper than it has brackets
        check_depth(text, limits.depth)
    try:
        if text[:1] == b"{" or text.lstrip()[:1] == b"{":
            return [_message(raw, text, marks)]
        if longer_than(text, limits.messages):
            raise DecodeError("too-many", f"more than {limits.messages} envelopes in one array")
        return _array(text)
    except RecursionError as error:
        raise DecodeError("too-deep", "nested deeper than the parser goes") from error


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("bad-utf8", f"byte {error.start} is no UTF-8") from error


def _array(text: bytes) -> list[CfxMessage | Unreadable]:
    try:
        elements = [bytes(element) for element in _elements.decode(text)]
        broken = None
    except msgspec.DecodeError as error:
        elements = split(text)  # one element's damage must not cost its neighbours
        broken = DecodeError("bad-json", str(error))
    if not elements:
        raise DecodeError("empty", "the array is empty")
    found = [_element(element) for element in elements]
    if broken and not any(isinstance(item, CfxMessage) for item in found):
        raise broken
    return found


_elements = msgspec.json.Decoder(list[msgspec.Raw])


def _element(raw: bytes) -> CfxMessage | Unreadable:
    try:
        return _message(raw, raw, raw.translate(None, _NEITHER_OPENING_NOR_SPACE))
    except DecodeError as error:
        return Unreadable(raw=raw, reason=error.reason, detail=str(error))


_OPENING, _SPACE = b"{[", b" \n\r\t"
_NEITHER_OPENING_NOR_SPACE = bytes(set(range(256)) - set(_OPENING + _SPACE))
"""Without these a message of 1 KB is some ten bytes, which tell all that is asked here: one pass in place of six."""


def _is_compact(text: bytes, marks: bytes) -> bool:
    """Whether there is surely no insignificant white space in it, if it is JSON at all.

    The one space that the SDK writes is in `$type` (`CFX.Heartbeat, CFX`); outside of strings no JSON goes on with a C.
    """
    spaces = marks.translate(None, _OPENING)
    if len(spaces) == 1:  # as a rule: found long before all of the text is looked through
        return spaces == b" " and b", CFX" in text
    return not spaces or (not spaces.strip(b" ") and len(spaces) == text.count(b", CFX"))


def _minified(raw: bytes, text: bytes) -> bytes:
    try:
        minified = msgspec.json.format(text, indent=-1)
    except msgspec.DecodeError as error:
        raise bad_json(text, error) from error
    return raw if len(minified) == len(raw) else minified


def _message(raw: bytes, text: bytes, marks: bytes) -> CfxMessage:
    minified = raw if text is raw and _is_compact(text, marks) else _minified(raw, text)
    header, body = read_header(minified)
    name = header.MessageName
    timestamp = header.TimeStamp or None
    time, local, coarse = read_stamp(timestamp)
    return CfxMessage(
        raw=raw,
        text=minified,
        digest=blake2b(minified, digest_size=16).digest(),
        body=body,
        name=name,
        kind=kind(name),
        source=header.Source or None,
        target=header.Target or None,
        request_id=header.RequestID or None,
        version=header.Version or None,
        timestamp=timestamp,
        unique_id=header.UniqueID or None,
        time=time,
        local=local,
        coarse=coarse,
        facts=body_facts(name, body),
    )


def write(
    name: str,
    body: Mapping[str, object],
    *,
    source: str,
    at: Micros | datetime,
    unique_id: str,
    target: str | None = None,
    request_id: str | None = None,
    version: str = "2.1",
) -> bytes:
    """One envelope as SDK 2.1.1 writes it: all its keys in their order, no white space, UTF-8.

    body: what is known of the message; `complete` says what becomes of the rest. source: the handle of who speaks;
    target: of who is spoken to, in requests and responses. at: when it happened, not when it is sent; a datetime
    keeps its offset. unique_id: a GUID. Raises InvalidMessage: what comes out always fits the catalogue.
    """
    full = complete(name, body)
    check(name, full)
    for field, value in (("Source", source), ("Target", target), ("RequestID", request_id), ("Version", version)):
        if value is not None:
            check_text(f"{name}: {field}", value)
    if not source:
        raise InvalidMessage(f"{name}: Source is empty")
    check_guid(f"{name}: UniqueID", unique_id)
    envelope = {
        "MessageName": name,
        "Version": version,
        "TimeStamp": _time_stamp(name, at),
        "UniqueID": unique_id.lower(),
        "Source": source,
        "Target": target,
        "RequestID": request_id,
        "MessageBody": full,
    }
    return msgspec.json.encode(envelope)


def _time_stamp(name: str, at: Micros | datetime) -> str:
    try:
        return zoned(at) if isinstance(at, datetime) else instant(at)
    except (ValueError, OverflowError) as error:
        raise InvalidMessage(f"{name}: TimeStamp: {error}") from error


def compressed(envelope: bytes) -> bytes:
    """As the SDK sends it over AMQP by default, with content-encoding `gzip`. The same bytes for the same envelope."""
    return gzip_compress(envelope, compresslevel=6, mtime=0)
