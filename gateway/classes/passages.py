"""Records that were read in files, which may be read again: ids that follow from where they stood, and revisions.

A file with another content under the same name is a revision of what it said before: the same message at the same place,
about the same unit, revises the one that was told then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from gateway.classes.state import Read
from gateway.core import ids
from gateway.core.observation import Passage, Record
from gateway.core.sample import Value

_MOST_READ = 100
"""Records in files of which it is remembered what came of them. Whatever is rewritten later revises nothing."""
_MOST_UNITS = 8
"""Of one record: enough to tell one panel from another."""


class Place:
    """One record in a file while it is followed. transaction: of the work that it belongs to.

    before: what came of it when the file said something else; None when it did not, that is no longer known, or it was
    about another unit.
    """

    def __init__(self, passage: Passage, units: tuple[str, ...], read: dict[str, Read]) -> None:
        self._passage = passage
        self._units = units[:_MOST_UNITS]
        self._key = f"{passage.file}\n{passage.at}"
        self._ordinals: Counter[str] = Counter()
        self._told: dict[str, str] = {}
        found = read.get(self._key) if passage.revised else None
        self.before = found if found is not None and self._same_unit(found) else None
        self.transaction = None if self.before is None else self.before.transaction

    def _same_unit(self, before: Read) -> bool:
        if not self._units or not before.units:
            return not self._passage.grows
        return not set(self._units).isdisjoint(before.units)

    def id(self, space: UUID, rule: str) -> str:
        """The next of this rule; the same whenever this version of the file is read."""
        self._ordinals[rule] += 1
        passage = self._passage
        return ids.derived(space, passage.file, passage.version, passage.at, rule, str(self._ordinals[rule]))

    def tell(self, message: str, event: str) -> str | None:
        """It was told in this event. Returns the one that it revises."""
        number = self._ordinals[message]
        key = message if number == 1 else f"{message} {number}"
        self._told[key] = event
        return None if self.before is None else self.before.events.get(key)

    def remember(self, read: dict[str, Read]) -> None:
        """What came of it, among what came of others; the oldest is forgotten."""
        if not self._told:
            return
        earlier = {} if self.before is None else self.before.events
        read.pop(self._key, None)
        read[self._key] = Read({**earlier, **self._told}, self.transaction, self._units)
        while len(read) > _MOST_READ:
            del read[next(iter(read))]


def units(record: Record) -> Iterator[Value]:
    """Identifiers of what a record is about, as it says them: the panel and its boards."""
    for each in (record, *record.children):
        yield each.fields.get("unit")
