"""What a person who watches a line PC's disk sees."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.core.times import now
from gateway.journal.metrics import JournalMetrics
from gateway.journal.retention import RetentionLimits
from gateway.journal.writer import WriterSettings
from tests.unit.journal.feed import commit, event, journal


def test_the_disk_what_is_on_it_and_what_went(tmp_path: Path) -> None:
    settings = WriterSettings(
        synchronous="normal", ballast_bytes=1 << 20, retention=RetentionLimits(days=1, bytes=300_000, check_s=0)
    )
    with journal(tmp_path, settings) as writer:
        registry = CollectorRegistry()
        registry.register(JournalMetrics(writer))

        def value(metric: str, **labels: str) -> float:
            found = registry.get_sample_value(f"lineside_{metric}", labels)
            assert found is not None, metric
            return found

        assert value("journal_file_bytes", file="ballast") == 1 << 20
        holder = writer.holders.register("sink", "plant", budget=1 << 30, samples=False)
        commit(writer, [event(n, size=1000, at=now() - 3 * 86_400_000_000) for n in range(400)])
        assert value("journal_file_bytes", file="wal") > 400_000
        writer._maintain()
        assert value("retention_removed_rows_total", kind="events") == 0
        assert value("journal_used_bytes", kind="events") > 400_000
        assert value("journal_over_bytes") > 100_000
        assert value("journal_disk_free_bytes") > 0
        assert value("retention_untaken_rows_total", holder="sink", name="plant", kind="events") == 0
        holder.budget = 0
        writer._maintain()
        writer._maintain()
        assert value("retention_removed_rows_total", kind="events") == 400
        assert value("retention_untaken_rows_total", holder="sink", name="plant", kind="events") == 400
        assert value("journal_over_bytes") == 0
        assert value("retention_seconds_total") > 0
        assert value("journal_compaction_seconds_total") == 0
        assert value("journal_hot_samples") == value("journal_sample_chunks") == 0
