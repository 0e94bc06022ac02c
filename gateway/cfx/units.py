"""Which units, panels, carriers, magazines and tools a message names, and where.

The catalogue says in which fields of which message identifiers can stand. From it one `Plan` per type is made, that
leads only to those; so a large inspection result is not searched twice through all its measurements. Messages that
the catalogue does not have are searched everywhere, by field name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from gateway.cfx.catalogue import compound, heirs, messages, structures
from gateway.core.event import Role, UnitRef

_IDENTIFIERS: Mapping[str, Role] = {
    "MagazineId": Role.MAGAZINE,
    "InstalledUnitIdentifier": Role.UNIT,
    "TopBarcode": Role.UNIT,
    "BottomBarcode": Role.UNIT,
    "Barcode": Role.UNIT,
    "BarcodeLabel": Role.UNIT,
}
"""Fields that hold an identifier wherever they stand. HermesIdentifier and BoardId are handles of the transport."""

_NUMBERS = 2**31
"""CFX's whole numbers are 32 bits. Anything larger is no lane and no position."""
_PANEL = "CFX.Structures.InspectedPanel"
_TOOL = "CFX.Structures.Tool"
_HEAD = "CFX.Structures.SMTPlacement.SMTHeadAndNozzle"
"""A tool too, but named with each placed component; it says nothing about the work that a search would look for."""
_CARRIERS = frozenset(f"CFX.Production.LoadingAndUnloading.{name}" for name in ("UnitsLoaded", "UnitsUnloaded"))
"""Messages whose own UniqueIdentifier is the carrier that the units are taken from or put into."""


class Token(str):
    """A number as it stood in JSON: an identifier may look like 1.50, and must stay that."""

    __slots__ = ()


class Plan:
    """What to look at in objects of one declared type, subtypes included.

    unit, unique: the role of UnitIdentifier and UniqueIdentifier (None: it has none, or it is not about units);
    identifiers: other fields with an identifier; below: fields to descend into.
    """

    __slots__ = ("below", "identifiers", "unique", "unit")

    def __init__(self, unit: Role | None, identifiers: tuple[tuple[str, Role], ...], unique: Role | None) -> None:
        self.unit = unit
        self.identifiers = identifiers
        self.unique = unique
        self.below: tuple[tuple[str, Plan], ...] = ()


_Found = list[tuple[str | None, int | None, Role, str | None]]


class FloatIdentifier(Exception):
    """An identifier was sent as a number with a fraction, of which a float does not keep the digits."""


def identifier(value: object) -> str | None:
    """An identifier as text, exactly; a whole number by its digits; None for null, empty, and what is neither.

    Raises FloatIdentifier for a float; `Token` keeps such a number's text.
    """
    if type(value) is str:  # nearly always
        return value or None
    if isinstance(value, str):
        return str(value) or None
    if type(value) is float:
        raise FloatIdentifier
    return str(value) if type(value) is int else None


def number(value: object) -> int | None:
    """A whole number of CFX's size, also when it was sent as text or as `1.0`."""
    if type(value) is int:  # nearly always
        return value if -_NUMBERS <= value < _NUMBERS else None
    if isinstance(value, str):
        digits = value.removesuffix(".0")
        if len(digits) > 10 or not digits.isascii() or not digits.isdigit():
            return None
        value = int(digits)
    elif type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and -_NUMBERS <= value < _NUMBERS else None


@cache
def _fields(name: str) -> Mapping[str, str]:
    """Field name to type, of a type and all that derive from it."""
    fields: dict[str, str] = {}
    for heir in heirs(name):
        entry = compound(heir)
        if entry is not None:
            if entry.items:
                fields["$values"] = entry.items
            fields.update((field.name, field.type) for field in entry.fields.values())
    return fields


def _own(name: str) -> Plan:
    fields = _fields(name)
    identifiers = tuple((field, role) for field, role in _IDENTIFIERS.items() if fields.get(field) == "str")
    unique = None
    if name in _CARRIERS:
        unique = Role.CARRIER
    elif name in heirs(_TOOL) and name != _HEAD:
        unique = Role.TOOL
    elif fields.get("PositionNumber") == "int32" and "UnitIdentifier" not in fields and "UniqueIdentifier" in fields:
        unique = Role.UNIT  # ValidationResult
    unit = (Role.PANEL if name == _PANEL else Role.UNIT) if "UnitIdentifier" in fields else None
    return Plan(unit, identifiers, unique)


