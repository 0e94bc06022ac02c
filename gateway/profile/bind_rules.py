"""Rules of a register profile: records that follow from the change of a signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.core.problems import allowed, suggestion, unknown
from gateway.core.sample import Value
from gateway.profile.bind_kinds import Complaint, said, word
from gateway.profile.bound import Rule, Signal, When
from gateway.profile.tables import Scalar
from gateway.profile.tables_registers import SignalRule
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, Vocabulary

_COMPARING = (When.BECOMES, When.LEAVES)
_KINDS: Mapping[When, tuple[Kind, ...]] = {
    When.RISING: (Kind.FLAG,),
    When.FALLING: (Kind.FLAG,),
    When.INCREASED: (Kind.COUNTER, Kind.NUMBER),
}


def bound_rule(table: SignalRule, vocabulary: Vocabulary, signals: Mapping[str, Signal]) -> Rule:
    """Of a table without complaints."""
    value = None if table.value is None else said(table.value, signals[table.signal].kind)
    return Rule(
        key=table.signal,
        when=When(table.when),
        record=table.record,
        value=value,
        lane=table.lane,
        stage=table.stage,
        fields=table.fields,
        constants=said_constants(table.constants, vocabulary.records[table.record]),
    )


def complaints(table: SignalRule, vocabulary: Vocabulary, signals: Mapping[str, Signal]) -> Iterator[Complaint]:
    """Everything that is wrong with a rule."""
    when = When(table.when)
    signal = signals.get(table.signal)
    if signal is None:
        yield "signal", f"{table.signal!r} is no signal of this profile{_near(table.signal, signals)}"
    elif signal.kind not in _KINDS.get(when, tuple(Kind)):
        yield "when", f"does not go with a {signal.kind.value}"
    elif when in _COMPARING and table.value is not None:
        reason = wrong_value(table.value, signal.kind, ())
        if reason:
            yield "value", reason
    if (table.value is not None) is not (when in _COMPARING):
        yield "value", "belongs to becomes and leaves" if table.value is not None else f"is missing with {table.when}"
    record = vocabulary.records.get(table.record)
    if record is None:
        yield "record", unknown(table.record, f"record of a {vocabulary.machine_class}", vocabulary.records)
    else:
        yield from place(record, lane=table.lane is not None, stage=table.stage is not None)
        yield from _fields(table, record, signals)
        yield from required(record, {*table.fields, *table.constants})


def place(record: RecordSpec, *, lane: bool, stage: bool) -> Iterator[Complaint]:
    """lane, stage: whether it names one."""
    if lane and not record.lane:
        yield "lane", f"does not belong to {record.name}"
    if stage and not record.stage:
        yield "stage", f"does not belong to {record.name}"


def required(record: RecordSpec, given: set[str]) -> Iterator[Complaint]:
    for field in record.fields:
        if field.required and field.name not in given:
            yield "fields", f"lacks {field.name!r}, without which a {record.name} says nothing"


def _fields(table: SignalRule, record: RecordSpec, signals: Mapping[str, Signal]) -> Iterator[Complaint]:
    for name, key in table.fields.items():
        signal = signals.get(key)
        spec = field(record, name)
        if isinstance(spec, str):
            yield f"fields.{name}", spec
        if signal is None:
            yield f"fields.{name}", f"{key!r} is no signal of this profile{_near(key, signals)}"
        elif isinstance(spec, FieldSpec) and (reason := _mismatch(spec, signal)):
            yield f"fields.{name}", reason
    yield from constants(table.constants, record, set(table.fields))


def constants(given: Mapping[str, Scalar], record: RecordSpec, others: set[str]) -> Iterator[Complaint]:
    """others: fields that are given otherwise."""
    for name, value in given.items():
        spec = field(record, name)
        if isinstance(spec, str):
            yield f"constants.{name}", spec
        elif spec is not None and (reason := wrong_value(value, spec.kind, spec.choices)):
            yield f"constants.{name}", reason
        if name in others:
            yield f"constants.{name}", "is given under fields too"


def said_constants(given: Mapping[str, Scalar], record: RecordSpec) -> dict[str, Value]:
    kinds = {spec.name: spec.kind for spec in record.fields}
    return {name: said(value, kinds.get(name, Kind.TEXT)) for name, value in given.items()}


def field(record: RecordSpec, name: str) -> FieldSpec | str | None:
    """Its specification, None for a vendor's own, or what is wrong."""
    if name.startswith("x."):
        return None
    for spec in record.fields:
        if spec.name == name:
            return spec
    names = [spec.name for spec in record.fields]
    return f"{unknown(name, f'field of {record.name}', names)}; a vendor's own begins with x."


def wrong_value(value: Value, kind: Kind, choices: tuple[str, ...]) -> str | None:
    """What is wrong with a fixed value of a field or signal."""
    if kind in (Kind.TEXT, Kind.STATE) and value is not None:
        return word(value, kind, choices)
    if kind is Kind.FLAG:
        return None if isinstance(value, bool) else "must be true or false"
    if kind is Kind.TIME:
        return "is a time, which is never always the same"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    return None if kind is Kind.NUMBER or isinstance(value, int) else "must be a whole number"


def _mismatch(spec: FieldSpec, signal: Signal) -> str | None:
    counts = signal.kind is Kind.COUNTER and spec.kind is Kind.NUMBER and spec.unit in (None, "1")
    if spec.kind is not signal.kind and not counts:
        return f"is a {spec.kind.value}, and the signal is a {signal.kind.value}"
    if spec.kind is Kind.NUMBER and not counts and spec.unit != signal.unit:
        return f"is in {spec.unit!r}, and the signal is in {signal.unit!r}"
    return None


def _near(key: str, signals: Mapping[str, Signal]) -> str:
    shown = [name for name in signals if not name.endswith("]") or name.endswith("[1]")]
    return f"{suggestion(key, signals)}{allowed(shown)}"
