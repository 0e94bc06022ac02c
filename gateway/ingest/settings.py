"""Bounds of ingest."""

from __future__ import annotations

import msgspec


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """queue_frames, queue_bytes: what one source may have read and not committed (a larger single frame is admitted
    alone). batch_events, batch_bytes: one commit. unacknowledged_bytes: what one connection may have read and not
    acknowledged before reading it pauses. decode_aside_bytes: larger payloads are decoded off the event loop."""

    queue_frames: int = 1_000
    queue_bytes: int = 16 << 20
    batch_events: int = 1_000
    batch_bytes: int = 4 << 20
    unacknowledged_bytes: int = 64 << 20
    decode_aside_bytes: int = 32 << 10
