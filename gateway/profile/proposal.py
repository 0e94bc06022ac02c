"""A profile to begin with, from what an OPC UA server has: every variable as a vendor's own signal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from gateway.profile.units import check

_UCUM = {
    "CEL": "Cel", "FAH": "[degF]", "KEL": "K", "P1": "%", "59": "[ppm]", "MTR": "m", "CMT": "cm", "MMT": "mm", "4H": "um",
    "INH": "[in_i]", "SEC": "s", "C26": "ms", "MIN": "min", "HUR": "h", "DAY": "d", "MTS": "m/s", "2X": "m/min",
    "C16": "mm/s", "PAL": "Pa", "KPA": "kPa", "MBR": "mbar", "BAR": "bar", "PS": "[psi]", "GRM": "g", "KGM": "kg",
    "NEW": "N", "VLT": "V", "2Z": "mV", "AMP": "A", "4K": "mA", "OHM": "Ohm", "WTT": "W", "KWT": "kW", "HTZ": "Hz",
    "RPM": "/min", "DD": "deg", "LTR": "l", "JOU": "J",
}  # fmt: skip
"""UNECE Recommendation 20 codes, which OPC UA's EngineeringUnits are made of (OPC 10000-8, 5.6.3), in UCUM."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")
_MOST_SHOWN = 60


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """node: its NodeId, with the URI of its namespace. path: browse names, from where browsing began. value: plain JSON;
    None where it has none that could be an example. type: of the value, in words. unit: what the server says; its UNECE
    code, or else its name."""

    node: str
    path: tuple[str, ...]
    value: Any
    type: str
    unit: str | None = None


def ucum(unit: str | None) -> str | None:
    """None for what has no UCUM code that is known here."""
    if unit is None:
        return None
    if unit in _UCUM:
        return _UCUM[unit]
    try:
        check(unit)
    except ValueError:
        return None
    return unit


def proposal(machine_class: str, variables: Iterable[Variable]) -> Iterator[str]:
    """Lines of TOML. What cannot be a signal, or has no value now, is a comment."""
    yield f'class = "{machine_class}"'
    yield 'protocol = "opcua"'
    yield "models = []                              # maker and model"
    yield 'evidence = { level = "site", source = "" } # where this was browsed'
    yield ""
    yield "[subscribe.fast]"
    yield 'publish = "200ms"'
    yield ""
    yield "# Give each signal that the class has a word for that word in place of x.…, and delete what nobody needs."
    taken: set[str] = set()
    for variable in variables:
        yield ""
        yield from _signal(variable, _name(variable.path, taken))


def _name(path: tuple[str, ...], taken: set[str]) -> str:
    parts = [_NOT_IN_NAMES.sub("_", part).strip("_").lower() or "_" for part in path]
    parts = [part if part[0].isalpha() else f"n{part}" for part in parts]
    base = name = "x." + ".".join(parts)
    number = 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name


def _signal(variable: Variable, name: str) -> Iterator[str]:
    value = variable.value
    mark = "# " if _shape(value) is None else ""
    yield f"# {'/'.join(variable.path)}: {variable.type}" + (
        f" in {variable.unit}" if variable.unit and ucum(variable.unit) is None else ""
    )
    yield f'{mark}[signal."{name}"]'
    yield f"{mark}node = {_toml(variable.node)}"
    if isinstance(value, list):
        yield f"{mark}array = {len(value)}"
    unit = ucum(variable.unit)
    if unit is not None and _shape(value) == "number":
        yield f"{mark}unit = {_toml(unit)}"
    yield f"{mark}example = {_toml(value)}" if not mark else f"{mark}example ="


def _shape(value: Any) -> str | None:
    """What could be a signal: numbers, flags, texts, and lists of one of them."""
    if isinstance(value, list):
        shapes = {_shape(each) for each in value}
        return shapes.pop() if len(shapes) == 1 and not isinstance(value[0], list) else None
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) and value and len(value) <= _MOST_SHOWN and value.isprintable() else None


def _toml(value: Any) -> str:
    """Strings of TOML's are JSON's."""
    return json.dumps(value, ensure_ascii=False)
