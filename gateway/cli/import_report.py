"""What `lineside import-pcap` says: what was imported, and what was not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.core.times import rfc3339
from gateway.pcap.flows import Account
from gateway.pcap.importing import Import
from gateway.pcap.places import Places

_MOST_SERVERS = 20


def as_json(found: Import, places: Places, events: int) -> dict[str, Any]:
    unknown = found.unknown
    return {
        "packets": found.packets,
        "frames": found.frames,
        "events": events,
        "from": None if found.first is None else rfc3339(found.first),
        "to": None if found.first is None else rfc3339(found.last),
        "damage": found.damage,
        "streams": [_stream(each) for each in found.accounts],
        "not_found": not_found(found, places),
        "unknown": [
            {
                "server": f"{host}:{port}",
                "looks_like": unknown.looks.get((host, port)),
                "packets": packets,
                "bytes": unknown.bytes[host, port],
            }
            for (host, port), packets in unknown.packets.most_common()
        ],
    }


def _stream(account: Account) -> dict[str, Any]:
    return {
        "connection": account.connection,
        "client": account.client,
        "server": account.server,
        "name": account.name,
        "from": rfc3339(account.began),
        "to": rfc3339(account.ended),
        "packets": account.packets,
        "bytes": account.bytes,
        "frames": account.frames,
        "used": account.used,
        "joined": account.joined,
        "one_sided": account.one_sided,
        "missing_bytes": account.missing,
        "repeated_bytes": account.again,
        "problem": account.problem,
        "unread": account.told,
    }


def not_found(found: Import, places: Places) -> dict[str, str]:
    """Connections of which the recording has nothing, and why."""
    there = {each.connection for each in found.accounts}
    missing = {name: "no packet of it is in the recording" for name in found.connections if name not in there}
    return missing | places.unread


def text(found: Import, places: Places, events: int, out: Path) -> Iterator[str]:
    span = "" if found.first is None else f", {rfc3339(found.first)} to {rfc3339(found.last)}"
    yield f"{found.packets} TCP packets{span}"
    if found.damage:
        yield f"damaged: {found.damage}"
    for connection in found.connections:
        mine = [each for each in found.accounts if each.connection == connection]
        if mine:
            yield from _of(connection, mine)
    for name, why in not_found(found, places).items():
        yield f"{name}: not found: {why}"
    yield from _others(found)
    if found.frames:
        yield f"{found.frames} frames, which give {events} events: {out}"
    else:
        yield "nothing could be imported"


def _of(connection: str, mine: list[Account]) -> Iterator[str]:
    used = [each for each in mine if each.used and each.frames]
    frames = sum(each.frames for each in used)
    streams = f"{len(mine)} TCP connection{'s' * (len(mine) > 1)}"
    yield f"{connection}: {frames} frames of {len(used)} of {streams}"
    notes: Counter[str] = Counter()
    for each in mine:
        _notes(each, notes)
    for note, count in notes.items():
        yield f"  {count:>7}  {note}"


def _notes(account: Account, notes: Counter[str]) -> None:
    for what, count in account.told.items():
        notes[what] += count
    if account.frames and not account.used:
        notes["frames left out: somebody else's copies of what is imported"] += account.frames
    if account.problem:
        notes[f"TCP connections not read to their end: {account.problem}"] += 1
    if account.joined:
        notes["TCP connections whose beginning is not in the recording"] += 1
    if account.one_sided:
        notes["TCP connections of which only one direction is in the recording"] += 1
    if account.missing:
        notes["bytes missing: packets that were not recorded"] += account.missing


def _others(found: Import) -> Iterator[str]:
    servers = found.unknown.packets.most_common()
    for (host, port), packets in servers[:_MOST_SERVERS]:
        look = found.unknown.looks.get((host, port))
        like = f", looks like {look}" if look else ""
        yield f"not in the configuration: {host}:{port}{like}: {packets} packets"
    if len(servers) > _MOST_SERVERS:
        rest = sum(packets for _, packets in servers[_MOST_SERVERS:])
        yield f"not in the configuration: {len(servers) - _MOST_SERVERS} more: {rest} packets"
