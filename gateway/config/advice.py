"""What is allowed, and yet probably not meant."""

from __future__ import annotations

from pydantic import BaseModel

from gateway.config.plan import Resolved


def warnings(resolved: Resolved) -> list[str]:
    """One line for each, for `check` and the log at start. Looks at files, opens no connection."""
    found = [*_http(resolved), *_stations(resolved)]
    for name, settings in resolved.connections.items():
        found += [f"connection {name!r}: {text.removeprefix(f'{name}: ')}" for text in _own(settings)]
    return list(dict.fromkeys(found))


def _own(settings: BaseModel) -> list[str]:
    """What the adapter's settings say about themselves."""
    warn = getattr(settings, "warnings", None)
    return list(warn()) if callable(warn) else []


def _http(resolved: Resolved) -> list[str]:
    http, auth = resolved.config.http, resolved.config.auth
    found = []
    if auth is not None and not auth.tokens.is_file():
        found.append(f"auth.tokens: there is no file {auth.tokens} yet, so nobody can sign in; lineside token makes it")
    if not http.listen.loopback:
        found.append(f"http.listen: {http.listen} is without TLS; a proxy in front of it can add that")
        if auth is None:
            found.append(
                "http.allow_anonymous: whoever reaches the address can read and operate everything but administration"
            )
    return found


def _stations(resolved: Resolved) -> list[str]:
    if not resolved.connections:
        return ["there is no [[connection]] and no station: nothing will be heard"]
    served: dict[str, None] = {}
    handles: dict[str, str] = {}
    found = []
    for station in resolved.stations:
        for route in station.routes:
            served[route.connection] = None
            for handle in route.handles:
                other = handles.setdefault(handle, station.id)
                if other != station.id:
                    found.append(f"handle {handle!r} is claimed by {other} and, on another connection, by {station.id}")
    return found + [
        f"connection {name!r}: no station is on it; all it hears goes to stations under 'unassigned'"
        for name in resolved.connections
        if name not in served
    ]
