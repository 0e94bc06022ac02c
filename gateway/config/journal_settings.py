"""From `[journal]` to what the journal takes."""

from __future__ import annotations

from gateway.config.journal import Journal
from gateway.config.models import Config
from gateway.journal.compactor import CompactionSettings
from gateway.journal.packing import PackingSettings
from gateway.journal.retention import RetentionLimits
from gateway.journal.retention_messages import MessageLimit
from gateway.journal.writer import WriterSettings


def writer_settings(config: Config) -> WriterSettings:
    journal, timing = config.journal, config.timing
    compaction = journal.compaction
    return WriterSettings(
        synchronous=journal.synchronous,
        ballast_bytes=journal.ballast,
        quarantine_bytes=journal.quarantine,
        stalled_retry_s=timing.stalled_retry_s,
        retention=_limits(journal, check_s=timing.retention_check_s),
        compaction=CompactionSettings(
            enabled=compaction.enabled, most=compaction.samples, older_s=compaction.after, share=compaction.share
        ),
        packing=PackingSettings(after_s=journal.compress_after),
    )


def _limits(journal: Journal, *, check_s: float) -> RetentionLimits:
    retention = journal.retention
    return RetentionLimits(
        days=retention.days,
        bytes=retention.bytes,
        events_days=retention.events_days,
        events_bytes=retention.events_bytes,
        samples_days=retention.samples_days,
        samples_bytes=retention.samples_bytes,
        messages=tuple(
            MessageLimit(name=name, days=limit.days, bytes=limit.bytes) for name, limit in retention.messages.items()
        ),
        dedup_days=journal.dedup_days,
        check_s=check_s,
    )
