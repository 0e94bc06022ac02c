"""Signals and alarms of an OPC UA profile: from their tables to places, with everything that is wrong noted."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.core.document import KeyPath
from gateway.core.problems import unknown
from gateway.core.sample import SignalKey, Value, signal_key
from gateway.profile.bind_kinds import KINDS, Complaint, said, word
from gateway.profile.bind_signals import example_of, item_of, micros
from gateway.profile.bind_words import Add, word_of
from gateway.profile.bound import Alarm, Signal
from gateway.profile.happenings import Condition
from gateway.profile.models import NodeProfile
from gateway.profile.nodes import Place, bit_of
from gateway.profile.numbers import affine
from gateway.profile.tables import Scalar
from gateway.profile.tables_opcua import NodeAlarm, NodeSignal
from gateway.profile.typed import Typed
from gateway.profile.vocabulary import Kind, SignalSpec, Vocabulary

SERVER = "i=2253"
"""The Server object, which tells of all events (OPC 10000-5, 8.3.2)."""


class NodeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A signal, one place of an array, or an alarm. path: where it is written. example: in the class's unit.

    place: None for an alarm of the server's own, which comes from `notifier` as `condition`.
    """

    path: KeyPath
    item: Signal | Alarm
    subscription: str
    example: Value
    place: Place | None = None
    notifier: str = SERVER
    condition: Condition | None = None


class NodeSignals:
    """Binds one profile's signals and alarms."""

    def __init__(self, profile: NodeProfile, vocabulary: Vocabulary, add: Add) -> None:
        self._profile = profile
        self._vocabulary = vocabulary
        self._add = add

    def entries(self) -> Iterator[NodeEntry]:
        for text, table in self._profile.signal.items():
            yield from self._signal(text, table, ("signal", text))
        for index, alarm in enumerate(self._profile.alarm):
            yield from self._alarm(alarm, ("alarm", index))

    def subscription(self, named: str | None, path: KeyPath) -> str:
        """The one that is named, else the first."""
        known = self._profile.subscribe
        if named is not None and named not in known:
            self._add((*path, "subscribe"), unknown(named, "subscription", known))
        return next(iter(known)) if named is None else named

    def _signal(self, text: str, table: NodeSignal, path: KeyPath) -> Iterator[NodeEntry]:
        key = signal_key(text)
        spec = word_of(key, self._vocabulary, path, self._add)
        if spec is None:
            return
        if key.name.startswith("x."):
            spec = _own(key, table)
        found = [*_sources(table), *_complaints(table, spec)]
        several = bool(table.nodes or table.paths or table.array)
        if several and not spec.array:
            found.append(("array" if table.array else "nodes", f"does not belong here: the class has one {key.name}"))
        elif not several and spec.array and not key.name.startswith("x."):
            found.append(("nodes", "is missing: a node for each place; or array, where one node has all of them"))
        for where, message in found:
            self._add((*path, *where.split(".", 1)), message)
        if not found:
            yield from self._places(key, table, path, spec)

    def _places(self, key: SignalKey, table: NodeSignal, path: KeyPath, spec: SignalSpec) -> Iterator[NodeEntry]:
        try:
            typed = _typed(table, spec)
            item = item_of(key, table, spec)
        except ValueError as error:  # units
            self._add((*path, "unit"), str(error))
            return
        read, write = typed.read(), typed.write()
        subscription = self.subscription(table.subscribe, path)
        nodes = table.nodes or table.paths or (str(table.node or table.path),) * (table.array or 1)
        single = not (table.nodes or table.paths or table.array)
        for index, example in enumerate(self._examples(table, len(nodes), path, single=single)):
            keyed = key if single else msgspec.structs.replace(key, index=index + 1)
            where = (*path, "example") if single else (*path, "example", index)
            try:
                value = example_of(example, table, spec)
            except ValueError as error:
                self._add(where, str(error))
                continue
            place = Place(
                key=str(keyed), node=nodes[index], element=index if table.array else None, read=read, write=write
            )
            yield NodeEntry(
                path=where,
                item=msgspec.structs.replace(item, key=str(keyed)),
                subscription=subscription,
                example=value,
                place=place,
            )

    def _examples(self, table: NodeSignal, count: int, path: KeyPath, *, single: bool) -> tuple[Scalar, ...]:
        example = table.example
        if single:
            if not isinstance(example, tuple):
                return (example,)
            self._add((*path, "example"), "is a list, and this is no array")
        elif not isinstance(example, tuple) or len(example) != count:
            self._add((*path, "example"), f"must be a list of {count}, one for each place")
        else:
            return example
        return ()

    def _alarm(self, table: NodeAlarm, path: KeyPath) -> Iterator[NodeEntry]:
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
        found = list(_alarm_complaints(table))
        for key, message in found:
            self._add((*path, key), message)
        subscription = self.subscription(table.subscribe, path)
        if found:
            return
        if table.condition is not None:
            yield NodeEntry(
                path=path,
                item=item,
                subscription=subscription,
                example=table.example,
                notifier=table.notifier or SERVER,
                condition=Condition(item.key, table.condition, table.source),
            )
            return
        typed = Typed(kind=Kind.FLAG, inverted=table.inverted)
        read = typed.read() if table.bit is None else bit_of(table.bit)(typed.read())
        yield NodeEntry(
            path=path,
            item=item,
            subscription=subscription,
            example=table.example,
            place=Place(
                key=item.key,
                node=str(table.node or table.path),
                element=None,
                read=read,
                write=typed.write(),
                bit=table.bit,
            ),
        )


