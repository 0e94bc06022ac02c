"""Captures of a gateway that runs: begun and stopped by command and over HTTP, through kill -9, without secrets."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from mcap.records import Chunk
from typer.testing import CliRunner

from gateway.capture.form import Captured, Hole, Stored
from gateway.capture.reading import Capture
from gateway.capture.records import Damage, Records
from gateway.cli.app import application
from gateway.core.frame import Frame
from tests.daemon import Daemon, config
from tests.load import MqttLoad, wait_stored
from tests.servers.mosquitto import Mosquitto

SECRETS = {"LINESIDE_TEST_PASSWORD": "broker-passw0rd-Xq7", "LINESIDE_TEST_KEY": "redaction-key-Zk9"}
STATION = """
[[line.station]]
name = "pnp1"
class = "pick_and_place"
source = { connection = "source" }
"""


@pytest.fixture
def topic(mosquitto: Mosquitto) -> str:
    return mosquitto.name("topic")


@pytest.fixture
def daemon(tmp_path: Path, mosquitto: Mosquitto, topic: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    connection = f"""
[capture]
folder = "captures"
flush = "100ms"
reserve = 0
redaction_key = "env:LINESIDE_TEST_KEY"
ring = {{ keep = "1h" }}

[[connection]]
name = "source"
protocol = "cfx-mqtt"
host = "{mosquitto.host}"
port = {mosquitto.port}
client_id = "{mosquitto.name("gateway")}"
user = "somebody"
password = "env:LINESIDE_TEST_PASSWORD"
topics = ["{topic}"]
"""
    made = Daemon(config(tmp_path, connections=connection, stations=STATION))
    yield made
    made.close()


def _post(daemon: Daemon, path: str, body: Any = None, method: str = "POST") -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{daemon.url}/api/v1{path}",
        data=json.dumps(body or {}).encode(),
        method=method,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = answer.read()
            return answer.status, json.loads(said) if said else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def _command(daemon: Daemon, *arguments: str) -> str:
    done = CliRunner().invoke(application(), ["capture", *arguments, "-c", str(daemon.path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def _heard(path: Path) -> list[Frame]:
    """From machines."""
    entries = Capture([path]).entries()
    return [each.frame for each in entries if isinstance(each, Captured) and each.frame.payload.startswith(b"{")]


def _numbers(path: Path) -> list[int]:
    bodies = [json.loads(frame.payload)["MessageBody"] for frame in _heard(path)]
    return [int(body["PrimaryIdentifier"].removeprefix("load-")) for body in bodies]


def _damage(path: Path) -> list[Damage]:
    capture = Capture([path])
    for _ in capture.entries():
        pass
    return capture.damage


def _plain(path: Path) -> bytes:
    """Everything in a file, decompressed."""
    with path.open("rb") as file:
        chunks = [each for each in Records(path, file, path.stat().st_size) if isinstance(each, Chunk)]
    return b"\n".join(
        [path.read_bytes(), *(zstandard.decompress(each.data, each.uncompressed_size) for each in chunks)]
    )


@pytest.mark.mosquitto
def test_a_capture_goes_through_kill_9_and_holds_no_secret(
    daemon: Daemon, mosquitto: Mosquitto, topic: str, tmp_path: Path
) -> None:
    daemon.start()
    ring, flushed = tmp_path / "captures" / "ring", tmp_path / "flushed.mcap"
    assert "ring: running" in _command(daemon, "list")
    assert "night: running" in _command(daemon, "start", "night", "--station", "L1.pnp1")
    with MqttLoad(mosquitto, topic, per_second=300) as load:
        daemon.wait(lambda: (daemon.get("/captures/night")["frames"] or 0) > 100)
        flushed.write_bytes(daemon.raw(f"/captures/ring/files/{daemon.get('/captures/ring')['files'][0]['name']}"))
        daemon.kill()
        assert [damage.rest for damage in _damage(ring)] == [True]  # cut off, and whole up to there
        killed, on_disk = _numbers(ring), _numbers(flushed)
        assert killed[: len(on_disk)] == on_disk
        assert killed == list(range(len(killed)))
        assert killed
        daemon.start()
        daemon.wait(lambda: all(each["frames"] for each in daemon.get("/captures")["captures"]))
    wait_stored(daemon, load.sent)
    assert "night: stopped; 2 files" in _command(daemon, "stop", "night")
    assert daemon.stop() == 0
    for name in ("ring", "night"):
        path = tmp_path / "captures" / name
        assert _damage(path) == []  # what the killed process left was closed by the next
        entries = list(Capture([path]).entries())
        assert len([each for each in entries if isinstance(each, Hole)]) == 1
        assert max(_numbers(path)) == load.sent - 1
        stored = [json.loads(each.document)["id"] for each in entries if isinstance(each, Stored)]
        assert len(stored) == len(set(stored)) > 100
    assert _numbers(ring)[: len(killed)] == killed
    hashes = [hashlib.sha256(secret.encode()).hexdigest() for secret in SECRETS.values()]
    for path in (tmp_path / "captures").rglob("*.*"):
        plain = _plain(path) if path.suffix == ".mcap" else path.read_bytes()
        for secret in (*SECRETS.values(), *hashes):
            assert secret.encode() not in plain
        assert path.suffix != ".mcap" or b"env:LINESIDE_TEST_PASSWORD" in plain


@pytest.mark.mosquitto
def test_what_cannot_be_done_is_said(daemon: Daemon) -> None:
    daemon.start()
    status, said = _post(daemon, "/captures", {"name": "ring"})
    assert (status, said["type"]) == (409, "urn:lineside:problem:capture-refused")
    status, said = _post(daemon, "/captures", {"name": "x", "stations": ["L1.pnp9"]})
    assert (status, said["errors"][0]["path"], said["errors"][0]["allowed"]) == (400, "/stations", ["L1.pnp1"])
    for body in ({"name": "../x"}, {"name": "x", "keep": {}}, {"name": "x", "every": 1}, {}):
        assert _post(daemon, "/captures", body)[0] == 400, body
    for method, path in (("POST", "/captures/no/stop"), ("POST", "/captures/no/start"), ("DELETE", "/captures/no")):
        assert _post(daemon, path, method=method)[0] == 404
    assert daemon.status("/api/v1/captures/ring/files/..%2Forder.json") == 404
    assert daemon.status("/api/v1/captures/ring/files/order.json") == 404
    assert _post(daemon, "/captures/ring", method="DELETE")[0] == 409
    done = CliRunner().invoke(application(), ["capture", "start", "a b", "-c", str(daemon.path)])
    assert done.exit_code != 0
    asked = CliRunner().invoke(application(), ["capture", "list", "--url", daemon.url])
    assert "ring: running" in asked.output
    assert _post(daemon, "/captures", {"name": "brief", "keep": {"bytes": 1_000_000}, "redact": True})[0] == 201
    assert _post(daemon, "/captures/brief/stop")[1]["running"] is False
    assert _post(daemon, "/captures/brief/start")[1]["running"] is True
    assert _post(daemon, "/captures/brief/stop")[0] == 200
    assert _post(daemon, "/captures/brief", method="DELETE") == (204, None)
    assert [each["name"] for each in daemon.get("/captures")["captures"]] == ["ring"]
    with urllib.request.urlopen(daemon.url + "/captures", timeout=5) as page:
        policy, text = page.headers["Content-Security-Policy"], page.read().decode()
    assert "default-src 'none'" in policy
    for file in ("captures/captures.js", "captures/captures.css"):
        assert file in text
        assert daemon.status(f"/{file}") == 200
