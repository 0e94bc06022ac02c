"""Signals and alarms of a register profile: from their tables to places, with everything that is wrong noted."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.core.document import KeyPath
from gateway.core.problems import unknown
from gateway.core.sample import SignalKey, Value, signal_key
from gateway.profile.bind_kinds import Form, complaints, form, map_key, own, said, word
from gateway.profile.bind_words import Add, word_of
from gateway.profile.bound import Alarm, Reset, Signal, Table
from gateway.profile.layout import layout, words
from gateway.profile.meaning import Meaning
from gateway.profile.models import RegisterProfile
from gateway.profile.numbers import affine, exact
from gateway.profile.registers import Place
from gateway.profile.tables import Scalar
from gateway.profile.tables_opcua import NodeSignal
from gateway.profile.tables_registers import RegisterAlarm, RegisterSignal
from gateway.profile.units import conversion
from gateway.profile.vocabulary import Kind, SignalSpec, Vocabulary


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A signal, one place of an array, or an alarm. path: where it is written. example: in the class's unit.

    shares: it may have registers in common with anything.
    """

    path: KeyPath
    item: Signal | Alarm
    place: Place
    example: Value
    shares: bool = False


class Signals:
    """Binds one profile's signals and alarms."""

    def __init__(self, profile: RegisterProfile, vocabulary: Vocabulary, add: Add) -> None:
        self._profile = profile
        self._vocabulary = vocabulary
        self._add = add

    def entries(self) -> Iterator[Entry]:
        for text, table in self._profile.signal.items():
            yield from self._signal(text, table, ("signal", text))
        for index, alarm in enumerate(self._profile.alarm):
            yield from self._alarm(alarm, ("alarm", index))

    def _poll(self, table: RegisterSignal | RegisterAlarm, size: int, path: KeyPath) -> str | None:
        """The name of the poll that its addresses lie in."""
        polls = self._profile.poll
        first, end = table.at, table.at + size
        if table.poll is not None:
            poll = polls.get(table.poll)
            if poll is None:
                self._add((*path, "poll"), unknown(table.poll, "poll", polls))
            elif not poll.start <= first <= end <= poll.start + poll.count:
                self._add(
                    (*path, "at"),
                    f"needs {_addresses(first, end)}, outside poll {table.poll!r} with {_addresses(poll.start, poll.start + poll.count)}",
                )
            else:
                return table.poll
            return None
        found = [name for name, poll in polls.items() if poll.start <= first <= end <= poll.start + poll.count]
        if len(found) == 1:
            return found[0]
        if found:
            self._add((*path, "at"), f"lies in several polls: name one of them under poll; allowed: {', '.join(found)}")
        else:
            ranges = (f"{name} with {_addresses(each.start, each.start + each.count)}" for name, each in polls.items())
            self._add((*path, "at"), f"needs {_addresses(first, end)}, in no poll; there is {', '.join(ranges)}")
        return None

    def _signal(self, text: str, table: RegisterSignal, path: KeyPath) -> Iterator[Entry]:
        key = signal_key(text)
        spec = word_of(key, self._vocabulary, path, self._add)
        if table.array is None and table.stride is not None:
            self._add((*path, "stride"), "belongs to an array")
        if spec is None:
            return
        if table.array is not None and not spec.array:
            self._add((*path, "array"), f"does not belong here: the class has one {key.name}")
        elif table.array is None and spec.array and not key.name.startswith("x."):
            self._add((*path, "array"), "is missing: how many places are there?")
        poll = self._poll(table, self._span(table), path)
        if poll is None:
            return
        shape = form(table, coil=Table(self._profile.poll[poll].table).bits)
        if not isinstance(shape, Form):
            self._note(shape, path)
            return
        if key.name.startswith("x."):
            spec = own(key, table, shape)
        found = list(complaints(table, shape, spec))
        self._note(found, path)
        if not found:
            yield from self._places(key, table, path, spec, shape, poll)

    def _span(self, table: RegisterSignal) -> int:
        size = words(table.type or "u16", table.length)
        return (table.stride or size) * ((table.array or 1) - 1) + size

    def _note(self, found: list[tuple[str, str]], path: KeyPath) -> None:
        for key, message in found:
            # A key of the map follows its table.
            self._add((*path, *key.split(".", 1)), message)

    def _places(
        self, key: SignalKey, table: RegisterSignal, path: KeyPath, spec: SignalSpec, shape: Form, poll: str
    ) -> Iterator[Entry]:
        try:
            meaning = _meaning(table, shape, spec)
            item = item_of(key, table, spec)
        except ValueError as error:  # units
            self._add((*path, "unit"), str(error))
            return
        lies = (
            None
            if Table(self._profile.poll[poll].table).bits
            else layout(
                shape.type,
                word_order=table.word_order or self._profile.word_order,
                byte_order=table.byte_order or self._profile.byte_order,
                bits=shape.bits,
                length=table.length,
                encoding=table.encoding or "ascii",
            )
        )
        read, write = meaning.read(), meaning.write()
        for index, example in enumerate(self._examples(table, path)):
            keyed = key if table.array is None else msgspec.structs.replace(key, index=index + 1)
            where = (*path, "example") if table.array is None else (*path, "example", index)
            try:
                value = example_of(example, table, spec)
            except ValueError as error:
                self._add(where, str(error))
                continue
            step = table.stride or (1 if lies is None else lies.words)
            yield Entry(
                path=where,
                item=msgspec.structs.replace(item, key=str(keyed)),
                place=Place(
                    key=str(keyed), poll=poll, start=table.at + index * step, layout=lies, read=read, write=write
                ),
                example=value,
                shares=table.overlap,
            )

    def _examples(self, table: RegisterSignal, path: KeyPath) -> tuple[Scalar, ...]:
        example = table.example
        if table.array is None:
            if not isinstance(example, tuple):
                return (example,)
            self._add((*path, "example"), "is a list, and this is no array")
        elif not isinstance(example, tuple) or len(example) != table.array:
            self._add((*path, "example"), f"must be a list of {table.array}, one for each place")
        else:
            return example
        return ()

    def _alarm(self, table: RegisterAlarm, path: KeyPath) -> Iterator[Entry]:
        poll = self._poll(table, 1, path)
        if poll is None:
            return
        coil = Table(self._profile.poll[poll].table).bits
        if coil is (table.bit is not None):
            self._add(
                (*path, "bit"), "does not belong to coils and discrete inputs" if coil else "is missing: which one?"
            )
            return
        where = (f"@{table.lane}" if table.lane is not None else "") + (f":{table.stage}" if table.stage else "")
        item = Alarm(
            key=f"alarm.{table.code}{where}",
            code=table.code,
            text=table.text,
            severity=table.severity,
            lane=table.lane,
            stage=table.stage,
            debounce=micros(table.debounce),
            extra=table.fields,
        )
        lies = None
        if table.bit is not None:
            lies = layout("u16", byte_order=self._profile.byte_order, bits=(table.bit, table.bit))
        meaning = Meaning(kind=Kind.FLAG, numbers=int, inverted=table.inverted)
        place = Place(key=item.key, poll=poll, start=table.at, layout=lies, read=meaning.read(), write=meaning.write())
        yield Entry(path=path, item=item, place=place, example=table.example)