def _own(key: SignalKey, table: NodeSignal) -> SignalSpec:
    """The specification that a vendor's own signal (`x.*`) gives itself."""
    shown = table.example[0] if isinstance(table.example, tuple) and table.example else table.example
    if table.kind is not None:
        kind = Kind(table.kind)
    elif table.modulus or table.reset:
        kind = Kind.COUNTER
    else:
        kind = Kind.FLAG if isinstance(shown, bool) else Kind.TEXT if isinstance(shown, str) else Kind.NUMBER
    unit = (table.unit or "1") if kind is Kind.NUMBER else None
    return SignalSpec(name=key.name, kind=kind, meaning="", unit=unit, array=True, lane=True, stage=True)


def _sources(table: NodeSignal) -> Iterator[Complaint]:
    given = [key for key in ("node", "path", "nodes", "paths") if getattr(table, key)]
    if len(given) != 1:
        yield given[1] if given else "node", f"stands beside {given[0]}" if given else "is missing; allowed: node, path"
    elif table.array is not None and given[0] in ("nodes", "paths"):
        yield "array", f"does not go with {given[0]}, which say how many there are"


def _complaints(table: NodeSignal, spec: SignalSpec) -> Iterator[Complaint]:
    kind = spec.kind
    if table.kind is not None and not spec.name.startswith("x."):
        yield "kind", "belongs to a vendor's own signal; the class says what this is"
    for key, kinds in KINDS.items():
        if getattr(table, key) not in (None, (), {}, False) and kind not in kinds:
            yield key, f"does not belong to a {kind.value}; allowed with: {', '.join(each.value for each in kinds)}"
    if kind is Kind.TIME:
        yield "node", "is a time, which signals cannot be"
    if kind is Kind.NUMBER and table.unit is None and spec.unit not in (None, "1"):
        yield "unit", f"is missing: what the machine measures in; the class wants {spec.unit!r}"
    scale = 1.0 if table.scale is None else table.scale
    if scale == 0:
        yield "scale", "must not be 0"
    elif kind is Kind.COUNTER and (not scale.is_integer() or scale < 1):
        yield "scale", "must be a whole number, for counters are"
    if table.inverted and table.map:
        yield "inverted", "stands beside map; allowed: one of them"
    if table.empty and spec.choices:
        yield "empty", f"is no choice; allowed: {', '.join(spec.choices)}"
    yield from mapped(table.map, kind, spec.choices)


def mapped(map_: dict[str, Scalar], kind: Kind, choices: tuple[str, ...]) -> Iterator[Complaint]:
    """What is wrong with the values of a map."""
    for text, value in map_.items():
        if kind is Kind.FLAG and not isinstance(value, bool):
            yield f"map.{text}", "must be true or false"
        elif kind in (Kind.TEXT, Kind.STATE) and (reason := word(value, kind, choices)):
            yield f"map.{text}", reason


def _alarm_complaints(table: NodeAlarm) -> Iterator[Complaint]:
    given = [key for key in ("node", "path", "condition") if getattr(table, key)]
    if len(given) != 1:
        yield (
            given[1] if given else "node",
            f"stands beside {given[0]}" if given else "is missing; allowed: node, path, condition",
        )
    for key in ("bit", "inverted"):
        if table.condition is not None and getattr(table, key) not in (None, False):
            yield key, "does not go with condition"
    for key in ("source", "notifier"):
        if table.condition is None and getattr(table, key) is not None:
            yield key, "goes with condition"


def _typed(table: NodeSignal, spec: SignalSpec) -> Typed:
    return Typed(
        kind=spec.kind,
        missing=table.missing,
        empty=table.empty,
        map={text: said(value, spec.kind) for text, value in table.map.items()},
        affine=affine(table.scale, table.offset, table.unit, spec.unit),
        choices=spec.choices,
        inverted=table.inverted,
    )