@cache
def _plans() -> Mapping[str, Plan]:
    """Of every type from which an identifier can be reached."""
    names = (*messages(), *structures())
    plans = {name: _own(name) for name in names}
    useful = {name for name, plan in plans.items() if plan.unit or plan.identifiers or plan.unique}
    useful |= {name for name in names if "PrimaryIdentifier" in _fields(name)}
    while True:
        more = {name for name in names if useful.intersection(_fields(name).values())} - useful
        if not more:
            break
        useful |= more
    for name in useful:
        below = ((field, target) for field, target in _fields(name).items() if target in useful)
        plans[name].below = tuple((field, plans[target]) for field, target in below)
    return {name: plans[name] for name in useful}


def _note(plan: Plan, value: Mapping[str, object], found: _Found) -> None:
    if plan.unit is not None:
        unit = identifier(value.get("UnitIdentifier"))
        position = number(value.get("PositionNumber", value.get("UnitPositionNumber")))
        if position is not None and position < 1:
            position = None
        if unit is not None or position is not None:
            status = value.get("Status")
            found.append((unit, position, plan.unit, status if type(status) is str and status else None))
    for field, role in plan.identifiers:
        unit = identifier(value.get(field))
        if unit is not None:
            found.append((unit, None, role, None))
    if plan.unique is not None:
        unit = identifier(value.get("UniqueIdentifier"))
        if unit is not None:
            found.append((unit, number(value.get("PositionNumber")), plan.unique, None))


def _walk(plan: Plan, value: Mapping[str, object], found: _Found) -> None:
    if plan.unit is not None or plan.identifiers or plan.unique is not None:
        _note(plan, value, found)
    for field, below in plan.below:
        inner = value.get(field)
        if type(inner) is dict:
            _walk(below, inner, found)
        elif type(inner) is list:
            for item in inner:
                if type(item) is dict:
                    _walk(below, item, found)


def plan_of(name: str) -> Plan | None:
    """The plan of a message of the catalogue; None when no identifier can stand in it."""
    return _plans().get(name)


_ANYWHERE = Plan(Role.UNIT, tuple(_IDENTIFIERS.items()), None)


def _walk_anywhere(value: Mapping[str, object], found: _Found) -> None:
    _note(_ANYWHERE, value, found)
    for inner in value.values():
        if type(inner) is dict:
            _walk_anywhere(inner, found)
        elif type(inner) is list:
            for item in inner:
                if type(item) is dict:
                    _walk_anywhere(item, found)


def units(name: str, body: Mapping[str, object], known: bool) -> tuple[UnitRef, ...]:
    """Every identifier in `body` with its position and role, in order of appearance, each such triple once.

    known: the catalogue has the message. An identifier that stands for several positions is a panel's; so is the
    primary identifier when the units have others.
    """
    found: _Found = []
    if known:
        plan = _plans().get(name)
        if plan is None:
            return ()
        _walk(plan, body, found)
    else:
        _walk_anywhere(body, found)
    primary = identifier(body.get("PrimaryIdentifier"))
    if not found:
        return () if primary is None else (UnitRef(primary),)
    if primary is not None:
        found = _with_primary(primary, found)
    if len(found) == 1:
        unit, position, role, status = found[0]
        return (UnitRef(unit, position, role, status),)
    return _resolve(found)


def _with_primary(primary: str, found: _Found) -> _Found:
    """Adds the primary identifier, unless the units carry it themselves."""
    named = [unit for unit, _, role, _ in found if role is Role.UNIT]
    if primary in named:
        return found
    if named == [None] and len(found) == 1:
        _, position, role, status = found[0]
        return [(primary, position, role, status)]  # one anonymous unit: it is the one that was scanned
    return [(primary, None, Role.PANEL if named else Role.UNIT, None), *found]


def _resolve(found: _Found) -> tuple[UnitRef, ...]:
    if len({unit for unit, _, role, _ in found if role is Role.UNIT}) == len(found):  # nothing is named twice
        return tuple([UnitRef(unit, position, role, status) for unit, position, role, status in found])
    roles: dict[str, Role] = {}
    positions: dict[str, int] = {}
    for unit, position, role, _ in found:
        if unit is None:
            continue
        if role is not Role.UNIT:
            roles[unit] = role
        elif position is not None and positions.setdefault(unit, position) != position:
            roles.setdefault(unit, Role.PANEL)
    refs: dict[tuple[str | None, int | None, Role], UnitRef] = {}
    for unit, position, role, status in found:
        if role is Role.UNIT and unit is not None:
            role = roles.get(unit, role)
        if (unit, position, role) not in refs:
            refs[unit, position, role] = UnitRef(unit, position, role, status)
    return tuple(refs.values())
