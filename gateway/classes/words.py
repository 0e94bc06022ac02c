"""Words that stand for one field of a CFX structure each: the same as signals (registers, nodes) and in records (text)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from gateway.classes.turn import Turn
from gateway.core.observation import Record
from gateway.profile.vocabulary import FieldSpec, Kind, SignalSpec


class Word(msgspec.Struct, frozen=True):
    """word: name of the signal, after its prefix, or of the record's field. field: of the structure. unit: UCUM, as CFX
    has it."""

    word: str
    field: str
    meaning: str
    unit: str | None = None
    kind: Kind = Kind.NUMBER
    choices: tuple[str, ...] = ()


def signals(
    words: Iterable[Word], *, prefix: str = "", array: bool = False, lane: bool = False, required: Iterable[str] = ()
) -> tuple[SignalSpec, ...]:
    """required: words that a profile has to have."""
    must = frozenset(required)
    return tuple(
        SignalSpec(
            name=f"{prefix}{word.word}",
            kind=word.kind,
            unit=word.unit,
            meaning=word.meaning,
            array=array,
            lane=lane,
            choices=word.choices,
            required=word.word in must,
        )
        for word in words
    )


def fields(words: Iterable[Word]) -> tuple[FieldSpec, ...]:
    return tuple(
        FieldSpec(name=word.word, kind=word.kind, unit=word.unit, meaning=word.meaning, choices=word.choices)
        for word in words
    )


def places(turn: Turn, words: Iterable[Word], *, prefix: str = "") -> int:
    """How many places the profile gives to the longest of these arrays."""
    return max((len(turn.array(f"{prefix}{word.word}", lane=turn.lane)) for word in words), default=0)


def seen(turn: Turn, words: Sequence[Word], *, prefix: str = "", index: int | None = None) -> dict[str, object]:
    """The structure's fields as the signals are now, on the turn's lane; None for what is not known."""
    return {word.field: turn.value(f"{prefix}{word.word}", lane=turn.lane, index=index) for word in words}


def said(record: Record, words: Sequence[Word]) -> dict[str, object]:
    """The same from a record."""
    return {word.field: record.fields.get(word.word) for word in words}
