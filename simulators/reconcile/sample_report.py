"""What was found of samples, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.times import rfc3339
from simulators.reconcile.compare import Kind
from simulators.reconcile.samples import KINDS, SampleFinding, Samples


def as_json(samples: Mapping[str, Samples]) -> dict[str, Any]:
    """By station; docs/reconcile.md."""
    return {
        station: {
            "shown": each.shown,
            "found": each.found,
            "counts": {kind.value: each.counts[kind] for kind in KINDS},
            "findings": [_finding(finding) for finding in each.findings],
        }
        for station, each in samples.items()
    }


def as_text(samples: Mapping[str, Samples], most: int) -> list[str]:
    """Lines: a table by station, and at most `most` of the findings."""
    if not samples:
        return ["Samples were not compared: the ledger has no station that is looked at."]
    rows = [("samples", "shown", "found", *(kind.value for kind in KINDS))]
    for station, each in samples.items():
        rows.append((station, str(each.shown), str(each.found), *(str(each.counts[kind]) for kind in KINDS)))
    lines = table(rows)
    findings = [finding for each in samples.values() for finding in each.findings]
    if findings:
        lines += ["", *(_line(each) for each in findings[:most])]
        if len(findings) > most:
            lines.append(f"... and {len(findings) - most} more; --json has all")
    return lines


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Its lines: the first column to the left, all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _finding(finding: SampleFinding) -> dict[str, Any]:
    time = None if finding.time is None else rfc3339(finding.time)
    return {**msgspec.structs.asdict(finding), "time": time}


def _line(finding: SampleFinding) -> str:
    said = f"{finding.kind}: {finding.station} {finding.signal}; expected {finding.expected!r}, got {finding.got!r}"
    if finding.kind is Kind.LOST:
        return f"{said}; at {finding.at:.1f} s, shown for {finding.seconds:.1f} s"
    return said if finding.time is None else f"{said}; at {rfc3339(finding.time)}"
