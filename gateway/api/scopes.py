"""Who may do what: every route with the scope that it needs. A route that is not here cannot be added."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

BASE = "/api/v1"


class Scope(StrEnum):
    """What a token is good for. None includes another."""

    READ = "read"  # events, stations and all that is derived from them
    CONSUME = "consume"  # own subscriptions
    OPERATE = "operate"  # changes in daily work, such as trying a quarantined message again
    ADMIN = "admin"  # the gateway itself


EVERYTHING_BUT_ADMIN = frozenset(Scope) - {Scope.ADMIN}

SCOPES: Mapping[tuple[str, str], Scope | None] = MappingProxyType(
    {
        ("GET", "/"): None,
        ("GET", "/healthz"): None,
        ("GET", "/readyz"): None,  # whoever may not read gets the verdict without the components
        ("GET", "/metrics"): Scope.READ,
        ("GET", f"{BASE}/events"): Scope.READ,
        ("GET", f"{BASE}/events/stream"): Scope.READ,
        ("GET", f"{BASE}/events/{{id}}"): Scope.READ,
        ("GET", f"{BASE}/events/{{id}}/raw"): Scope.READ,
        ("GET", f"{BASE}/lines"): Scope.READ,
        ("GET", f"{BASE}/stations"): Scope.READ,
        ("GET", f"{BASE}/stations/{{id}}"): Scope.READ,
        ("GET", f"{BASE}/stations/{{id}}/signals"): Scope.READ,
        ("GET", f"{BASE}/samples"): Scope.READ,
        ("GET", f"{BASE}/gaps"): Scope.READ,
        ("GET", f"{BASE}/quarantine"): Scope.READ,
        ("GET", f"{BASE}/quarantine/{{id}}/raw"): Scope.READ,
        ("POST", f"{BASE}/quarantine/{{id}}/retry"): Scope.OPERATE,
        ("GET", f"{BASE}/captures"): Scope.READ,
        ("POST", f"{BASE}/captures"): Scope.OPERATE,
        ("GET", f"{BASE}/captures/{{name}}"): Scope.READ,
        ("DELETE", f"{BASE}/captures/{{name}}"): Scope.OPERATE,
        ("POST", f"{BASE}/captures/{{name}}/start"): Scope.OPERATE,
        ("POST", f"{BASE}/captures/{{name}}/stop"): Scope.OPERATE,
        ("GET", f"{BASE}/captures/{{name}}/files/{{file}}"): Scope.READ,
        ("GET", "/captures"): None,  # what it shows, it asks for
        ("GET", "/captures/{file}"): None,
        ("POST", f"{BASE}/session"): None,  # the token is in the body
        ("DELETE", f"{BASE}/session"): None,
        ("GET", f"{BASE}/openapi.json"): None,
        ("GET", f"{BASE}/docs"): None,
        ("GET", f"{BASE}/docs/{{file}}"): None,
    }
)
