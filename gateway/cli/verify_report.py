"""What `lineside verify` says about a capture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.capture.reading import Capture
from gateway.cli import differences
from gateway.core.times import rfc3339
from gateway.replay.verifying import Verdict


def text(capture: Capture, verdict: Verdict, against: str, *, any_ids: bool) -> Iterator[str]:
    """against: what the events were held against, in words."""
    about = capture.first.about
    name = f"{about.name}: " if about.name else ""
    parts = len(capture.parts)
    yield (
        f"{name}capture {about.capture}, {parts} file{'s' if parts > 1 else ''}, of {about.site}/{about.gateway}, "
        f"begun {rfc3339(about.began)}"
    )
    yield f"{verdict.frames} frames give {verdict.events} events and {verdict.samples} samples"
    compared = verdict.compared
    if compared is not None:
        yield from differences.differences(compared)
        yield from differences.table(compared)
    for (connection, reason), count in sorted(verdict.refused.items()):
        first = verdict.first_refused[connection, reason]
        where = f"{first.station or connection}, {first.channel}" if first.channel else first.station or connection
        yield f"refused: {reason}, {count} on {connection}; the first at {rfc3339(first.received)} ({where}): {first.detail}"
    for connection, count in sorted(verdict.left_out.items()):
        yield f"left out: {count} frames of connection {connection}, which the capture's configuration does not have"
    for each in verdict.damage:
        if not each.bytes:  # what is in it can all be read
            yield f"note: {each.path}: {each.reason}"
            continue
        rest = ", and nothing behind it can be read" if each.rest else ""
        yield f"damaged: {each.path} at byte {each.at}: {each.reason}; {each.bytes} bytes passed over{rest}"
    for note in verdict.notes:
        yield f"note: {note}"
    yield _conclusion(verdict, against, any_ids=any_ids)


def _conclusion(verdict: Verdict, against: str, *, any_ids: bool) -> str:
    if verdict.compared is None:
        return "nothing to compare with: the capture has no events, and none were given with --expected"
    total = verdict.compared.total
    if total.differing:
        return f"{total.differing} event{'s differ' if total.differing > 1 else ' differs'} from {against}"
    if total.renamed and not any_ids:
        return (
            f"{total.renamed} events have other ids than {against}, each another one everywhere; --any-ids accepts that"
        )
    return f"{total.same} events as {against}"


def as_json(capture: Capture, verdict: Verdict, *, passed: bool) -> dict[str, Any]:
    about = capture.first.about
    return {
        "passed": passed,
        "capture": about.capture,
        "name": about.name,
        "files": [str(part.path) for part in capture.parts],
        "began": rfc3339(about.began),
        "frames": verdict.frames,
        "events": verdict.events,
        "samples": verdict.samples,
        "compared": None if verdict.compared is None else differences.as_json(verdict.compared),
        "refused": [
            {"count": count, "first": msgspec.to_builtins(verdict.first_refused[key])}
            for key, count in sorted(verdict.refused.items())
        ],
        "left_out": verdict.left_out,
        "damage": [
            {"file": str(each.path), "at": each.at, "bytes": each.bytes, "reason": each.reason, "rest": each.rest}
            for each in verdict.damage
        ],
        "notes": verdict.notes,
    }
