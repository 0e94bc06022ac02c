"""In what events differ, for people and as JSON: what `verify` and `reconcile --as replay` print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.replay.difference import Comparing, Count, Difference, Kind
from gateway.replay.told import NOTHING

_LONGEST = 60
_COLUMNS = ("same", "renamed", "changed", "missing", "extra")
_HEADS = ("station", "same", "other ids", "changed", "missing", "extra")
_WORDS = {Kind.MISSING: "missing", Kind.EXTRA: "not expected"}


def differences(compared: Comparing) -> Iterator[str]:
    """A line for each field: `L1.reflow  unit PNL-12  WorkCompleted  body.Result: was "Passed", now "Failed"`."""
    for each in compared.differences:
        start = "  ".join((each.station or "-", unit(each), each.message.rpartition(".")[2]))
        if each.kind is not Kind.CHANGED:
            yield f"{start}  {_WORDS[each.kind]}"
        for field in each.fields:
            yield f"{start}  {field.path}: was {shown(field.was)}, now {shown(field.now)}"
    told = len(compared.differences)
    if (more := compared.total.differing - told) > 0:
        yield f"... and {more} events more"


def unit(difference: Difference) -> str:
    """By what people know the event: its units, else its time."""
    units = difference.units
    if not units:
        return f"at {difference.time}"
    return f"unit {units[0]}" + (f" and {len(units) - 1} more" if len(units) > 1 else "")


def shown(value: object) -> str:
    """As JSON, cut short."""
    if value is NOTHING:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def table(compared: Comparing) -> Iterator[str]:
    """Counts by station; of nothing when there is nothing."""
    rows = [_HEADS, *((station or "-", *_counts(count)) for station, count in sorted(compared.stations.items()))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    for row in rows if len(rows) > 1 else ():
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _counts(count: Count) -> tuple[str, ...]:
    return tuple(str(getattr(count, name)) for name in _COLUMNS)


def as_json(compared: Comparing) -> dict[str, Any]:
    return {
        "total": {name: getattr(compared.total, name) for name in _COLUMNS},
        "stations": {
            station: {name: getattr(count, name) for name in _COLUMNS}
            for station, count in sorted(compared.stations.items())
        },
        "differences": [
            {
                "kind": each.kind,
                "station": each.station,
                "message": each.message,
                "units": each.units,
                "id": each.id,
                "time": each.time,
                "fields": [
                    {
                        "path": field.path,
                        **{
                            name: value
                            for name, value in (("was", field.was), ("now", field.now))
                            if value is not NOTHING
                        },
                    }
                    for field in each.fields
                ],
            }
            for each in compared.differences
        ],
    }
