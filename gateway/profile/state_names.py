"""One spelling for each state, so that rules and maps compare: the CFX name, or a vendor's own code as a number."""

from __future__ import annotations

from gateway.cfx import states


def state_name(value: object) -> str | int | None:
    """Of a name, a code or a code as text (`1100` is `PRD_RegularWork`). None for what is no CFX ResourceState."""
    code = states.parse(value)
    return None if code is None else states.name(code) or code
