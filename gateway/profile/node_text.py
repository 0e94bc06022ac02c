"""How a profile writes which node of an OPC UA server it means: a NodeId, or the way to it by browse names."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_NODE = re.compile(
    r"(?:ns=(?P<ns>[0-9]{1,5});|nsu=(?P<uri>[^;]+);)?"
    r"(?:i=(?P<i>[0-9]{1,10})|s=(?P<s>.+)|g=(?P<g>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})|b=(?P<b>[A-Za-z0-9+/]*={0,2}))"
)
_STEP = re.compile(r"(?:nsu=(?P<uri>[^;]+);|(?P<ns>[0-9]{1,5}):)?(?P<name>(?:[^/&]|&.)+)(?:/|$)")


class NodeName(NamedTuple):
    """A NodeId (OPC 10000-6, 5.3.1.10). uri: of its namespace, where the profile names that and not an index."""

    namespace: int
    uri: str | None
    kind: Literal["i", "s", "g", "b"]
    identifier: str


class Step(NamedTuple):
    """A browse name on the way."""

    namespace: int
    uri: str | None
    name: str


def parse_node(text: str) -> NodeName:
    """`ns=2;s=Zone1.Temp`, `nsu=http://acme.example/oven;i=7001`, `i=2253`. Raises ValueError."""
    found = _NODE.fullmatch(text)
    if found is None or int(found["ns"] or 0) > 65_535 or int(found["i"] or 0) > 0xFFFF_FFFF:
        raise ValueError(
            f"{text!r} is no NodeId; allowed: such as ns=2;s=Zone1.Temp, nsu=http://acme.example/oven;i=7001, ns=1;g=…, ns=1;b=…"
        )
    kind: Literal["i", "s", "g", "b"] = "i" if found["i"] else "s" if found["s"] else "g" if found["g"] else "b"
    return NodeName(int(found["ns"] or 0), found["uri"], kind, found[kind])


def parse_path(text: str) -> tuple[Step, ...]:
    """`Objects/2:Oven/2:State`, from the root; `&` before a `/` or `&` that belongs to a name (OPC 10000-4, A.2).
    Raises ValueError."""
    steps = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or int(found["ns"] or 0) > 65_535:
            raise ValueError(f"{text!r} is no browse path; allowed: such as Objects/2:Oven/2:State")
        steps.append(Step(int(found["ns"] or 0), found["uri"], re.sub(r"&(.)", r"\1", found["name"])))
        at = found.end()
    if not steps or text.endswith("/"):
        raise ValueError(f"{text!r} is no browse path; allowed: such as Objects/2:Oven/2:State")
    return tuple(steps)


def parse_address(text: str) -> NodeName | tuple[Step, ...]:
    """Either. A browse path that looks like a NodeId is one. Raises ValueError."""
    return parse_node(text) if _NODE.fullmatch(text) else parse_path(text)
