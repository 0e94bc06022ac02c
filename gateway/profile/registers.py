"""Register contents to values and back. Whatever can be worked out beforehand is, for this runs for every answer of
every machine: one struct per poll takes all its registers apart at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from gateway.core.sample import Value
from gateway.profile.bound import Block, Poll, Table, Values
from gateway.profile.layout import Layout, swap


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One value in one poll. layout: None for a coil or discrete input. read, write: between what is meant by the
    registers and the value; None from `read` where it stands for nothing."""

    key: str
    poll: str
    start: int
    layout: Layout | None
    read: Callable[[Any], Value]
    write: Callable[[Value], Any]

    @property
    def count(self) -> int:
        return 1 if self.layout is None else self.layout.words

    @property
    def end(self) -> int:
        return self.start + self.count


class Codec:
    """The register side of a bound profile (gateway.profile.bound.Registers)."""

    def __init__(self, polls: Iterable[Poll], places: Sequence[Place]) -> None:
        self.polls: tuple[Poll, ...] = tuple(polls)
        self._places = {place.key: (poll, place) for poll in self.polls for place in places if place.poll == poll.name}
        self._plans: dict[str, _Bits | _Words] = {}
        for poll in self.polls:
            own = [place for place in places if place.poll == poll.name]
            self._plans[poll.name] = _Bits(poll.table, own) if poll.table.bits else _Words(poll.table, own)

    def decode(self, poll: str, blocks: Sequence[Block]) -> Values:
        return self._plans[poll].decode(blocks)

    def encode(self, values: Mapping[str, Value]) -> dict[Table, dict[int, int]]:
        """Signals that share a register must be given together: what is not named is 0 in it.

        Raises KeyError for an unknown signal, ValueError for a value that the machine has no way to say.
        """
        found: dict[Table, dict[int, int]] = {}
        for key, value in values.items():
            poll, place = self._places[key]
            contents = found.setdefault(poll.table, {})
            try:
                part = place.write(value)
                if place.layout is None:
                    contents[place.start] = part
                else:
                    _put(contents, place.start, place.layout, part)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
        return found


def _put(contents: dict[int, int], start: int, layout: Layout, part: Any) -> None:
    data, mask = layout.pack(part), layout.mask_bytes()
    for index in range(layout.words):
        own = int.from_bytes(mask[2 * index : 2 * index + 2], "big")
        new = int.from_bytes(data[2 * index : 2 * index + 2], "big")
        contents[start + index] = contents.get(start + index, 0) & ~own | new


