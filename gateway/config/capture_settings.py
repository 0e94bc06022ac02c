"""From `[capture]` to what captures take."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence

from gateway.capture.captures import Captures, Described
from gateway.capture.metrics import CaptureMetrics
from gateway.capture.redact import Redactor
from gateway.config.captured import describe
from gateway.config.models import Config
from gateway.config.plan import Resolved
from gateway.core.adapter import Adapter
from gateway.core.errors import LinesideError
from gateway.core.event import Place
from gateway.core.telemetry import Telemetry
from gateway.ingest.ingest import Ingest
from gateway.profile.records import Texts

log = logging.getLogger("lineside.capture")


def captures_of(
    resolved: Resolved,
    ingest: Ingest,
    place: Place,
    version: str,
    telemetry: Telemetry,
    adapters: Sequence[Adapter],
) -> Captures:
    """Of a gateway whose journal is open. None runs yet."""
    capture = resolved.config.capture
    site, profiles = describe(resolved)
    return Captures(
        capture.folder,
        capture.limits,
        ingest,
        Described(site, profiles, place, version),
        CaptureMetrics(telemetry.registry),
        redaction=functools.partial(_redactor, resolved, adapters),
    )


def _redactor(resolved: Resolved, adapters: Sequence[Adapter]) -> Redactor:
    key = resolved.config.capture.redaction_key
    if key is None:
        raise LinesideError("capture.redaction_key is not set, and without it nothing can be redacted")
    named = {adapter.name: adapter for adapter in adapters}
    texts = {
        plan.id: plan.bound.records
        for plan in resolved.stations
        if plan.bound is not None and isinstance(plan.bound.records, Texts)
    }
    return Redactor(
        key.reveal().encode(),
        lambda frame: named[frame.connection].decode(frame),
        texts,
        spared=resolved.config.gateway.ignore_ids,
    )


async def begin_captures(captures: Captures, config: Config) -> None:
    """What is to run from the beginning. That it cannot is no reason not to run the gateway."""
    ring = config.capture.ring
    if ring is not None:
        try:
            await captures.keep(ring.order)
        except LinesideError as error:
            log.error("capture %s does not run: %s", ring.name, error)  # noqa: TRY400  no defect
    await captures.resume()
