"""Equipment states: CFX ResourceState, its codes, and their roll-up to SEMI E10 and E58.

A code is thousands (SEMI E10 basic state), hundreds (SEMI E58 ARAMS substate) and the vendor's own two digits.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from gateway.cfx.catalogue import enum

_NAME = "CFX.Structures.ResourceState"
_LEGACY = {"22A0": 2201, "22B0": 2202}
"""Blocked and starved, as drafts before 1.0 wrote them."""


class E10(IntEnum):
    """Basic states of SEMI E10."""

    PRODUCTIVE = 1000
    STANDBY = 2000
    ENGINEERING = 3000
    SCHEDULED_DOWN = 4000
    UNSCHEDULED_DOWN = 5000
    NON_SCHEDULED = 6000


@cache
def _codes() -> dict[str, int]:
    states = enum(_NAME)
    return {} if states is None else dict(states.values)


@cache
def _names() -> dict[int, str]:
    return {code: name for name, code in _codes().items()}


def parse(value: object) -> int | None:
    """The code that a message means by `value`, or None where it means none.

    Takes what machines send: the number, the number as text, the name, the legacy `22A0` and `22B0`. Codes that CFX
    does not define are the vendor's and are kept; 0 is what the SDK writes for a state never set.
    """
    if isinstance(value, str):
        text = value.strip().removesuffix(".0")
        code = _codes().get(text) or _LEGACY.get(text.upper())
        if code is None and text.isascii() and text.isdigit() and len(text) <= 4:
            code = int(text)
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        code = int(value)
    else:
        return None
    return code if code is not None and 0 < code <= 9999 else None


def name(code: int) -> str | None:
    """CFX's name of a code, such as `PRD_RegularWork`; None for a vendor's own code."""
    return _names().get(code)


def e10(code: int) -> E10:
    """The basic state that a code belongs to; non-scheduled, as in the SDK, for what is no state at all."""
    try:
        return E10(code // 1000 * 1000)
    except ValueError:
        return E10.NON_SCHEDULED


def e58(code: int) -> int:
    """The substate: the code without the vendor's two digits (2201, blocked, belongs to 2200, no product)."""
    return code // 100 * 100
