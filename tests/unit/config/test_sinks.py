"""`[[sink]]`: kinds of this version and of later ones, where the database is, and that no password stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import check_secrets, load
from gateway.config.models import Config
from gateway.core.errors import ConfigError
from gateway.core.secrets import Secret
from gateway.sinks.postgres.address import reveal, shown
from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.registry import SINKS
from tests.unit.config.conftest import HEAD

KINDS = {name: entry.settings for name, entry in SINKS.items()}
URL = "postgresql://lineside@db.fab1.example:5433/plant"


def read(folder: Path, text: str) -> Config:
    path = folder / "lineside.toml"
    path.write_text(HEAD + text)
    return load(path, {}, sinks=KINDS)


def wrong(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return [problem.partition(": ")[2] for problem in caught.value.problems]


def test_a_sink(tmp_path: Path) -> None:
    config = read(tmp_path, f'[[sink]]\nname = "plant"\nkind = "postgres"\nurl = "{URL}"\nbatch_bytes = "1MB"\n')
    (sink,) = config.sink
    assert isinstance(sink, PostgresSink)
    assert (sink.name, sink.url, sink.batch_bytes, sink.samples) == ("plant", URL, 1_000_000, True)
    assert shown(URL) == "db.fab1.example:5433/plant"
    assert shown("postgresql:///plant?host=/run/postgresql") == "/run/postgresql/plant"


@pytest.mark.parametrize("kind", ["mqtt", "cfx-amqp", "webhook", "nats", "file"])
def test_a_kind_of_later(tmp_path: Path, kind: str) -> None:
    assert wrong(tmp_path, f'[[sink]]\nname = "mes"\nkind = "{kind}"\nurl = "https://mes.example"\n') == [
        f"sink[mes].kind: '{kind}' is not in this version; allowed: postgres"
    ]


def test_everything_wrong_at_once(tmp_path: Path) -> None:
    text = """
[[sink]]
name = "a b"
kind = "postgre"
[[sink]]
name = "c"
[[sink]]
name = "d"
kind = "postgres"
url = "postgresql://u:hunter2@h/d"
batch_event = 5
password = "hunter2"
batch_events = 0
[[sink]]
name = "d"
kind = "postgres"
url = "mysql://h/d"
[[sink]]
name = "e"
kind = "postgres"
url = "postgresql://h"
[[sink]]
name = "f"
kind = 5
"""
    found = wrong(tmp_path, text)
    assert not any("hunter2" in problem for problem in found)
    assert [problem.partition(";")[0] for problem in found] == [
        "sink[0].name: is no name",
        "sink[0].kind: 'postgre' is no kind of sink, did you mean 'postgres'?",
        "sink[c].kind: is missing",
        "sink[d].url: has a password in it",
        "sink[d].batch_event: unknown key, did you mean 'batch_events'?",
        "sink[d].password: a secret itself does not belong here, only where it is kept",
        "sink[d].batch_events: is out of range",
        "sink[d].name: 'd' is the name in line 11 already",
        "sink[d].url: is no URL of a PostgreSQL database",
        "sink[e].url: names no database",
        "sink[f].kind: must be text in quotes",
    ]


def test_a_url_that_is_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(tmp_path, '[[sink]]\nname = "p"\nkind = "postgres"\nurl = "env:PLANT_DB"\npassword = "file:pw"\n')
    (sink,) = config.sink
    assert isinstance(sink, PostgresSink)
    assert sink.url == Secret("env:PLANT_DB")
    with pytest.raises(ConfigError) as caught:
        check_secrets(tmp_path / "lineside.toml", config)
    assert len(caught.value.problems) == 2
    monkeypatch.setenv("PLANT_DB", "postgresql://u:hunter2@h/d")
    (tmp_path / "pw").write_text("x\n")
    check_secrets(tmp_path / "lineside.toml", config)
    assert reveal(sink.url) == "postgresql://u:hunter2@h/d"
    monkeypatch.setenv("PLANT_DB", "hunter2")
    with pytest.raises(ConfigError) as caught:
        reveal(sink.url)
    assert "hunter2" not in str(caught.value)
