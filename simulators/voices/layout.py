"""A profile of text turned round: how the machine writes each field of each record."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from gateway.profile.load import load
from gateway.profile.models import TextProfile
from gateway.profile.tables_records import RecordField, TextRecord
from gateway.profile.units import conversion
from simulators.voices.items import Item, Moment, Quantity, Word
from simulators.voices.template import Part, Stamp


class Layout:
    """Of one profile of `serial-text`, `tcp-text` or `files`.

    unread: what it writes for an identifier that could not be read; None where the profile does not say.
    """

    def __init__(self, profile: TextProfile) -> None:
        self.profile = profile
        self._records = {(table.parent, table.name): table for table in reversed(profile.record)}
        outermost = [table.fields.get("unit") for table in profile.record if table.parent is None]
        texts = [text for field in outermost if field is not None for text in field.missing if text]
        self.unread = texts[0] if texts else None

    @classmethod
    def load(cls, name: str, folders: Sequence[Path]) -> Layout:
        """By name (`class/model`) or path, as gateway.profile.load. Raises ConfigError; ValueError for a profile of
        registers or nodes."""
        profile = load(name, folders).profile
        if not isinstance(profile, TextProfile):
            raise ValueError(f"{name} is of {profile.protocol}; allowed: a profile of text or files")  # noqa: TRY004
        return cls(profile)

    def record(self, name: str, parent: str | None = None) -> TextRecord | None:
        """What the profile says about this record inside of that one, or outside of all; None when it has none."""
        return self._records.get((parent, name))

    def has(self, name: str, parent: str | None = None) -> bool:
        return (parent, name) in self._records

    def room(self, item: Item, parent: str | None = None) -> Item:
        """Of an item, what the profile has words for."""
        table = self.record(item.name, parent)
        fields = {} if table is None else {name: item.fields.get(name) for name in table.fields}
        children = [self.room(child, item.name) for child in item.children if self.has(child.name, item.name)]
        return Item(item.name, fields, tuple(children))


def written(field: RecordField, word: Word) -> Part | None:
    """As the machine writes it; None for what it has no text for."""
    if word is None:
        return None
    if field.map:
        return next((text for text, meaning in field.map.items() if meaning == word), None)
    if isinstance(word, Moment):
        return Stamp(word.at, field.format)
    if isinstance(word, bool):
        return None
    if isinstance(word, str):
        return word
    return _number(field, word)


def blank(field: RecordField) -> str | None:
    """What it writes where it knows nothing."""
    said = [text for text in field.missing if text]
    return said[0] if said else ("" if field.missing else None)


def _number(field: RecordField, word: Quantity | float) -> str | None:
    value = word.value if isinstance(word, Quantity) else word
    if isinstance(word, Quantity) and field.unit is not None:
        try:
            factor, zero = conversion(word.unit, field.unit)
        except ValueError:
            return None
        value = float(factor) * value + float(zero)
    raw = (value - (field.offset or 0.0)) / (field.scale or 1.0)
    text = f"{Decimal(f'{raw:.6g}'):f}"  # six digits, as instruments have; never with an exponent
    return text.replace(".", field.decimal)
