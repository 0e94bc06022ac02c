"""A comparison for people, and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from simulators.reconcile import sample_report
from simulators.reconcile.compare import WORSE, Comparison, Finding, Kind, Station, totals
from simulators.reconcile.sample_report import table
from simulators.reconcile.samples import Samples

_KINDS = tuple(Kind)


def as_json(comparison: Comparison, samples: Mapping[str, Samples] | None = None) -> dict[str, Any]:
    """`{"clean": …, "timed": …, "totals": {…}, "stations": {id: {…}}, "findings": […], "samples": …}`; docs/reconcile.md.

    samples: None where they were not compared.
    """
    return {
        "clean": comparison.clean,
        "timed": comparison.timed,
        "totals": _counts(comparison),
        "stations": {name: _station(station) for name, station in comparison.stations.items()},
        "findings": [msgspec.to_builtins(each) for each in comparison.findings],
        "samples": None if samples is None else sample_report.as_json(samples),
    }


def as_text(comparison: Comparison, most: int, samples: Mapping[str, Samples] | None = None) -> str:
    """A table by station, then at most `most` of the findings that must not be; the same of samples; what it comes to."""
    rows = [("station", "told", "found", *(kind.value for kind in _KINDS), "gaps", "latest")]
    for name, station in comparison.stations.items():
        rows.append(_row(name, station))
    counts = totals(comparison)
    told = sum(station.told.total() for station in comparison.stations.values())
    found = sum(station.found.total() for station in comparison.stations.values())
    rows.append(("", str(told), str(found), *(str(counts[kind]) for kind in _KINDS), "", ""))
    lines = table(rows)
    bad = [each for each in comparison.findings if each.kind in WORSE]
    if bad:
        lines += ["", *(_line(each) for each in bad[:most])]
        if len(bad) > most:
            lines.append(f"... and {len(bad) - most} more; --json has all")
    if samples is not None:
        lines += ["", *sample_report.as_text(samples, most)]
    elif comparison.timed:
        lines += ["", "Samples were not compared: this ledger says nothing of them."]
    if not comparison.timed:
        lines += ["", "It is not known how this ledger was played: times, gaps and samples were not compared."]
    lines += ["", "All that was told is there, once and as it was told." if comparison.clean else "They differ."]
    return "\n".join(lines)


def _row(name: str, station: Station) -> tuple[str, ...]:
    latest = "" if station.latest is None else f"{station.latest:.1f} s"
    return (
        name,
        str(station.told.total()),
        str(station.found.total()),
        *(str(station.counts[kind]) for kind in _KINDS),
        str(station.gaps),
        latest,
    )


def _station(station: Station) -> dict[str, Any]:
    return {
        "told": dict(sorted(station.told.items())),
        "found": dict(sorted(station.found.items())),
        "counts": {kind.value: station.counts[kind] for kind in _KINDS},
        "gaps": station.gaps,
        "count_adjusted_units": station.adjusted,
        "latest_s": station.latest,
    }


def _counts(comparison: Comparison) -> dict[str, int]:
    counts = totals(comparison)
    return {kind.value: counts[kind] for kind in _KINDS}


def _line(finding: Finding) -> str:
    where = [f"{finding.kind}: {finding.station} {finding.message.rpartition('.')[2]}"]
    if finding.units:
        where.append(", ".join(finding.units[:3]) + (", ..." if len(finding.units) > 3 else ""))
    if finding.at is not None:
        where.append(f"at {finding.at:.1f} s")
    if finding.fact:
        where.append(f"fact {finding.fact}")
    if finding.seq is not None:
        where.append(f"event {finding.seq}")
    return "; ".join([*where, *finding.details])