def answer(poll: Poll, contents: Mapping[Table, Mapping[int, int]]) -> Block:
    """What a machine with these contents answers when the whole poll is read at once; what is not named is 0."""
    held = contents.get(poll.table, {})
    cells = [held.get(poll.start + index, 0) for index in range(poll.count)]
    if poll.table.bits:
        bits = sum(1 << index for index, cell in enumerate(cells) if cell)
        return Block(poll.table, poll.start, poll.count, bits.to_bytes((poll.count + 7) // 8, "little"))
    return Block(poll.table, poll.start, poll.count, struct.pack(f">{poll.count}H", *cells))


class _Bits:
    def __init__(self, table: Table, places: Sequence[Place]) -> None:
        self._table = table
        self._first = min(place.start for place in places)
        self._last = max(place.end for place in places)
        self._keys = tuple(place.key for place in places)
        self._reads = [(place.start - self._first, place.read) for place in places]

    def decode(self, blocks: Sequence[Block]) -> Values:
        if len(blocks) == 1:
            bits, known = self._shifted(blocks[0])
        else:
            bits = known = 0
            for block in blocks:
                some, seen = self._shifted(block)
                bits, known = bits & ~seen | some, known | seen
        return self._keys, tuple([read(bits >> at & 1) if known >> at & 1 else None for at, read in self._reads])

    def _shifted(self, block: Block) -> tuple[int, int]:
        """The bits from our first address on, and which of them are known."""
        if block.exception or block.table is not self._table:
            return 0, 0
        known = (1 << min(block.count, 8 * len(block.data))) - 1
        bits = int.from_bytes(block.data, "little") & known
        shift = block.start - self._first
        return (bits << shift, known << shift) if shift >= 0 else (bits >> -shift, known >> -shift)


class _Words:
    def __init__(self, table: Table, places: Sequence[Place]) -> None:
        self._table = table
        self._first = min(place.start for place in places)
        self._size = 2 * (max(place.end for place in places) - self._first)
        self._keys = tuple(place.key for place in places)
        self._spans = [(place.start - self._first, place.end - self._first) for place in places]
        self._reads = [_reading(place) for place in places]
        fields = [_field(place, self._first) for place in places]
        passes = _passes(fields)
        order = [field for each in passes for field in each.fields]
        self._plain = [each.struct for each in passes if not each.swapped]
        self._swapped = [each.struct for each in passes if each.swapped]
        where = [order.index(field) for field in fields]
        self._pick: Callable[[tuple[Any, ...]], Iterable[Any]] = (
            itemgetter(*where) if len(where) > 1 else lambda raws: (raws[where[0]],)
        )

    def decode(self, blocks: Sequence[Block]) -> Values:
        if len(blocks) == 1:
            block = blocks[0]
            offset = 2 * (self._first - block.start)
            if offset >= 0 and len(block.data) >= offset + self._size and self._fits(block):
                return self._keys, tuple(self._values(block.data, offset))
        data, known = self._joined(blocks)
        return self._keys, tuple(
            value if known.find(0, begin, end) < 0 else None
            for value, (begin, end) in zip(self._values(data, 0), self._spans, strict=True)
        )

    def _values(self, data: bytes, offset: int) -> list[Value]:
        raws: tuple[Any, ...] = ()
        for plain in self._plain:
            raws += plain.unpack_from(data, offset)
        if self._swapped:
            turned = swap(data[offset : offset + self._size])
            for each in self._swapped:
                raws += each.unpack_from(turned)
        return [read(raw) for read, raw in zip(self._reads, self._pick(raws), strict=True)]

    def _fits(self, block: Block) -> bool:
        return block.table is self._table and not block.exception

    def _joined(self, blocks: Sequence[Block]) -> tuple[bytes, bytes]:
        """The registers from our first on, and a byte for each that is 0 where it is not known."""
        size = self._size // 2
        data, known = bytearray(self._size), bytearray(size)
        for block in blocks:
            begin = max(block.start - self._first, 0)
            skipped = max(self._first - block.start, 0)
            count = min(len(block.data) // 2 - skipped, size - begin)
            if count > 0 and self._fits(block):
                data[2 * begin : 2 * (begin + count)] = block.data[2 * skipped : 2 * (skipped + count)]
                known[begin : begin + count] = b"\1" * count
        return bytes(data), bytes(known)


def _reading(place: Place) -> Callable[[Any], Value]:
    read = place.read
    part = None if place.layout is None else place.layout.part
    if part is None:
        return read
    mask = place.layout.mask if place.layout is not None else None
    if mask is not None and mask.bit_count() == 1:  # the most frequent by far: work out both answers now
        zero, one = read(0), read(1)
        return lambda raw: one if raw & mask else zero

    def both(raw: Any) -> Value:
        found = part(raw)
        return None if found is None else read(found)

    return both


class _Field(msgspec.Struct, frozen=True, order=True):
    swapped: bool
    order: str
    start: int
    words: int
    code: str


class _Pass(msgspec.Struct, frozen=True):
    """Fields that one struct takes apart together: in the same order of bytes, and without overlap."""

    swapped: bool
    struct: struct.Struct
    fields: list[_Field]


def _field(place: Place, first: int) -> _Field:
    layout = place.layout
    assert layout is not None, place.key  # of a table of registers
    return _Field(layout.swapped, layout.order, place.start - first, layout.words, layout.code)


def _passes(fields: Iterable[_Field]) -> list[_Pass]:
    groups: list[list[_Field]] = []
    for field in sorted(set(fields)):
        for group in groups:
            last = group[-1]
            if (last.swapped, last.order) == (field.swapped, field.order) and last.start + last.words <= field.start:
                group.append(field)
                break
        else:
            groups.append([field])
    return [_Pass(group[0].swapped, struct.Struct(_format(group)), group) for group in groups]


def _format(group: Sequence[_Field]) -> str:
    text, at = group[0].order, 0
    for field in group:
        text += f"{2 * (field.start - at)}x{field.code}"
        at = field.start + field.words
    return text
