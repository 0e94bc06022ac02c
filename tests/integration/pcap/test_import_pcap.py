"""`lineside import-pcap` of a recording of six machines, whole and in every state in which recordings come.

The sample is a run of `tests.integration.pcap.line`: what a gateway captured, what tcpdump recorded meanwhile, and the profiles
that were used.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from gateway.capture.form import Captured
from gateway.capture.reading import Capture
from gateway.cli.app import application
from gateway.core.errors import ConfigError
from gateway.pcap.tshark import PcapError
from tests.integration.pcap import line
from tests.integration.pcap.packets import SAMPLES, Packet, changed, made, sample
from tests.servers import require

CONFIG = SAMPLES / "line.toml"
CONNECTIONS = ("L1.placer", "L1.printer", "L1.oven", "L1.aoi", "L1.scan", "L1.loader")
MQTT, AMQP, MODBUS, OPC_UA = 51599, 34751, 43977, 40633


@pytest.fixture(autouse=True)
def _tshark() -> None:
    require("tshark", "tshark")


def imported(data: bytes, folder: Path, *options: str, config: Path = CONFIG) -> tuple[Mapping[str, Any], Path]:
    recording, out = folder / "line.pcapng", folder / "line.mcap"
    recording.write_bytes(data)
    out.unlink(missing_ok=True)
    arguments = ["import-pcap", str(recording), "-c", str(config), "--out", str(out), "--json", *options]
    done = CliRunner().invoke(application(), arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    told: Mapping[str, Any] = msgspec.json.decode(done.stdout)
    assert done.exit_code == (0 if told["frames"] else 1)
    return told, out


def frames(capture: Path) -> dict[str, list[Captured]]:
    found = defaultdict(list)
    for entry in Capture([capture]).entries():
        if isinstance(entry, Captured) and not entry.frame.channel.startswith("lineside:"):
            found[entry.frame.connection].append(entry)
    return found


def said(entries: Sequence[Captured]) -> list[tuple[Any, ...]]:
    return [
        (each.frame.channel, each.frame.payload, each.frame.redelivered, each.frame.meta, each.peer, each.acknowledged)
        for each in entries
    ]


def notes(told: Mapping[str, Any], connection: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in told["streams"]:
        if each["connection"] == connection:
            found.update(each["unread"])
    return found


def test_a_recording_gives_what_the_gateway_captured(tmp_path: Path) -> None:
    told, out = imported(sample(), tmp_path)
    line.assert_same(SAMPLES / "line.mcap", out, CONNECTIONS, again=True)
    assert told["damage"] == ""
    assert not told["not_found"]
    assert not told["unknown"]
    verified = CliRunner().invoke(application(), ["verify", str(out)])
    assert verified.exit_code == 0
    assert f"{told['events']} events as those in the capture" in verified.output


def test_a_frame_that_is_in_one_of_them_only_is_seen(tmp_path: Path) -> None:
    """Else nothing would follow from that they are the same."""
    for port, end in ((MQTT, 0), (AMQP, 1), (MODBUS, 0), (OPC_UA, 0)):  # over AMQP it is the machine that connects

        def without(packets: list[Packet], port: int = port, end: int = end) -> list[Packet]:
            of_machine = [each for each in packets if each.ports[end] == port and each.size > 30]
            return [each for each in packets if each is not of_machine[len(of_machine) * 2 // 3]]

        _, out = imported(changed(without), tmp_path)
        for both in ((SAMPLES / "line.mcap", out), (out, SAMPLES / "line.mcap")):
            with pytest.raises(AssertionError):
                line.assert_same(*both, CONNECTIONS, again=True)


@pytest.mark.parametrize(
    ("protocol", "beyond", "may_be"),
    [
        ("modbus-tcp", [], True),
        ("modbus-tcp", [-0.02], True),
        ("modbus-tcp", [0.01, 0.03], False),
        ("modbus-tcp", [-6.0], False),
        ("opcua", [0.01, 0.02], True),
        ("opcua", [-0.02, -0.01, 0.0, 0.1, 0.11, 0.2, 0.21], True),
        ("opcua", [-0.03, -0.02, -0.01, 0.0], False),
        ("opcua", [-6.0], False),
        ("opcua", [0.1, 6.0], False),
    ],
)
def test_what_a_gateway_may_leave_unread_at_its_end(protocol: str, beyond: Sequence[float], may_be: bool) -> None:
    ended = 1_795_313_827_000_000
    times = [ended + round(each * 1_000_000) for each in beyond]
    assert line.unread(times, ended, {"protocol": protocol}) is may_be


def test_packets_again_and_out_of_order_change_nothing(tmp_path: Path) -> None:
    def shuffled(packets: list[Packet]) -> list[Packet]:
        found = list(packets)
        for place in range(40, len(found) - 3, 7):
            found[place], found[place + 2] = found[place + 2], found[place]
        return [each for number, each in enumerate(found) for _ in range(1 + (number % 5 == 0))]

    told, out = imported(changed(shuffled), tmp_path)
    was, now = frames(SAMPLES / "line.mcap"), frames(out)
    for connection in CONNECTIONS:
        assert said(now[connection]) == said(was[connection])
    assert sum(each["repeated_bytes"] for each in told["streams"]) > 10_000


def test_what_was_not_recorded_is_counted_and_the_rest_is_there(tmp_path: Path) -> None:
    def without(packets: list[Packet]) -> list[Packet]:
        lost = []
        for port in (MQTT, AMQP, MODBUS, OPC_UA):
            of_machine = [each for each in packets if port in each.ports and each.size > 30]
            lost.append(of_machine[len(of_machine) * 2 // 3])
        return [each for each in packets if each not in lost]

    told, out = imported(changed(without), tmp_path)
    was, now = frames(SAMPLES / "line.mcap"), frames(out)
    for connection in CONNECTIONS[:4]:
        missing = sum(each["missing_bytes"] for each in told["streams"] if each["connection"] == connection)
        lost = Counter(map(repr, said(was[connection]))) - Counter(map(repr, said(now[connection])))
        assert missing > 0
        assert lost.total() <= 3
        assert now[connection]
        assert not Counter(map(repr, said(now[connection]))) - Counter(map(repr, said(was[connection])))


def test_a_recording_that_begins_in_the_middle(tmp_path: Path) -> None:
    told, out = imported(changed(lambda packets: packets[len(packets) * 3 // 5 :]), tmp_path)
    was, now = frames(SAMPLES / "line.mcap"), frames(out)
    for connection in ("L1.placer", "L1.oven", "L1.scan", "L1.loader"):
        end = said(now[connection])
        assert end
        assert end[1:] == said(was[connection])[-len(end) :][1:]
    assert all(each["joined"] for each in told["streams"])
    assert not now["L1.aoi"]
    assert notes(told, "L1.aoi")["notifications of subscriptions that were made before the recording"] > 5
    assert notes(told, "L1.printer")["links whose beginning is not in the recording"] == 1
    assert {each.frame.payload for each in now["L1.printer"]} <= {each.frame.payload for each in was["L1.printer"]}
    assert now["L1.printer"]


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    told, out = imported(sample()[:200_000], tmp_path)
    assert "cut short" in told["damage"]
    was, now = frames(SAMPLES / "line.mcap"), frames(out)
    for connection in CONNECTIONS:
        assert said(now[connection]) == said(was[connection])[: len(now[connection])]
    assert now["L1.oven"]


def test_where_a_server_is_can_be_said(tmp_path: Path) -> None:
    config = tmp_path / "other.toml"
    config.write_text(CONFIG.read_text().replace(f'"127.0.0.1", port = {MODBUS}', '"oven.example", port = 502'))
    told, out = imported(sample(), tmp_path, config=config)
    assert "say --map L1.oven=ADDRESS:502" in told["not_found"]["L1.oven"]
    (other,) = told["unknown"]
    assert (other["server"], other["looks_like"]) == (f"127.0.0.1:{MODBUS}", "Modbus TCP")
    told, out = imported(sample(), tmp_path, "--map", f"L1.oven=127.0.0.1:{MODBUS}", config=config)
    assert said(frames(out)["L1.oven"]) == said(frames(SAMPLES / "line.mcap")["L1.oven"])
    with pytest.raises(ConfigError, match=r"'oven' is no connection; allowed: L1\.aoi"):
        imported(sample(), tmp_path, "--map", "oven=127.0.0.1:502", config=config)


def test_what_is_encrypted_is_said(tmp_path: Path) -> None:
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(500)
    config = tmp_path / "tls.toml"
    config.write_text(CONFIG.read_text().replace('host = "127.0.0.1"', 'host = "10.0.0.2"'))
    told, out = imported(made([(1.0, 40_000, MQTT, 1, hello), (1.1, 40_001, 9_999, 1, b"x")]), tmp_path, config=config)
    (stream,) = told["streams"]
    assert (stream["connection"], stream["problem"]) == ("L1.placer", "encrypted (TLS)")
    assert [each["server"] for each in told["unknown"]] == ["10.0.0.2:9999"]
    assert not out.exists()


def test_what_cannot_be_read_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PcapError, match="isn't a capture file"):
        imported(b"no recording at all, but some text that is long enough", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PcapError, match="not installed: it is in the package tshark"):
        imported(sample(), tmp_path)
