"""Events as rows and back."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.event import CfxHeader, Event, Origin, Role, TimeQuality, UnitRef

_ORIGINS = tuple(Origin)
_QUALITIES = tuple(TimeQuality)
_ORIGIN_CODE = {value: code for code, value in enumerate(_ORIGINS)}
_QUALITY_CODE = {value: code for code, value in enumerate(_QUALITIES)}
_units = msgspec.json.Decoder(list[tuple[str | None, int | None, Role, str | None]])
_encode = msgspec.json.Encoder().encode


def uuid_bytes(text: str) -> bytes:
    """Of a canonical UUID text."""
    return bytes.fromhex(text.replace("-", ""))


def uuid_text(value: bytes) -> str:
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_row(event: Event, place: int, message: int, digest: bytes | None, text: bytes | None) -> tuple[Any, ...]:
    """Values in the order of schema.event.

    text: the envelope without insignificant white space, in which the body is found again; None when raw is the body.
    """
    cfx = event.cfx
    if text is None:
        compact, body_at = 1, 0
    else:
        compact, body_at = int(text is event.raw or text == event.raw), _find(text, event.body)
    refs = event.unit_refs
    return (
        event.seq,
        uuid_bytes(event.id),
        event.time,
        event.received,
        place,
        message,
        _ORIGIN_CODE[event.origin],
        _QUALITY_CODE[event.time_quality],
        event.clock_offset_ms,
        event.lane,
        event.stage,
        event.transaction,
        None if event.revises is None else uuid_bytes(event.revises),
        None if event.possible_copy_of is None else uuid_bytes(event.possible_copy_of),
        _encode([(ref.id, ref.position, ref.role, ref.status) for ref in refs]).decode() if refs else None,
        None if cfx is None else cfx.version,
        None if cfx is None else cfx.timestamp,
        None if cfx is None else cfx.target,
        None if cfx is None else cfx.request_id,
        digest,
        compact,
        body_at,
        len(event.body),
        event.raw,
    )


def _find(text: bytes, body: bytes) -> int:
    # The body is the envelope's last key almost always; any occurrence of the same bytes serves as well.
    last = len(text) - 1 - len(body)
    return last if last >= 0 and text.startswith(body, last) else text.find(body)


def row_event(row: Sequence[Any]) -> Event:
    """The inverse. `row` is schema.event's columns in order, then line, station, handle and message name."""
    (seq, id_, time, received, _, _, origin, quality, offset_ms, lane, stage, work, revises, copy_of, units,
     version, timestamp, target, request, _, compact, body_at, body_size, raw, line, station, handle, message) = row  # fmt: skip
    native = _ORIGINS[origin] is Origin.NATIVE
    if body_at < 0:
        body = b"null"
    else:
        # Machines may send a byte order mark; it is stored with the rest, but it is no JSON.
        text = raw if compact else msgspec.json.format(raw.removeprefix(BOM_UTF8), indent=-1)
        body = text[body_at : body_at + body_size]
    return Event(
        seq=seq,
        id=uuid_text(id_),
        time=time,
        received=received,
        time_quality=_QUALITIES[quality],
        clock_offset_ms=offset_ms,
        line=line,
        station=station,
        lane=lane,
        stage=stage,
        handle=handle,
        message=message,
        origin=_ORIGINS[origin],
        transaction=work,
        revises=None if revises is None else uuid_text(revises),
        possible_copy_of=None if copy_of is None else uuid_text(copy_of),
        unit_refs=tuple(UnitRef(*ref) for ref in _units.decode(units)) if units else (),
        cfx=CfxHeader(version, timestamp, target, request) if native else None,
        body=body,
        raw=raw,
    )
