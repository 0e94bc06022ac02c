"""Whether a capture leads to the events that were expected of it: the rule of `lineside verify`."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.replay.align import Keys
from gateway.replay.told import Field, Renames, Told, fields, masked

_OF_THE_JOURNAL = frozenset(("v", "seq", "journal"))

KEYS: Keys[Told] = (
    lambda event: event.id,
    lambda event: (event.message, event.units, masked(event.document.get("body"))),
    lambda event: (event.message, event.units),
    lambda event: event.message,
)


class Strict:
    """Everything must be as it was but the number in the journal; and derived ids, if they may be others, must be so
    everywhere alike."""

    def __init__(self) -> None:
        self._renames = Renames()

    def __call__(self, was: Told, now: Told) -> tuple[Sequence[Field], bool]:
        found = [each for each in fields(was.document, now.document) if each.path not in _OF_THE_JOURNAL]
        if was.native or now.native:
            return [each for each in found if each.was != each.now], False
        return self._renames.judge(found)
