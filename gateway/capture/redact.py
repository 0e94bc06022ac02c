"""Identifiers of boards replaced in what is captured, or what has them left out."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.capture import identifiers
from gateway.capture.alias import RUN, Aliases, is_sure, pattern, telling
from gateway.capture.batch import Batch, Sent, Taken
from gateway.capture.form import Remembered
from gateway.classes import native
from gateway.core.errors import DecodeError
from gateway.core.event import Event
from gateway.core.frame import LOST, TICK, Delivery, Frame
from gateway.core.observation import CfxMessage, Observation
from gateway.journal.transaction import Recalled

Decode = Callable[[Frame], Sequence[Observation]]
"""What the adapter of the frame's connection makes of it. Raises DecodeError."""

_MOST_KNOWN = 200_000
_MOST_BYTES = 32 << 20
_ON_FILES = "files"
_OF_CONTENT = frozenset(("raw", "text", "body", "digest"))
"""Of an observation: what differs because an identifier does, and is told by the rest."""

_encode = msgspec.msgpack.Encoder().encode


class Redactor:
    """What the recorder's thread gives its batches to.

    A frame is kept when it is certain which identifiers are in it: where its decoding tells; when each of them was found in
    its bytes and replaced; and when it then decodes to the same as before, but for them. All others are left out, with what
    came of them; frames of files always are, as those are known by the digest of what is in them.
    """

    def __init__(
        self, key: bytes, decode: Decode, texts: Mapping[str, identifiers.Lined], *, spared: Iterable[str] = ()
    ) -> None:
        """texts: of stations with profiles of text. spared: what is said in place of an identifier."""
        self._aliases = Aliases(key)
        self._decode = decode
        self._texts = texts
        self._spared = frozenset(spared)
        self._names: OrderedDict[str, None] = OrderedDict()
        self._runs: OrderedDict[str, None] = OrderedDict()
        """Identifiers of before, last heard of last, and by what they are known in other text."""

    # -- as the recorder calls it

    def batch(self, batch: Batch) -> tuple[Batch, int]:
        """Without identifiers, and how many frames were left out."""
        for event in (*batch.events, *batch.own):
            self._learn(self._named(event))
        frames: list[Taken] = []
        lost_raw: set[int] = set()
        lost_stations: set[str] = set()
        for taken in batch.frames:
            kept = self._frame(taken)
            if kept is not None:
                frames.append(kept)
                continue
            for each in taken.observations:
                if isinstance(each, CfxMessage):
                    lost_raw.add(id(each.raw))
                elif (station := getattr(each, "station", None)) is not None:
                    lost_stations.add(station)
        events = [
            redacted
            for event in batch.events
            if id(event.raw) not in lost_raw and event.station not in lost_stations
            if (redacted := self._event(event)) is not None
        ]
        own = [redacted for event in batch.own if (redacted := self._event(event)) is not None]
        # What the journal knew is known by digests of what was sent, from which that could be guessed.
        changed = msgspec.structs.replace(batch, frames=frames, events=events, own=own, recalled=Recalled())
        return changed, len(batch.frames) - len(frames)

    def sent(self, sent: Sent) -> Sent | None:
        return msgspec.structs.replace(sent, payload=self._replaced(sent.payload, ()))

    def states(self, states: Mapping[str, Remembered]) -> dict[str, Remembered]:
        """A station of which it is not certain goes without."""
        found = {}
        for station, remembered in states.items():
            redacted = self._state(remembered)
            if redacted is not None:
                found[station] = redacted
        return found

    # -- frames

    def _frame(self, taken: Taken) -> Taken | None:
        frame = taken.delivery.frame
        if frame.channel in (LOST, TICK) or not frame.payload:
            return msgspec.structs.replace(taken, observations=())
        if taken.protocol == _ON_FILES or not taken.observations:
            return None
        ids = identifiers.of_observations(taken.observations, self._texts)
        if ids is None or not all(map(is_sure, ids := ids - self._spared)):
            return None
        self._learn(ids)
        for payload in self._payloads(frame.payload, ids):
            made = msgspec.structs.replace(
                frame,
                payload=payload,
                channel=self._text(frame.channel, ids),
                meta={key: self._text(value, ids) if isinstance(value, str) else value for key, value in frame.meta.items()},
            )  # fmt: skip
            if self._says_the_same(made, taken.observations, ids):
                return Taken(taken.protocol, _with(taken.delivery, made))
        return None

    def _payloads(self, payload: bytes, ids: set[str]) -> Iterable[bytes]:
        """What it may be without them: as text, as what was compressed, as text in registers."""
        packed = _unpacked(payload)
        if packed is not None:
            data, pack = packed
            yield pack(self._replaced(data, ids))
            return
        yield self._replaced(payload, ids)
        if ids:
            yield self._in_words(payload, ids)

    def _in_words(self, payload: bytes, ids: set[str]) -> bytes:
        """Text in registers ends where another register begins, and its bytes may be swapped in pairs."""
        for name in sorted(ids, key=len, reverse=True):
            one, other = name.encode(), self._aliases.of(name).encode()
            payload = payload.replace(one, other)
            for end in (b"\0", b" ") if len(one) % 2 else (b"",):
                payload = payload.replace(_swapped(one + end), _swapped(other + end))
        return payload

    def _says_the_same(self, frame: Frame, before: Sequence[Observation], ids: set[str]) -> bool:
        try:
            after = self._decode(frame)
        except DecodeError:
            return False
        said = [self._mapped(each, ids) for each in map(_told, before)]
        return said == [_told(each) for each in after] and not self._leaks(frame.payload, ids)

    def _leaks(self, payload: bytes, ids: Iterable[str]) -> bool:
        packed = _unpacked(payload)
        data = payload if packed is None else packed[0]
        return any(name.encode() in data and self._aliases.of(name) != name for name in ids)

    def _mapped(self, value: Any, ids: set[str]) -> Any:
        if isinstance(value, str):
            return self._text(value, ids)
        if isinstance(value, list | tuple):
            return type(value)(self._mapped(each, ids) for each in value)
        if isinstance(value, dict):
            return {key: self._mapped(each, ids) for key, each in value.items()}
        return value

    # -- everything else

    def _event(self, event: Event) -> Event | None:
        ids = self._named(event)
        if not all(map(is_sure, ids)):
            return None
        return msgspec.structs.replace(
            event,
            body=self._replaced(event.body, ids),
            unit_refs=tuple(
                msgspec.structs.replace(ref, id=None if ref.id is None else self._text(ref.id, ids))
                for ref in event.unit_refs
            ),
            raw=b"",
            also_units=(),
        )

    def _state(self, remembered: Remembered) -> Remembered | None:
        try:
            state = native.load(remembered.version, remembered.state)
        except ValueError:
            return None
        look = identifiers.look_of(remembered)
        ids = identifiers.of_state(state, look) - self._spared
        if not all(map(is_sure, ids)):
            return None
        self._learn(ids)
        state = msgspec.structs.replace(state, text=b"")  # the lines of a report that is not at its end
        samples = {
            key: msgspec.structs.replace(sample, value=self._mapped(sample.value, ids))
            for key, sample in look.shown.items()
        }
        values = {key: self._mapped(value, ids) for key, value in look.values.items()}
        look = msgspec.structs.replace(look, values=values, shown=samples)
        return Remembered(
            version=remembered.version,
            state=self._replaced(native.save(state), ids),
            look=_encode(look) if remembered.look else b"",
        )

    def _named(self, event: Event) -> set[str]:
        return {*event.also_units, *(ref.id for ref in event.unit_refs if ref.id)} - {""} - self._spared

    def _learn(self, ids: Iterable[str]) -> None:
        for name in filter(is_sure, ids):
            for known, word in ((self._names, name), (self._runs, telling(name))):
                if word is not None:
                    known[word] = None
                    known.move_to_end(word)
                if len(known) > _MOST_KNOWN:
                    known.popitem(last=False)

    def _replaced(self, data: bytes, ids: Iterable[str]) -> bytes:
        exact = {each.encode() for each in ids}

        def run(match: re.Match[str]) -> str:
            return self._aliases.run(match[0]) if match[0] in self._runs else match[0]

        def put(match: re.Match[bytes]) -> bytes:
            found = match[0]
            text = found.decode()
            if found in exact or text in self._names:
                return self._aliases.of(text).encode()
            return RUN.sub(run, text).encode()

        return pattern(ids).sub(put, data)

    def _text(self, text: str, ids: Iterable[str]) -> str:
        return self._replaced(text.encode("utf-8", "surrogatepass"), ids).decode("utf-8", "surrogatepass")


