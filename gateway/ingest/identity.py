"""Which id a CFX message gets in the journal, and whether we have it already; and whether we have what is derived from
files that are read again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core import ids
from gateway.core.event import Event
from gateway.core.observation import CfxMessage, Lines, Observation, Record
from gateway.core.times import Micros
from gateway.journal.transaction import Seen, Transaction


class Identity(msgspec.Struct, frozen=True, gc=False):
    """id None: a copy of what is stored. possible_copy_of: same content as that event, but nothing proves a copy.
    reused: this UniqueID came before with other content."""

    id: str | None
    possible_copy_of: str | None = None
    reused: bool = False


class Identities:
    """For one batch: what the journal knew before it, and what the batch itself adds."""

    def __init__(self, transaction: Transaction, messages: list[CfxMessage]) -> None:
        self._transaction = transaction
        self._guids = {id(message): ids.guid(message.unique_id) for message in messages}
        self._asked = {guid for guid in self._guids.values() if guid is not None}
        self._seen = transaction.seen(self._asked)

    def settle(self, message: CfxMessage, owner: str, *, redelivered: bool, at: Micros) -> Identity:
        """Identify one message of `owner` (its handle, else its station).

        A GUID is taken at its word until the same handle uses it for something else; from then on, as for a missing,
        zero or malformed UniqueID, only the transport can say that a message is a copy.
        """
        guid = self._guids[id(message)]
        if guid is not None:
            seen = self._seen.get(guid)
            if seen is None:
                self._seen[guid] = Seen(owner, message.digest)
                return Identity(guid)
            if not seen.reused and seen.digest == message.digest and seen.owner == owner:
                return Identity(None)
        content = message.digest.hex()
        space = ids.namespace(owner)
        if guid is None or seen is None:
            base = ids.derived(space, message.timestamp or "", message.unique_id or "", content)
            return self._untrusted(base, owner, message, redelivered, at, reused=False)
        if not seen.reused:
            seen.reused = True
            self._transaction.remember(guid, seen, at)
        same = seen.owner == owner and seen.digest == message.digest
        if same and redelivered:
            return Identity(None)
        base = ids.derived(space, guid, content)
        found = self._untrusted(base, owner, message, redelivered, at, reused=True)
        if same and found.possible_copy_of is None and found.id is not None:
            return Identity(found.id, possible_copy_of=guid, reused=True)
        return found

    def _untrusted(
        self, base: str, owner: str, message: CfxMessage, redelivered: bool, at: Micros, *, reused: bool
    ) -> Identity:
        seen = self._lookup(base)
        if seen is None:
            self._seen[base] = Seen(owner, message.digest)
            return Identity(base, reused=reused)
        if redelivered:
            return Identity(None, reused=reused)
        space = ids.namespace(owner)
        seen.repeats += 1
        while self._lookup(again := ids.derived(space, base, str(seen.repeats))) is not None:
            seen.repeats += 1  # counted before its memory was lost
        self._transaction.remember(base, seen, at)
        self._seen[again] = Seen(owner, message.digest)
        return Identity(again, possible_copy_of=base, reused=reused)

    def _lookup(self, id_: str) -> Seen | None:
        if id_ not in self._seen and id_ not in self._asked:
            self._asked.add(id_)
            self._seen.update(self._transaction.seen([id_]))
        return self._seen.get(id_)


def readable_again(observed: object) -> bool:
    """Whether it stood in a file, so that the ids of what comes of it come again when the file is read again."""
    if isinstance(observed, Record):
        return observed.passage is not None
    return isinstance(observed, Lines) and bool(observed.passages)


class Rereading:
    """Of files, in one batch: what of them was followed before."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._fresh: set[str] = set()

    def is_known(self, observations: Sequence[Observation], at: Micros) -> str | None:
        """The station whose class has followed the records of this whole file already, as it is; None when none has.
        Remembered as long as ids are, for not everything that was followed made an event."""
        first = next((each for each in observations if isinstance(each, Record)), None)
        if first is None or first.passage is None:
            return None
        key = ids.derived(ids.namespace(first.station), "file", first.passage.file, first.passage.version)
        if key in self._fresh or self._transaction.seen([key]):
            return first.station
        self._fresh.add(key)
        self._transaction.remember(key, Seen(first.station, None), at)
        return None

    def new(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those that are not in the journal, nor were while their ids are kept."""
        known = self._transaction.seen([event.id for event in events]).keys() | self._fresh
        self._fresh |= {event.id for event in events}
        return [event for event in events if event.id not in known]
