"""A capture stepped again and held against the events that it should lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import msgspec

from gateway.capture.records import Damage
from gateway.core.event import encode
from gateway.core.times import Micros, parse_rfc3339
from gateway.replay.difference import Comparing
from gateway.replay.offline import Offline, Stepped
from gateway.replay.strict import KEYS, Strict
from gateway.replay.told import Told, told
from gateway.replay.trial import Refused

_STRIDE = 1_000
_IN_VAIN = 5_000
"""Events after which it is clear that the capture holds none to compare with."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which events count. stations: none means all. since (inclusive), until: of their receipt."""

    stations: frozenset[str] = frozenset()
    since: Micros | None = None
    until: Micros | None = None

    def has(self, event: Told) -> bool:
        if self.stations and event.station not in self.stations:
            return False
        if self.since is None and self.until is None:
            return True
        received = parse_rfc3339(event.received)
        return (self.since is None or received >= self.since) and (self.until is None or received < self.until)


class Verdict(msgspec.Struct, kw_only=True):
    """frames, samples: stepped and made. events: made and chosen. compared: None when there is nothing to compare with.

    refused: frames and parts of frames that nobody could read, by connection and reason; `first_refused`: the first of each.
    """

    frames: int = 0
    events: int = 0
    samples: int = 0
    compared: Comparing | None = None
    refused: Counter[tuple[str, str]]
    first_refused: dict[tuple[str, str], Refused]
    damage: Sequence[Damage] = ()
    left_out: dict[str, int]
    notes: list[str]

    def passed(self, *, any_ids: bool = False) -> bool:
        """any_ids: ids may be others, as long as each is another one everywhere."""
        if self.compared is None:
            return True
        total = self.compared.total
        return total.differing == 0 and (any_ids or total.renamed == 0)


def verify(
    run: Offline,
    choice: Choice,
    *,
    expected: Iterator[bytes] | None = None,
    write: BinaryIO | None = None,
    keep: int = 50,
) -> Verdict:
    """expected: events as JSON, in place of those that the capture has. write: gets those made, a line each. keep: so many
    differences are told one by one.

    Raises ValueError when an expected one is no event; JournalError.
    """
    verdict = Verdict(refused=Counter(), first_refused={}, left_out=run.left_out, notes=run.notes)
    compared = Comparing(KEYS, Strict(), keep=keep)
    found = expected is not None
    for stepped in run.stepped():
        _count(verdict, stepped)
        for event in stepped.events:
            document = encode(event, run.place)
            one = told(document)
            if choice.has(one):
                verdict.events += 1
                if found or verdict.events < _IN_VAIN:
                    compared.second(one)
                if write is not None:
                    write.write(document + b"\n")
        if expected is None:
            found = found or bool(stepped.recorded)
            _first(compared, (each.document for each in stepped.recorded), choice)
        elif compared.ahead < _STRIDE:
            _first(compared, islice(expected, max(len(stepped.events), -compared.ahead)), choice)
        compared.settle()
    if expected is not None:
        _first(compared, expected, choice)
    if found:
        compared.finish()
        verdict.compared = compared
    verdict.damage = run.damage
    return verdict


def _first(compared: Comparing, documents: Iterator[bytes], choice: Choice) -> None:
    for document in documents:
        one = told(document)
        if choice.has(one):
            compared.first(one)


def _count(verdict: Verdict, stepped: Stepped) -> None:
    verdict.frames += stepped.frames
    verdict.samples += len(stepped.samples)
    for each in stepped.refused:
        key = (each.connection, each.reason)
        verdict.refused[key] += 1
        verdict.first_refused.setdefault(key, each)
