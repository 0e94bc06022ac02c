"""Joining a profile with the words of its class: what comes out is used as it is, or all that is wrong with it is told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from gateway.core.document import KeyPath, Place
from gateway.core.problems import Located, Problems
from gateway.core.sample import Value, signal_key
from gateway.profile import bind_rules
from gateway.profile.bind_opcua import bind_nodes
from gateway.profile.bind_records import Records
from gateway.profile.bind_signals import Entry, Signals, alarms_of, signals_of
from gateway.profile.bind_structured import StructuredRecords
from gateway.profile.bind_words import constants
from gateway.profile.bound import Bound, Poll, Table
from gateway.profile.models import NodeProfile, Profile, RegisterProfile
from gateway.profile.records import Texts
from gateway.profile.registers import Codec, answer
from gateway.profile.vocabulary import Vocabulary


class _Noted:
    """Problems, each at its key also where that is not written."""

    def __init__(self, written: Located) -> None:
        self._written = written
        self._problems = Problems(written)
        self.raise_any = self._problems.raise_any

    def add(self, path: KeyPath, message: str) -> None:
        *table, key = path
        place = self._written.place
        missing = str(key) if isinstance(key, str) and place(path) == place(tuple(table)) else None
        self._problems.add(path, message, missing=missing)


class _Unwritten:
    """Stands for the file of a profile that was made in code."""

    def __init__(self, name: str) -> None:
        self._name = name

    def place(self, path: KeyPath) -> Place:
        return Place(self._name, 1, ".".join(map(str, path)))


def bind(profile: Profile, vocabulary: Vocabulary, name: str, *, written: Located | None = None) -> Bound:
    """name: as in the configuration, `reflow_oven/example-10-zone`. written: where it was read from (`load`).

    Raises ConfigError with everything in which the profile does not fit the vocabulary or itself.
    """
    problems = _Noted(written or _Unwritten(name))
    if profile.class_ != vocabulary.machine_class:
        problems.add(("class",), f"is not {vocabulary.machine_class!r}, which the station is")
    fixed = constants(profile.constant, vocabulary, problems.add)
    bound = Bound(
        name=name,
        machine_class=profile.class_,
        protocol=profile.protocol,
        models=profile.models,
        evidence=profile.evidence.level,
        evidence_source=profile.evidence.source,
        signals={},
        constants=fixed,
    )
    if isinstance(profile, RegisterProfile):
        return _registers(profile, vocabulary, bound, problems)
    if isinstance(profile, NodeProfile):
        bound = bind_nodes(profile, vocabulary, bound, problems.add)
        problems.raise_any()
        return bound
    told = frozenset(each.name for each in profile.record)
    if profile.frame.format != "text":
        texts = StructuredRecords(profile, vocabulary, problems.add).texts()
        problems.raise_any()
        return msgspec.structs.replace(bound, told=told, records=texts)
    grammar = Records(profile, vocabulary, problems.add).grammar()
    problems.raise_any()
    assert grammar is not None
    return msgspec.structs.replace(bound, told=told, records=Texts(grammar))


def _registers(profile: RegisterProfile, vocabulary: Vocabulary, bound: Bound, problems: _Noted) -> Bound:
    entries = _distinct(list(Signals(profile, vocabulary, problems.add).entries()), problems)
    signals = signals_of(entries)
    _complete(profile, vocabulary, problems)
    for index, table in enumerate(profile.rule):
        # A signal that could not be bound has been complained about already.
        for key, message in bind_rules.complaints(table, vocabulary, signals):
            problems.add(("rule", index, *key.split(".", 1)), message)
    for poll, place in profile.poll.items():
        if place.start + place.count > 65_536:
            problems.add(("poll", poll, "count"), f"goes beyond address 65535; allowed: up to {65_536 - place.start}")
    _overlaps(entries, profile, problems)
    problems.raise_any()
    polls = list(_polls(profile, entries, problems))
    problems.raise_any()
    codec = Codec(polls, [entry.place for entry in entries])
    _examples(codec, entries, problems)
    problems.raise_any()
    return msgspec.structs.replace(
        bound,
        signals=signals,
        alarms=alarms_of(entries),
        rules=tuple(bind_rules.bound_rule(table, vocabulary, signals) for table in profile.rule),
        told=frozenset(table.record for table in profile.rule),
        examples={entry.item.key: entry.example for entry in entries},
        registers=codec,
    )


def _complete(profile: RegisterProfile, vocabulary: Vocabulary, problems: _Noted) -> None:
    names = {signal_key(text).name for text in (*profile.signal, *profile.constant)}
    for spec in vocabulary.signals.values():
        if spec.required and spec.name not in names:
            problems.add(
                ("signal", spec.name), f"is missing, and a {vocabulary.machine_class} needs it: {spec.meaning}"
            )
    for text in profile.signal.keys() & profile.constant.keys():
        problems.add(("constant", text), "is read too; allowed: one of them")


def _distinct(entries: list[Entry], problems: _Noted) -> list[Entry]:
    seen: set[str] = set()
    for entry in entries:
        if entry.item.key in seen:
            problems.add(entry.path, f"{entry.item.key!r} is there twice")
        seen.add(entry.item.key)
    return entries


def _polls(profile: RegisterProfile, entries: Sequence[Entry], problems: _Noted) -> Iterator[Poll]:
    for name, table in profile.poll.items():
        spans = sorted({(entry.place.start, entry.place.end) for entry in entries if entry.place.poll == name})
        if not spans:
            problems.add(("poll", name), "is read in vain: no signal and no alarm lies in it")
            continue
        atoms = [spans[0]]
        for start, end in spans[1:]:
            if start < atoms[-1][1]:
                atoms[-1] = (atoms[-1][0], max(end, atoms[-1][1]))
            else:
                atoms.append((start, end))
        yield Poll(
            name=name,
            every_s=table.every,
            table=Table(table.table),
            start=table.start,
            count=table.count,
            atoms=tuple((start, end - start) for start, end in atoms),
        )


def _overlaps(entries: Sequence[Entry], profile: RegisterProfile, problems: _Noted) -> None:
    """Signals of different types in the same registers are more often a misprint than meant."""
    tables: dict[str, list[Entry]] = {}
    for entry in entries:
        tables.setdefault(profile.poll[entry.place.poll].table, []).append(entry)
    for found in tables.values():
        found.sort(key=lambda entry: entry.place.start)
        open_: list[Entry] = []
        for entry in found:
            open_ = [each for each in open_ if each.place.end > entry.place.start]
            for other in open_:
                if not _together(entry, other):
                    problems.add(
                        entry.path[:2],
                        f"has register {entry.place.start} in common with {other.item.key}; allowed: with overlap = true",
                    )
            open_.append(entry)


def _together(one: Entry, other: Entry) -> bool:
    a, b = one.place.layout, other.place.layout
    if one.shares or other.shares or a is None or b is None:
        return True
    if a.mask is not None and b.mask is not None:
        return True
    same = (a.words, a.swapped, a.order, a.code) == (b.words, b.swapped, b.order, b.code)
    return same and one.place.start == other.place.start and a.mask == b.mask


def _examples(codec: Codec, entries: Sequence[Entry], problems: _Noted) -> None:
    """Every example must come back from its registers, alone and beside all others."""
    good = {}
    for entry in entries:
        key = entry.item.key
        try:
            back = _round(codec, {key: entry.example}, entry)
        except ValueError as error:
            problems.add(entry.path, str(error).removeprefix(f"{key}: "))
            continue
        if _same(back, entry):
            good[key] = entry.example
        else:
            problems.add(entry.path, f"cannot be what the machine shows: its registers then say {back!r}")
    for entry in entries:
        if entry.item.key in good and not _same(_round(codec, good, entry), entry):
            problems.add(entry.path, "contradicts the example of another signal in the same registers")


def _round(codec: Codec, values: Mapping[str, Value], entry: Entry) -> Value:
    contents = codec.encode(values)
    poll = next(each for each in codec.polls if each.name == entry.place.poll)
    keys, found = codec.decode(poll.name, [answer(poll, contents)])
    return found[keys.index(entry.item.key)]


def _same(back: Value, entry: Entry) -> bool:
    """A float of 32 bits has some seven digits."""
    value = entry.example
    if isinstance(value, bool) or isinstance(back, bool) or not isinstance(value, int | float):
        return back == value
    if back is None or isinstance(back, str):
        return False
    layout = entry.place.layout
    digits = 1e-6 if layout is not None and layout.code == "f" else 1e-12
    return math.isclose(back, value, rel_tol=digits, abs_tol=digits)
