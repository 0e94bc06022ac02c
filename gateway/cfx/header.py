"""The fields of an envelope. The fast way for what the SDK writes, a patient one for everything else."""

from __future__ import annotations

import re

import msgspec

from gateway.cfx.unwrap import longer_than
from gateway.core.errors import DecodeError

_NULL = b"null"
_MOST_FIELDS = 1000
"""An envelope has 8; all that it has are made into objects when it is not as expected."""
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Header(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An envelope in the SDK's own spelling. Anything else is a ValidationError and goes the patient way.

    A field that is not known may be one of these in another case, so it must not be skipped.
    """

    MessageName: str
    Version: str | None = None
    TimeStamp: str | None = None
    UniqueID: str | None = None
    Source: str | None = None
    Target: str | None = None
    RequestID: str | None = None
    MessageBody: msgspec.Raw = msgspec.Raw(_NULL)


_FIELDS = {name.lower(): name for name in Header.__struct_fields__}
_fast = msgspec.json.Decoder(Header)
_patient = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()


def bad_json(text: bytes, error: msgspec.DecodeError) -> DecodeError:
    """What is wrong with text that the parser refused."""
    if _LONE_SURROGATE.search(text):
        return DecodeError("bad-json", f"{error}; perhaps half of a surrogate pair, which is no text")
    return DecodeError("bad-json", str(error))


def read_header(text: bytes) -> tuple[Header, bytes]:
    """The envelope's fields and its body, of one envelope without insignificant white space.

    Names match in any case, as in the SDK; where two match, the exact one wins, else the last. Numbers are taken as
    their text, structures as nothing. Raises DecodeError: bad-json, not-an-envelope.
    """
    try:
        header = _fast.decode(text)
        body = bytes(header.MessageBody)
    except msgspec.ValidationError:
        header, body = _read_patiently(text)
    except msgspec.DecodeError as error:
        raise bad_json(text, error) from error
    if not header.MessageName:
        raise DecodeError("not-an-envelope", "no MessageName, or it is empty or no text")
    if body[:1] != b"{" and body != _NULL:
        raise DecodeError("not-an-envelope", f"MessageBody is no object: it starts with {body[:20]!r}")
    return header, body


def _read_patiently(text: bytes) -> tuple[Header, bytes]:
    if longer_than(text, _MOST_FIELDS):
        raise DecodeError("not-an-envelope", f"more than {_MOST_FIELDS} fields")
    try:
        fields = _patient.decode(text)
    except msgspec.ValidationError as error:
        raise DecodeError("not-an-envelope", f"no object: {text[:20]!r}") from error
    except msgspec.DecodeError as error:
        raise bad_json(text, error) from error
    header = Header("")
    for name, raw in fields.items():
        exact = _FIELDS.get(name.lower())
        if exact is None or (name != exact and exact in fields):
            continue
        token = bytes(raw)
        if exact == "MessageBody":
            header.MessageBody = msgspec.Raw(token)
        elif exact != "MessageName":
            setattr(header, exact, _scalar(token))
        elif token[:1] == b'"':
            header.MessageName = _scalar(token) or ""
    return header, bytes(header.MessageBody)


def _scalar(token: bytes) -> str | None:
    """A text; or a number or truth value as it was written; None for null and structures."""
    if token[:1] == b'"':
        value = _any.decode(token)
        return value if isinstance(value, str) else None
    return None if token[:1] in (b"{", b"[", b"n") else token.decode()
