"""Signals by the class's words, and those that are the same for every machine of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from gateway.core.document import KeyPath
from gateway.core.problems import unknown
from gateway.core.sample import SignalKey, Value, signal_key
from gateway.profile.bind_kinds import said
from gateway.profile.bind_rules import wrong_value
from gateway.profile.tables import Scalar
from gateway.profile.vocabulary import Kind, SignalSpec, Vocabulary

Add = Callable[[KeyPath, str], None]
"""Notes a problem."""


def word_of(key: SignalKey, vocabulary: Vocabulary, path: KeyPath, add: Add) -> SignalSpec | None:
    """What the class says about a signal; of a vendor's own, only that it may be anything."""
    if key.name.startswith("x."):
        return SignalSpec(name=key.name, kind=Kind.TEXT, meaning="", array=True, lane=True, stage=True)
    spec = vocabulary.signals.get(key.name)
    if spec is None:
        what = f"signal of a {vocabulary.machine_class}"
        add(path, f"{unknown(key.name, what, vocabulary.signals)}; a vendor's own begins with x.")
        return None
    for part, named, has in (("lane", key.lane, spec.lane), ("stage", key.stage, spec.stage)):
        if named is not None and not has:
            add(path, f"names a {part}, and the class has one {key.name} for all")
    return spec


def constants(tables: Mapping[str, Scalar | tuple[Scalar, ...]], vocabulary: Vocabulary, add: Add) -> dict[str, Value]:
    """By signal key, arrays place by place."""
    found: dict[str, Value] = {}
    for text, given in tables.items():
        path: KeyPath = ("constant", text)
        key = signal_key(text)
        spec = word_of(key, vocabulary, path, add)
        if spec is None:
            continue
        if spec.array is not isinstance(given, tuple) and not key.name.startswith("x."):
            add(path, "must be a list, one for each place" if spec.array else "must be one value, not a list")
            continue
        for index, value in enumerate(given if isinstance(given, tuple) else (given,)):
            reason = None if key.name.startswith("x.") else wrong_value(value, spec.kind, spec.choices)
            if reason is not None:
                add((*path, index), reason)
            keyed = msgspec.structs.replace(key, index=index + 1) if isinstance(given, tuple) else key
            found[str(keyed)] = said(value, spec.kind)
    return found
