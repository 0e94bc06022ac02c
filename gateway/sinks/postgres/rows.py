"""Events and samples as rows of the plant's history, and back.

A body stands in a column of its own, as bytes: `jsonb` would order its keys anew and refuse U+0000. Of an envelope that
has no insignificant white space only what is around the body is kept beside it; of any other all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.event import CfxHeader, Event, Origin, Place, Role, TimeQuality, UnitRef
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros
from gateway.journal.reader import Placed
from gateway.sinks.postgres.text import LONGEST, cut, escaped, key, restored
from gateway.sinks.sink import Sampled

_Ref = tuple[str | None, int | None, Role, str | None]
_refs = msgspec.json.Decoder(list[_Ref])
_long = msgspec.json.Decoder(dict[str, str])
_encode = msgspec.json.Encoder().encode
_KEYED = ("line", "station", "message")

EVENT_COLUMNS = (
    "seq", "id", "time", "received", "time_quality", "clock_offset_ms", "site", "gateway", "line", "station", "lane",
    "stage", "handle", "message", "origin", "transaction", "revises", "possible_copy_of", "units", "unit_refs",
    "cfx_version", "cfx_timestamp", "cfx_target", "cfx_request", "body", "before", "after", "raw", "long",
)  # fmt: skip
"""Of `lineside.event`, as a batch brings them."""


def event_row(placed: Placed) -> tuple[Any, ...]:
    """Values in the order of EVENT_COLUMNS."""
    event, place = placed.event, placed.place
    cfx = event.cfx
    before, after, raw = _around(event)
    line, station, message = _text(event.line), _text(event.station), escaped(event.message)
    long = None
    if _too_long(line) or _too_long(station) or len(message) > LONGEST:
        whole = {name: text for name, text in zip(_KEYED, (line, station, message), strict=True) if _too_long(text)}
        long = _encode(whole).decode()
        line, station, message = _cut(line), _cut(station), _cut(message) or ""
    refs = event.unit_refs
    names = dict.fromkeys([*(ref.id for ref in refs), *event.also_units]) if refs or event.also_units else {}
    names.pop(None, None)
    return (
        event.seq,
        event.id,
        event.time,
        event.received,
        event.time_quality.value,
        event.clock_offset_ms,
        escaped(place.site),
        escaped(place.gateway),
        line,
        station,
        event.lane,
        _text(event.stage),
        _text(event.handle),
        message,
        event.origin.value,
        _text(event.transaction),
        event.revises,
        event.possible_copy_of,
        [key(name) for name in names if name is not None] if names else None,
        _encode([(ref.id, ref.position, ref.role, ref.status) for ref in refs]).decode() if refs else None,
        None if cfx is None else _text(cfx.version),
        None if cfx is None else _text(cfx.timestamp),
        None if cfx is None else _text(cfx.target),
        None if cfx is None else _text(cfx.request_id),
        event.body,
        before,
        after,
        raw,
        long,
    )


def _text(text: str | None) -> str | None:
    return None if text is None else escaped(text)


def _too_long(text: str | None) -> bool:
    return text is not None and len(text) > LONGEST


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else cut(text)


def _around(event: Event) -> tuple[bytes | None, bytes | None, bytes | None]:
    """What of the received bytes is before and behind the body; or all of them, where it is not in there as it is."""
    raw, body = event.raw, event.body
    if not raw:
        return None, None, None
    last = len(raw) - 1 - len(body)  # the body is the envelope's last key almost always
    at = last if last >= 0 and raw.startswith(body, last) else raw.find(body)
    if at < 0:
        return None, None, raw
    return raw[:at], raw[at + len(body) :], None


class HistoryEvent(Event, kw_only=True, gc=False):
    """An event as the plant's history has it. `seq` is its position there, by which it is read and followed;
    `number` the seq that its own journal gave it, `place` whose that is."""

    number: int
    place: Place

    def own(self) -> Event:
        """As its gateway tells it."""
        return msgspec.structs.replace(self, seq=self.number)


def row_event(row: Any) -> HistoryEvent:
    """The inverse of `event_row`; `row` has the columns by their names, position and journal too."""
    long = {} if row["long"] is None else _long.decode(row["long"])
    body, before, raw = row["body"], row["before"], row["raw"]
    if raw is None:
        raw = b"" if before is None else before + body + row["after"]
    refs, units = row["unit_refs"], row["units"]
    origin = Origin(row["origin"])

    def text(name: str) -> str | None:
        found = long.get(name, row[name])
        return None if found is None else restored(found)

    return HistoryEvent(
        seq=row["position"],
        number=row["seq"],
        place=Place(row["journal"], restored(row["site"]), restored(row["gateway"])),
        id=str(row["id"]),
        time=row["time"],
        received=row["received"],
        time_quality=TimeQuality(row["time_quality"]),
        clock_offset_ms=row["clock_offset_ms"],
        line=text("line"),
        station=text("station"),
        lane=row["lane"],
        stage=text("stage"),
        handle=text("handle"),
        message=text("message") or "",
        origin=origin,
        transaction=text("transaction"),
        revises=_uuid(row["revises"]),
        possible_copy_of=_uuid(row["possible_copy_of"]),
        unit_refs=tuple(UnitRef(*ref) for ref in _refs.decode(refs)) if refs is not None else (),
        cfx=_header(text) if origin is Origin.NATIVE else None,
        body=body,
        raw=raw,
        also_units=tuple(map(restored, units)) if units else (),
    )


def _header(text: Callable[[str], str | None]) -> CfxHeader:
    return CfxHeader(text("cfx_version"), text("cfx_timestamp"), text("cfx_target"), text("cfx_request"))


def _uuid(value: object) -> str | None:
    return None if value is None else str(value)


# -- samples

FLOAT, INTEGER, TRUTH, WORDS, NOTHING = range(5)
"""`kind` of a sample: what its value was."""
_QUALITIES = tuple(Quality)
_QUALITY = {quality: code for code, quality in enumerate(_QUALITIES)}
_EXACT = 1 << 53


SAMPLE_COLUMNS = ("series", "time", "received", "n", "kind", "quality", "value", "text")
"""Of `lineside.sample`, as a batch brings them."""


def sample_row(series: int, sample: Sampled) -> tuple[int, Micros, Micros, int, int, int, float | None, str | None]:
    """Values in the order of SAMPLE_COLUMNS. series: its number in the database. A whole number that no float holds is
    in `text` too."""
    value = sample.value
    number: float | None = None
    words: str | None = None
    if value is None:
        kind = NOTHING
    elif isinstance(value, bool):
        kind, number = TRUTH, float(value)
    elif isinstance(value, int):
        kind, number = INTEGER, float(value)
        words = str(value) if abs(value) > _EXACT else None
    elif isinstance(value, float):
        kind, number = FLOAT, value
    else:
        kind, words = WORDS, escaped(value)
    return series, sample.time, sample.received, sample.n, kind, _QUALITY[sample.quality], number, words


def sample_quality(code: int) -> Quality:
    return _QUALITIES[code]


def sample_value(kind: int, number: float | None, words: str | None) -> Value:
    """The inverse."""
    if kind == WORDS:
        return None if words is None else restored(words)
    if kind == NOTHING or number is None:
        return None
    if kind == TRUTH:
        return number != 0
    if kind == INTEGER:
        return int(number if words is None else words)
    return number
