"""From a payload as the wire had it to JSON text: gzip, base64, byte order mark, and the limits on all of them."""

from __future__ import annotations

import binascii
import re
import zlib
from array import array
from itertools import accumulate

from gateway.core.errors import DecodeError

BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_SPACE = b" \t\r\n"
_JSON = (b"{", b"[")
_LAYERS = 4
"""More wrappings than gzip in base64 in gzip are nobody's practice."""
_MEMBERS = 1000
"""Each member costs a copy of one chunk, however small it is."""
_CHUNK = 65536

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_NOT_STRUCTURE_OR_COMMA = bytes(set(range(256)) - set(b'[]{}",'))
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_QUOTED = re.compile(rb'"[^"]*"')
_ROUNDS = 12
"""Real messages nest no deeper, so their brackets are gone after as many rounds."""
_COMMA = ord(",")
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")
_PART = 1 << 16


def too_large(limit: int, what: str) -> DecodeError:
    return DecodeError("too-large", f"{what} is over the limit of {limit} bytes")


def unwrap(payload: bytes, *, limit: int, gzip: bool | None) -> bytes:
    """The text inside `payload`, with its byte order mark and white space if it has them.

    gzip: what the transport says; None when it says nothing, and then the bytes decide. limit: of what comes out, in
    bytes, also in between. Raises DecodeError: empty, too-large, bad-gzip, bad-json.
    """
    data = payload
    for _ in range(_LAYERS):
        if data[:1] in _JSON:
            return _within(data, limit)
        if data.startswith(_GZIP) and gzip is not False:
            data = _inflate(data, limit)
            continue
        text = data.removeprefix(BOM).strip(_SPACE)
        if not text:
            raise DecodeError("empty", "the payload is empty")
        if text[:1] in _JSON:
            return _within(data, limit)
        if gzip and data is payload:
            raise DecodeError("bad-gzip", "the transport says gzip, the payload is neither that nor JSON")
        data = _unbase64(text)
    raise DecodeError("bad-json", f"more than {_LAYERS} layers of gzip and base64")


def _within(text: bytes, limit: int) -> bytes:
    if len(text) > limit:
        raise too_large(limit, "the payload")
    return text


def _inflate(data: bytes, limit: int) -> bytes:
    """Every member; zero bytes may pad the end. Holds at most `limit` + 1 bytes of the result."""
    parts: list[bytes] = []
    size = position = 0
    for _ in range(_MEMBERS):
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            while not inflater.eof:
                chunk = inflater.unconsumed_tail
                if not chunk:
                    chunk = data[position : position + _CHUNK]
                    position += len(chunk)
                    if not chunk:
                        raise DecodeError("bad-gzip", "the gzip data ends too early")
                part = inflater.decompress(chunk, limit - size + 1)
                size += len(part)
                if size > limit:
                    raise too_large(limit, "the decompressed payload")
                parts.append(part)
        except zlib.error as error:
            raise DecodeError("bad-gzip", f"the gzip data is damaged: {error}") from error
        position -= len(inflater.unused_data)
        if not data[position : position + 1].strip(b"\0") and not data[position:].strip(b"\0"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise DecodeError("bad-gzip", f"more than {_MEMBERS} gzip members")


def _unbase64(text: bytes) -> bytes:
    """Strict but for line ends, which encoders insert every 64 or 76 characters."""
    packed = text.replace(b"\r", b"").replace(b"\n", b"")
    try:
        return binascii.a2b_base64(packed, strict_mode=True)
    except binascii.Error as error:
        raise DecodeError("bad-json", f"neither JSON, gzip nor base64: it starts with {text[:20]!r}") from error


def _structure(text: bytes, drop: bytes) -> bytes:
    """The brackets (and commas) of JSON text that are outside of strings."""
    if b"\\" in text:
        text = _ESCAPE.sub(b"", text)
    marks = text.translate(None, drop).replace(b'""', b"")
    return _QUOTED.sub(b"", marks).partition(b'"')[0] if b'"' in marks else marks


def check_depth(text: bytes, limit: int) -> None:
    """Raises DecodeError (too-deep) when JSON text nests deeper than `limit`.

    Called before any parser, because parsers recurse. Of text that is no JSON, the part up to where a parser would
    stop is never deeper than `limit` when this passes. Needless for text with no more brackets than `limit`.
    """
    marks = _structure(text, _NOT_STRUCTURE)
    # Cheap bound first: a round takes the innermost pairs away, at most two levels ([{}] goes at once).
    left, rounds = marks, 0
    while left and rounds < _ROUNDS:
        rounds += 1
        shorter = left.replace(b"{}", b"").replace(b"[]", b"")
        if len(shorter) == len(left):
            break
        left = shorter
    if not left and 2 * rounds <= limit:
        return
    steps = array("b", marks.translate(_STEPS))
    depth = 0
    for start in range(0, len(steps), _PART):
        depths = list(accumulate(steps[start : start + _PART], initial=depth))
        if max(depths) > limit:
            raise DecodeError("too-deep", f"nested more than {limit} deep")
        depth = depths[-1]


def longer_than(text: bytes, limit: int) -> bool:
    """Whether a JSON array or object has more than `limit` entries; known before they are made."""
    if text.count(b",") < limit:
        return False
    depth = 0
    entries = 1
    for mark in _structure(text, _NOT_STRUCTURE_OR_COMMA):
        if mark == _COMMA:
            entries += depth == 1
            if entries > limit:
                return True
        else:
            depth += _STEP[mark]
    return False
