"""What a journal holds, as far as it is compared: its events as they are handed to anybody, made small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.core.times import Micros, parse_rfc3339


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One event. values: of the body, by the paths that were asked for; those that are not in it are left out."""

    seq: int
    id: str
    station: str
    message: str
    time: Micros
    received: Micros
    lane: int | None
    units: tuple[str, ...]
    count: int
    copy_of: str | None
    values: dict[str, Any]


class Gap(msgspec.Struct, kw_only=True):
    """The gateway says that it had lost sight of the station from `begin` to `end` (None: it still has)."""

    id: str
    station: str
    cause: str
    begin: Micros
    end: Micros | None = None


class Journal(msgspec.Struct):
    """events: by station, in the order of the journal. adjusted: units that counters say were missed, by station."""

    events: dict[str, list[Found]]
    gaps: dict[str, list[Gap]]
    adjusted: dict[str, int]
    read: int = 0


class _Event(msgspec.Struct):
    seq: int
    id: str
    station: str | None
    message: str
    origin: str
    time: str
    received: str
    lane: int | None
    units: tuple[str, ...]
    unit_refs: tuple[dict[str, Any], ...]
    possible_copy_of: str | None
    body: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Event).decode


def journal(lines: Iterable[bytes], paths: Mapping[tuple[str, str], frozenset[str]]) -> Journal:
    """Reads events, one a line. paths: what of the bodies is wanted, by station and message. Keeps no body."""
    made = Journal({}, {}, {})
    for line in lines:
        event = _decode(line)
        made.read += 1
        station = event.station or ""
        if event.origin == "gateway":
            _own(made, station, event)
            continue
        wanted = paths.get((station, event.message), frozenset())
        body = msgspec.json.decode(event.body) if wanted else None
        made.events.setdefault(station, []).append(
            Found(
                seq=event.seq,
                id=event.id,
                station=station,
                message=event.message,
                time=parse_rfc3339(event.time),
                received=parse_rfc3339(event.received),
                lane=event.lane,
                units=event.units,
                count=sum(each.get("role") == "unit" for each in event.unit_refs),
                copy_of=event.possible_copy_of,
                values={path: value for path in wanted if (value := at(body, path)) is not None},
            )
        )
    return made


def _own(made: Journal, station: str, event: _Event) -> None:
    """What the gateway says of itself that bears on the comparison."""
    if event.message == "Lineside.CountAdjusted":
        units = msgspec.json.decode(event.body).get("Units")
        made.adjusted[station] = made.adjusted.get(station, 0) + (units or 0)
    elif event.message == "Lineside.ObservationGap":
        body = msgspec.json.decode(event.body)
        known = made.gaps.setdefault(station, [])
        gap = next((each for each in known if each.id == body["GapId"]), None)
        if gap is None:
            gap = Gap(id=body["GapId"], station=station, cause=body["Cause"], begin=parse_rfc3339(body["From"]))
            known.append(gap)
        if body["State"] == "closed":
            gap.end = parse_rfc3339(body["To"])


def at(body: Any, path: str) -> Any:
    """What stands at a dotted path such as `InspectedUnits.0.OverallResult`; None when nothing does."""
    here = body
    for step in path.split("."):
        if isinstance(here, dict):
            here = here.get(step)
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here
