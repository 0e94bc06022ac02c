"""Whether a signal's table fits the kind of value that the class wants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

from gateway.cfx.catalogue import enum
from gateway.core.problems import allowed, suggestion
from gateway.core.sample import SignalKey, Value
from gateway.profile.layout import BIT_TYPES, FLOATS, INTEGERS, limits, words
from gateway.profile.state_names import state_name
from gateway.profile.tables import Scalar
from gateway.profile.tables_registers import RegisterSignal
from gateway.profile.vocabulary import Kind, SignalSpec

Complaint = tuple[str, str]
"""A key of the table, and what is wrong with it."""

KINDS: Mapping[str, tuple[Kind, ...]] = {
    "scale": (Kind.NUMBER, Kind.COUNTER),
    "offset": (Kind.NUMBER,),
    "unit": (Kind.NUMBER,),
    "deadband": (Kind.NUMBER,),
    "modulus": (Kind.COUNTER,),
    "reset": (Kind.COUNTER,),
    "debounce": (Kind.STATE, Kind.TEXT, Kind.FLAG),
    "empty": (Kind.TEXT,),
    "inverted": (Kind.FLAG,),
    "map": (Kind.STATE, Kind.TEXT, Kind.FLAG),
}
"""Which kinds each key is for."""


Numbers = type[float] | type[int] | None
"""In what the machine says it; None: as text."""


class Form(msgspec.Struct, frozen=True):
    """How a signal lies in its registers, checked. bit: one bit, also a coil's. width: bits, where not all of them."""

    type: str
    bits: tuple[int, int] | None
    bit: bool

    @property
    def numbers(self) -> Numbers:
        return float if self.type in FLOATS else None if self.type == "string" else int

    @property
    def limits(self) -> tuple[int, int]:
        if self.bit or self.type == "bool":
            return 0, 1
        return limits(self.type, None if self.bits is None else self.bits[1] - self.bits[0] + 1)


def form(table: RegisterSignal, *, coil: bool) -> Form | list[Complaint]:
    """coil: its table has bits, not registers."""
    found: list[Complaint] = []
    type_: str | None = table.type
    if coil:
        found += [
            (key, "belongs to registers, not to coils and discrete inputs")
            for key in ("bit", "bits", "length", "encoding", "word_order", "byte_order")
            if getattr(table, key) is not None
        ]
        if type_ not in (None, "bool"):
            found.append(("type", "a coil or discrete input is one bit; allowed: bool"))
        return found or Form("bool", None, True)
    if (table.length is None) is (type_ == "string"):
        found.append(("length", "is missing: how many registers?" if type_ == "string" else "belongs to a string"))
    if table.encoding is not None and type_ != "string":
        found.append(("encoding", "belongs to a string"))
    if table.bit is not None and table.bits is not None:
        found.append(("bits", "stands beside bit; allowed: one of them"))
    bits = table.bits if table.bit is None else (table.bit, table.bit)
    if bits is not None:
        type_ = type_ or "u16"
        if type_ not in BIT_TYPES:
            found.append(("type", f"has no bits to choose from{allowed(BIT_TYPES)}"))
        elif not bits[0] <= bits[1] < 16 * words(type_, None):
            last = 16 * words(type_, None) - 1
            found.append(
                ("bit" if table.bits is None else "bits", f"is not within {type_}; allowed: 0 to {last}, lowest first")
            )
    elif type_ is None:
        found.append(("type", f"is missing{allowed({*INTEGERS, *FLOATS, 'bool', 'string'})}"))
    if table.bit is not None:  # one bit has no sign
        type_ = (type_ or "u16").replace("i", "u")
    return found or Form(type_ or "u16", bits, table.bit is not None)


def own(key: SignalKey, table: RegisterSignal, form: Form) -> SignalSpec:
    """The specification that a vendor's own signal (`x.*`) gives itself."""
    values = list(table.map.values())
    unit = None
    if table.modulus or table.reset:
        kind = Kind.COUNTER
    elif (values and all(isinstance(value, bool) for value in values)) or (
        not values and (form.bit or form.type == "bool")
    ):
        kind = Kind.FLAG
    elif values or form.type == "string":
        kind = Kind.TEXT
    else:
        kind, unit = Kind.NUMBER, table.unit or "1"
    return SignalSpec(name=key.name, kind=kind, meaning="", unit=unit, array=True, lane=True, stage=True)


