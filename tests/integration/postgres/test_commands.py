"""A whole gateway with a sink, and `lineside serve` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from adapters.registry import protocols
from gateway import wiring
from gateway.cli.main import main
from gateway.config.load import load
from gateway.config.plan import resolve
from gateway.sinks.registry import sinks
from tests.conftest import ROOT
from tests.integration.postgres.journals import asking, delivered, event, following, line, sample, until

pytestmark = pytest.mark.postgres

CONFIG = """
[gateway]
name = "line1-pc"
site = "fab1"
[journal]
path = "a.db"
ballast = 0
[http]
listen = "127.0.0.1:0"
[timing]
retry_first_s = 0.02
[[sink]]
name = "plant"
kind = "postgres"
url = "{}"
"""


async def test_a_gateway_with_a_sink(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of:
        await of.put([event(number) for number in range(10)], [sample(1)])
    path = tmp_path / "lineside.toml"
    path.write_text(CONFIG.format(database))
    gateway = wiring.Gateway(resolve(load(path, protocols(), sinks=sinks())))
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(gateway.run(stop, ready=lambda url: ready.set()), name="gateway")
    try:
        await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        labels = {"sink": "plant", "kind": "postgres"}
        await until(
            lambda: gateway.telemetry.registry.get_sample_value("lineside_sink_samples_total", labels) == 1,
            timeout_s=30,
        )
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", trust_env=False) as client:
            answer = await client.get("/readyz")
            (sink,) = [each for each in answer.json()["components"] if each["kind"] == "sink"]
            assert (sink["name"], sink["state"], sink["ready"], sink["reason"]) == ("plant", "proven", True, None)
            metrics = (await client.get("/metrics")).text
            assert 'lineside_sink_events_total{kind="postgres",sink="plant"} 10.0' in metrics
            assert 'lineside_sink_up{kind="postgres",sink="plant"} 1.0' in metrics
    finally:
        stop.set()
        await task
    async with asking(database) as connection:
        row = await connection.fetchrow("SELECT site, gateway, seq, sample FROM lineside.journal")
        assert tuple(row) == ("fab1", "line1-pc", 10, 1)


async def test_a_gateway_whose_database_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "lineside.toml"
    path.write_text(CONFIG.format("postgresql://lineside@127.0.0.1:1/plant"))
    gateway = wiring.Gateway(resolve(load(path, protocols(), sinks=sinks())))
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(gateway.run(stop, ready=lambda url: ready.set()), name="gateway")
    try:
        await until(ready.is_set)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", trust_env=False) as client:
            async with asyncio.timeout(10):
                while not (await client.get("/readyz")).json()["ready"]:
                    await asyncio.sleep(0.01)
            components = (await client.get("/readyz")).json()["components"]
            (sink,) = [each for each in components if each["kind"] == "sink"]
            assert (sink["state"], sink["ready"]) == ("down", True)
            assert "127.0.0.1:1/plant" in sink["reason"]
    finally:
        stop.set()
        await task


def _serve(*arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_serve_is_a_command(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(number) for number in range(3)])
        await delivered(of, database)
    with _serve("--database", "env:PLANT_DB", "--listen", "127.0.0.1:0", PLANT_DB=database) as process:
        assert process.stderr is not None
        try:
            said = await asyncio.to_thread(process.stderr.readline)
            url = re.search(r"ready: (http://\S+)", said)
            assert url is not None, said
            async with httpx.AsyncClient(trust_env=False) as client:
                events = (await client.get(url[1])).json()["events"]
            assert [each["body"]["Number"] for each in events] == [0, 1, 2]
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--database", "mysql://h/d"), "--database: is no URL of a PostgreSQL database"),
        (("--database", "postgresql://u:hunter2@h/d"), "--database: has a password in it"),
        (("--database", "env:PLANT_DB_THAT_IS_NOT"), "PLANT_DB_THAT_IS_NOT is not set"),
        (("--database", "postgresql://h/d", "--listen", "0.0.0.0:0"), "--listen: other machines reach"),
        (("--database", "postgresql://h/d", "--listen", "x"), "--listen: is no address"),
    ],
)
def test_serve_says_what_is_wrong(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lineside", "serve", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    text = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in text
    assert "hunter2" not in text


def test_serve_says_that_nobody_answers() -> None:
    with _serve("--database", "postgresql://127.0.0.1:1/d") as process:
        _, text = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "lineside: cannot connect to 127.0.0.1:1/d" in text