def _addresses(first: int, end: int) -> str:
    return f"address {first}" if end - first == 1 else f"addresses {first} to {end - 1}"


def micros(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1_000_000)


def _meaning(table: RegisterSignal, shape: Form, spec: SignalSpec) -> Meaning:
    map_ = {map_key(text, shape): said(value, spec.kind) for text, value in table.map.items()}
    return Meaning(
        kind=spec.kind,
        numbers=shape.numbers,
        missing=tuple(_held(part, shape) for part in table.missing),
        empty=tuple(_held(part, shape) for part in table.empty),
        map=map_,
        affine=affine(table.scale, table.offset, table.unit, spec.unit),
        choices=spec.choices,
        inverted=table.inverted,
    )


def _held(part: Scalar, shape: Form) -> Any:
    """As it comes out of the registers: a float of 32 bits is not the one that was written."""
    return struct.unpack("f", struct.pack("f", part))[0] if shape.type == "f32" else part


def item_of(key: SignalKey, table: RegisterSignal | NodeSignal, spec: SignalSpec) -> Signal:
    scale = conversion(table.unit, spec.unit)[0] if table.unit and spec.unit else exact(1.0)
    return Signal(
        key=str(key),
        kind=spec.kind,
        unit=spec.unit,
        deadband=float(exact(table.deadband or 0.0) * abs(scale)),
        debounce=micros(table.debounce),
        modulus=table.modulus,
        reset=frozenset(Reset(each) for each in table.reset),
    )


def example_of(example: Scalar, table: RegisterSignal | NodeSignal, spec: SignalSpec) -> Value:
    """In the class's unit. Raises ValueError when it is of another kind."""
    number = isinstance(example, int | float) and not isinstance(example, bool)
    if spec.kind is Kind.NUMBER and isinstance(example, int | float) and number:
        return affine(None, None, table.unit, spec.unit)(example)
    if spec.kind is Kind.COUNTER and isinstance(example, int) and number:
        return example
    if spec.kind is Kind.FLAG and isinstance(example, bool):
        return example
    if spec.kind is Kind.STATE or (spec.kind is Kind.TEXT and isinstance(example, str)):
        reason = None if example == "" and table.empty else word(example, spec.kind, spec.choices)
        if reason is None:
            return said(example, spec.kind)
        raise ValueError(reason)
    raise ValueError(f"is no {spec.kind.value}")


def signals_of(found: list[Entry]) -> Mapping[str, Signal]:
    return {each.item.key: each.item for each in found if isinstance(each.item, Signal)}


def alarms_of(found: list[Entry]) -> Mapping[str, Alarm]:
    return {each.item.key: each.item for each in found if isinstance(each.item, Alarm)}
