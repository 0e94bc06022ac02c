"""Joining an OPC UA profile with the words of its class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from gateway.core.sample import Value, signal_key
from gateway.profile import bind_rules
from gateway.profile.bind_happenings import EventRecords, Told, conditions
from gateway.profile.bind_nodes import NodeEntry, NodeSignals
from gateway.profile.bind_words import Add
from gateway.profile.bound import Alarm, Bound, Signal
from gateway.profile.bound_nodes import Subscription
from gateway.profile.models import NodeProfile
from gateway.profile.nodes import NodeCodec
from gateway.profile.tables_opcua import EventRecord, NodeAlarm, NodeSignal, Subscribe
from gateway.profile.vocabulary import Vocabulary

_AHEAD, _LEAST = 4, 10
_FASTEST_S = 0.01
"""What a server that samples as fast as it can is taken to manage."""


def bind_nodes(profile: NodeProfile, vocabulary: Vocabulary, bound: Bound, add: Add) -> Bound:
    """`bound` with everything that comes from nodes and events. Problems are noted by `add`."""
    signals = NodeSignals(profile, vocabulary, add)
    entries = list(signals.entries())
    told = [
        Told(signals.subscription(each.subscription, ("record", index)), each.event, each.reader)
        for index, each in enumerate(EventRecords(profile, vocabulary, add).told())
    ]
    told += _conditions(entries)
    _once(entries, add)
    found = {each.item.key: each.item for each in entries if isinstance(each.item, Signal)}
    _complete(profile, vocabulary, add)
    for index, table in enumerate(profile.rule):
        for key, message in bind_rules.complaints(table, vocabulary, found):
            add(("rule", index, *key.split(".", 1)), message)
    codec = NodeCodec(
        _subscriptions(profile, entries, told, add),
        [each.place for each in entries if each.place is not None],
        {each.event.key: each.reader for each in told},
    )
    _examples(entries, add)
    rules = [table for table in profile.rule if not list(bind_rules.complaints(table, vocabulary, found))]
    return msgspec.structs.replace(
        bound,
        signals=found,
        alarms={each.item.key: each.item for each in entries if isinstance(each.item, Alarm)},
        rules=tuple(bind_rules.bound_rule(table, vocabulary, found) for table in rules),
        told=frozenset((*(table.record for table in profile.rule), *(table.name for table in profile.record))),
        examples={each.item.key: each.example for each in entries},
        nodes=codec,
    )


def _conditions(entries: Sequence[NodeEntry]) -> list[Told]:
    by_notifier: dict[str, list[NodeEntry]] = {}
    for each in entries:
        if each.condition is not None:
            by_notifier.setdefault(each.notifier, []).append(each)
    return [
        conditions(notifier, own[0].subscription, tuple(each.condition for each in own if each.condition is not None))
        for notifier, own in by_notifier.items()
    ]


def _once(entries: Sequence[NodeEntry], add: Add) -> None:
    keys: set[str] = set()
    subscribed: dict[str, str] = {}
    for each in entries:
        if each.item.key in keys:
            add(each.path, f"{each.item.key!r} is there twice")
        keys.add(each.item.key)
        if each.place is not None:
            first = subscribed.setdefault(each.place.node, each.subscription)
            if first != each.subscription:
                add((*each.path[:2], "subscribe"), f"differs: {each.place.node!r} is in {first!r} already")


def _complete(profile: NodeProfile, vocabulary: Vocabulary, add: Add) -> None:
    names = {signal_key(text).name for text in (*profile.signal, *profile.constant)}
    for spec in vocabulary.signals.values():
        if spec.required and spec.name not in names:
            add(("signal", spec.name), f"is missing, and a {vocabulary.machine_class} needs it: {spec.meaning}")
    for text in profile.signal.keys() & profile.constant.keys():
        add(("constant", text), "is read too; allowed: one of them")


def _subscriptions(
    profile: NodeProfile, entries: Sequence[NodeEntry], told: Sequence[Told], add: Add
) -> list[Subscription]:
    first = next(iter(profile.subscribe))
    tables: list[NodeSignal | NodeAlarm | EventRecord] = [*profile.signal.values(), *profile.alarm, *profile.record]
    used = {table.subscribe or first for table in tables}
    found = []
    for name, table in profile.subscribe.items():
        nodes = [each.place.node for each in entries if each.place is not None and each.subscription == name]
        events = [each.event for each in told if each.subscription == name]
        if name not in used and used <= profile.subscribe.keys():
            add(("subscribe", name), "is in vain: no signal, alarm or record belongs to it")
        found.append(
            Subscription(
                name=name,
                publish_s=table.publish,
                sample_s=table.publish if table.sample is None else table.sample,
                queue=_queue(table),
                nodes=tuple(dict.fromkeys(nodes)),
                events=tuple(events),
            )
        )
    return found


def _queue(table: Subscribe) -> int:
    if table.queue is not None:
        return table.queue
    sample = table.publish if table.sample is None else table.sample
    return max(_LEAST, math.ceil(_AHEAD * table.publish / max(sample, _FASTEST_S)))


def _examples(entries: Sequence[NodeEntry], add: Add) -> None:
    """Every example must come back from its node."""
    for each in entries:
        if each.place is None:
            continue
        try:
            raw = each.place.write(each.example)
        except ValueError as error:
            add(each.path, str(error))
            continue
        back = each.place.read(raw if each.place.bit is None else int(raw) << each.place.bit)
        if not _same(back, each.example):
            add(each.path, f"cannot be what the machine shows: its node then says {back!r}")


def _same(back: Value, value: Value) -> bool:
    if isinstance(value, bool | str) or isinstance(back, bool | str) or value is None or back is None:
        return back == value
    return math.isclose(back, value, rel_tol=1e-12, abs_tol=1e-12)
