"""What the journal weighs and does, for Prometheus: looked up when somebody asks."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.journal.writer import Writer


class JournalMetrics(Collector):
    """`lineside_journal_...` and `lineside_retention_...` of one writer. Sizes of files are those of this moment; what is
    in them is as retention last saw it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def describe(self) -> list[Metric]:
        """Nothing: or a registry would look at files to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        writer, figures = self._writer, self._writer.figures
        path = writer.path
        files = GaugeMetricFamily(
            "lineside_journal_file_bytes",
            "Size of the journal's files: db, wal (not yet merged), ballast",
            labels=("file",),
        )
        for label, suffix in (("db", ""), ("wal", "-wal"), ("ballast", ".ballast")):
            try:
                size = path.with_name(path.name + suffix).stat().st_size
            except OSError:
                size = 0
            files.add_metric((label,), size)
        yield files
        try:
            disk = os.statvfs(path.parent)
            free = disk.f_bavail * disk.f_frsize
        except OSError:
            free = 0
        yield GaugeMetricFamily("lineside_journal_disk_free_bytes", "Free on the journal's disk", value=free)
        used = GaugeMetricFamily(
            "lineside_journal_used_bytes", "What is used in the journal's file, about, by kind", labels=("kind",)
        )
        for kind, value in (
            ("events", figures.events),
            ("samples", figures.samples),
            ("quarantine", figures.quarantine),
        ):
            used.add_metric((kind,), value)
        yield used
        over = 0 if figures.limit is None else max(figures.history - figures.limit, 0)
        yield GaugeMetricFamily(
            "lineside_journal_over_bytes", "Bytes of history beyond the limit, when it was last looked", value=over
        )
        yield GaugeMetricFamily("lineside_journal_hot_samples", "Samples not compacted yet", value=figures.hot)
        yield GaugeMetricFamily("lineside_journal_sample_chunks", "Chunks of compacted samples", value=figures.chunks)
        yield CounterMetricFamily(
            "lineside_journal_compaction_seconds", "Processor time of the compacting thread", value=writer.compaction_s
        )
        yield CounterMetricFamily(
            "lineside_retention_seconds", "Time that the writing thread spent on retention", value=figures.seconds
        )
        removed = CounterMetricFamily(
            "lineside_retention_removed_rows", "Rows removed by retention, by kind", labels=("kind",)
        )
        for kind in ("events", "samples", "ids"):
            removed.add_metric((kind,), figures.removed[kind])
        yield removed
        missed = CounterMetricFamily(
            "lineside_retention_untaken_rows",
            "Rows removed before a sink or subscription had taken them",
            labels=("holder", "name", "kind"),
        )
        for holder in writer.holders:
            for kind, count in holder.missed.items():
                missed.add_metric((holder.kind, holder.name, kind), count)
        yield missed
