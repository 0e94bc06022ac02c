"""`[journal] retention`: which messages there are, which limits go together, and what the journal gets of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.journal_settings import writer_settings
from gateway.config.load import load
from gateway.core.errors import ConfigError
from gateway.journal.compactor import CompactionSettings
from gateway.journal.retention_messages import MessageLimit

HEAD = '[gateway]\nname = "a"\nsite = "b"\n'


def _load(folder: Path, journal: str) -> object:
    path = folder / "lineside.toml"
    path.write_text(f"{HEAD}[journal]\n{journal}\n", encoding="utf-8")
    return writer_settings(load(path, {}))


def test_what_the_journal_gets(tmp_path: Path) -> None:
    found = writer_settings(load(_written(tmp_path), {}))
    limits = found.retention
    assert (limits.days, limits.bytes, limits.samples_days, limits.events_bytes) == (90, 40 * 10**9, 30, 10**9)
    assert limits.messages == (
        MessageLimit(name="CFX.Heartbeat", days=2),
        MessageLimit(name="CFX.ResourcePerformance.*", days=14, bytes=2 * 10**9),
        MessageLimit(name="Acme.Placer.Nozzle", days=1),
        MessageLimit(name="Lineside.LinkChanged", days=10),
    )
    assert found.compaction == CompactionSettings(enabled=False, most=1000, older_s=60.0, share=0.5)


def _written(folder: Path) -> Path:
    path = folder / "lineside.toml"
    path.write_text(
        HEAD
        + """[journal]
retention = { days = 90, bytes = "40GB", samples_days = 30, events_bytes = "1GB", messages = {
  "CFX.Heartbeat" = { days = 2 }, "CFX.ResourcePerformance.*" = { days = 14, bytes = "2GB" },
  "Acme.Placer.Nozzle" = { days = 1 }, "Lineside.LinkChanged" = { days = 10 } } }
compaction = { enabled = false, samples = 1000, after = "1min", share = 0.5 }
""".replace("\n  ", " ").replace("messages = {\n", "messages = {"),
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ('"CFX.Hartbeat" = { days = 2 }', "'CFX.Hartbeat' is no message, did you mean 'CFX.Heartbeat'?"),
        ('"CXF.Heartbeat" = { days = 2 }', "did you mean 'CFX.Heartbeat'?"),
        ('"CFX.Prodction.*" = { days = 2 }', "'CFX.Prodction.*' is no message, did you mean 'CFX.Production'?"),
        ('"CFX.Heartbeat" = {}', "must limit something"),
        ('"CFX.Heartbeat" = { days = 91 }', "CFX.Heartbeat must not be kept for longer than all events"),
        ('"CFX.Heartbeat" = { day = 1 }', "unknown key, did you mean 'days'?"),
    ],
)
def test_messages_that_cannot_be_meant(tmp_path: Path, messages: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, f"retention = {{ days = 90, messages = {{ {messages} }} }}")
    (problem,) = refused.value.problems
    assert complaint in problem


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ("days = 9, samples_days = 10", "samples_days must not be above days"),
        ('bytes = "1GB", events_bytes = "2GB"', "events_bytes must not be above bytes"),
        ("", "must limit something"),
    ],
)
def test_limits_that_do_not_go_together(tmp_path: Path, limits: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        _load(tmp_path, f"retention = {{ {limits} }}")