def _with(delivery: Delivery, frame: Frame) -> Delivery:
    return Delivery(
        frame,
        acknowledged=delivery.acknowledged,
        principal=delivery.principal,
        handles=delivery.handles,
        peer=delivery.peer,
    )


def _told(observation: Observation) -> Any:
    """It as plain data, without what cannot be compared."""
    told: dict[str, Any] = {
        name: msgspec.to_builtins(getattr(observation, name))
        for name in observation.__struct_fields__
        if not (isinstance(observation, CfxMessage) and name in _OF_CONTENT)
    }
    return [type(observation).__name__, told]


def _swapped(data: bytes) -> bytes:
    return b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))


def _unpacked(payload: bytes) -> tuple[bytes, Callable[[bytes], bytes]] | None:
    """What is compressed in it, and how that is made again; None when nothing is."""
    try:
        if payload.startswith(b"\x1f\x8b"):
            return _gunzip(payload), lambda data: gzip.compress(data, mtime=0)
        if payload.startswith(b"H4sI"):
            inner = _gunzip(base64.b64decode(payload))
            return inner, lambda data: base64.b64encode(gzip.compress(data, mtime=0))
    except (ValueError, zlib.error):
        return b"", lambda data: data
    return None


def _gunzip(data: bytes) -> bytes:
    """Raises ValueError when it is larger than anybody would decode."""
    inflate = zlib.decompressobj(31)
    found = inflate.decompress(data, _MOST_BYTES)
    if not inflate.eof:
        raise ValueError("too large, or cut off")
    return found