def complaints(table: RegisterSignal, form: Form, spec: SignalSpec) -> Iterator[Complaint]:
    """Everything in which the table does not fit the specification."""
    kind = spec.kind
    yield from _source(table, form, kind)
    for key, kinds in KINDS.items():
        if getattr(table, key) not in (None, (), {}, False) and kind not in kinds:
            yield key, f"does not belong to a {kind.value}; allowed with: {', '.join(each.value for each in kinds)}"
    if kind is Kind.NUMBER and table.unit is None and spec.unit not in (None, "1"):
        yield "unit", f"is missing: what the machine measures in; the class wants {spec.unit!r}"
    if kind is Kind.COUNTER:
        yield from _counter(table, form)
    if table.scale == 0:
        yield "scale", "must not be 0"
    if table.inverted and table.map:
        yield "inverted", "stands beside map; allowed: one of them"
    if table.empty and spec.choices:
        yield "empty", f"is no choice{allowed(spec.choices)}"
    yield from _map(table, form, spec)
    for key in ("missing", "empty"):
        for part in getattr(table, key):
            if not _fits(part, form):
                yield key, f"{part!r} is nothing that {form.type} can hold"


def _source(table: RegisterSignal, form: Form, kind: Kind) -> Iterator[Complaint]:
    """Whether such a value can come out of such registers at all."""
    bit = form.bit or form.type == "bool"
    said = "bit" if table.bit is not None else "type"
    if kind is Kind.TIME:
        yield "type", "is a time, which cannot be read from registers"
    elif kind in (Kind.NUMBER, Kind.COUNTER):
        if form.type == "string" or bit:
            yield said, f"is {'one bit' if bit else 'a text'}, and a {kind.value} is wanted"
    elif table.map:
        return
    elif form.numbers is float:
        yield "type", f"is a floating-point number, and a {kind.value} is wanted"
    elif bit and kind is not Kind.FLAG:
        yield said, f"is one bit, and a {kind.value} is wanted; map says what 0 and 1 mean"
    elif form.type == "string" and kind is Kind.FLAG:
        yield "type", "is a text, and a flag is wanted; map says what is true and false"


def _counter(table: RegisterSignal, form: Form) -> Iterator[Complaint]:
    scale = 1.0 if table.scale is None else table.scale
    if not scale.is_integer() or scale < 1:
        yield "scale", "must be a whole number, for counters are"
    elif table.modulus is not None and form.numbers is int and table.modulus > (form.limits[1] + 1) * scale:
        yield "modulus", f"is more than {form.type} can count to; allowed: up to {int((form.limits[1] + 1) * scale)}"


def _map(table: RegisterSignal, form: Form, spec: SignalSpec) -> Iterator[Complaint]:
    seen: set[object] = set()
    for text, value in table.map.items():
        part = map_key(text, form)
        if part is None:
            yield f"map.{text}", f"is nothing that {form.type} can hold"
        elif part in seen:
            yield f"map.{text}", "stands for a number that is there already"
        seen.add(part)
        if spec.kind is Kind.FLAG:
            if not isinstance(value, bool):
                yield f"map.{text}", "must be true or false"
        elif spec.kind in (Kind.TEXT, Kind.STATE):
            reason = word(value, spec.kind, spec.choices)
            if reason:
                yield f"map.{text}", reason


def word(value: Scalar, kind: Kind, choices: tuple[str, ...]) -> str | None:
    """What is wrong with a text or state."""
    if not isinstance(value, str) and (kind is Kind.TEXT or isinstance(value, bool)):
        return "must be text in quotes"
    if kind is Kind.STATE and state_name(value) is None:
        found = enum("CFX.Structures.ResourceState")
        names = () if found is None else tuple(found.values)
        return f"{value!r} is no CFX ResourceState{suggestion(str(value), names)}{allowed(names)}"
    if choices and value not in choices:
        return f"{value!r} is not one of the choices{suggestion(str(value), choices)}{allowed(choices)}"
    return None


def said(value: Scalar, kind: Kind) -> Value:
    """A fixed value of that kind as it is compared: a state by its name."""
    return state_name(value) if kind is Kind.STATE else value


def map_key(text: str, form: Form) -> object:
    """What a key of `map` stands for: for numbers one that the type can hold; None if it is none."""
    if form.numbers is None:
        return text
    try:
        number: float | None = int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError:
        number = _decimal(text)
    return number if number is not None and _fits(number, form) else None


def _decimal(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _fits(part: Scalar, form: Form) -> bool:
    if form.numbers is None or isinstance(part, str):
        return form.numbers is None and isinstance(part, str)
    if form.numbers is float:
        return not isinstance(part, bool)
    low, high = form.limits
    return isinstance(part, int) and low <= part <= high
