"""`lineside simulate` as its own process, heard by raw sockets and terminals, and by clients that are not ours."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from asyncua import Client

from gateway.cli.main import main
from simulators.broker import private_broker
from tests.build import until
from tests.conftest import ROOT
from tests.integration.test_simulated_amqp import Machinery, listening
from tests.integration.test_simulated_mqtt import subscribed
from tests.servers import require
from tests.unit.simulators.modbus_peers import Peer, at_port, connected, rtu, tcp

PROFILE = "reflow_oven/example-10-zone"
NAME, REQUEST, ANSWER = PROFILE, "07 03 0000 0001", "07 03 02 05DC"  # the first setpoint, 150.0 degrees


@contextmanager
def simulating(*arguments: str, folder: Path = ROOT) -> Iterator[str]:
    """Yields what it says; then it is interrupted, and has to end well."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulate", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        yield "".join(lines)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[0] == "stopped\n"
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def address(said: str) -> tuple[str, int]:
    found = re.search(r" on (127\.0\.0\.1):(\d+), unit 7; speed 20, seed 5\n", said)
    assert found is not None, said
    return found[1], int(found[2])


async def answers(peer: Peer, *, tcp_framing: bool) -> None:
    if tcp_framing:
        await peer.ask(tcp(1, REQUEST), tcp(1, ANSWER))
    else:
        await peer.ask(rtu(REQUEST), rtu(ANSWER))


async def test_modbus_tcp_on_a_free_port() -> None:
    with simulating(PROFILE, "--listen", "127.0.0.1:0", "--unit", "7", "--speed", "20", "--seed", "5") as said:
        assert said.startswith(f"{PROFILE}: Example RO-10; profile's evidence: example")
        assert "Modbus TCP on" in said
        async with connected(address(said)) as peer:
            await answers(peer, tcp_framing=True)


async def test_rtu_over_tcp_with_a_profile_from_its_file(tmp_path: Path) -> None:
    text = (ROOT / "config" / "profiles" / f"{PROFILE}.toml").read_text("utf-8")
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    with simulating("mine.toml", "--rtu", "--unit", "7", "--speed", "20", "--seed", "5", folder=tmp_path) as said:
        assert "Modbus RTU over TCP on" in said
        async with connected(address(said)) as peer:
            await answers(peer, tcp_framing=False)


async def test_a_serial_line(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    with simulating(PROFILE, "--serial", str(path), "--unit", "7") as said:
        assert f"Modbus RTU on {path}, unit 7; speed 1, seed " in said
        async with at_port(path) as peer:
            await answers(peer, tcp_framing=False)
    assert not path.is_symlink()


def port(said: str) -> int:
    found = re.search(r": host 127\.0\.0\.1, port (\d+); speed 60, seed 5\n", said)
    assert found is not None, said
    return int(found[1])


def read(number: int, enough: Callable[[bytes], bool], timeout_s: float = 20.0) -> bytes:
    """What comes from a file descriptor until it is enough."""
    data, deadline = b"", time.monotonic() + timeout_s
    while not enough(data):
        ready, _, _ = select.select([number], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"not enough in {timeout_s} s: {data!r}"
        data += os.read(number, 4096)
    return data


QUICK = ("--speed", "60", "--seed", "5")
LABELS = re.compile(rb"\x02PNL[0-9]{7}\x03")


def test_a_reader_that_is_connected_to() -> None:
    with simulating("barcode_reader/example-stx-etx", *QUICK) as said:
        assert "tcp-text: " in said
        with socket.create_connection(("127.0.0.1", port(said))) as peer:
            heard = read(peer.fileno(), lambda data: len(LABELS.findall(data)) >= 3)
    labels = LABELS.findall(heard)
    assert len(labels) == len(set(labels)), "another panel each time"


def test_a_tester_on_a_serial_port(tmp_path: Path) -> None:
    path = tmp_path / "printer"
    with simulating("electrical_test/example-flying-probe", "--serial", str(path), *QUICK) as said:
        assert f"serial-text: port {path}; speed 60, seed 5\n" in said
        number = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            heard = read(number, lambda data: b"*END " in data)
        finally:
            os.close(number)
    assert not path.is_symlink()
    report = heard[heard.index(b"*START ") :].decode("latin-1")
    assert re.match(r"\*START PROG=\S+ REV=\S+ PANEL=PNL\d{7} ", report)
    assert re.search(r"^R\d+ [\d,]+ kOhm NOM [\d,]+ MIN [\d,]+ MAX [\d,]+ (PASS|FAIL)\r?$", report, re.MULTILINE)


async def test_an_xray_machine_that_writes_files(tmp_path: Path) -> None:
    with simulating("axi/example-xml", "--folder", str(tmp_path / "results"), *QUICK) as said:
        assert f"files: path {tmp_path / 'results'}; speed 60, seed 5\n" in said
        await until(lambda: len(list((tmp_path / "results").glob("*.xml"))) >= 2, timeout_s=20)
    for file in (tmp_path / "results").glob("*.xml"):  # also those that came while it ended: none is half written
        panel = ElementTree.parse(file).getroot().find("Panel")
        assert panel is not None
        assert panel.get("result") in ("PASS", "FAIL")
        assert file.name.startswith(str(panel.get("barcode")))


async def test_an_inspection_machine_with_opc_ua() -> None:
    with simulating("aoi/example-opcua", *QUICK) as said:
        found = re.search(r"opcua: url (opc\.tcp://127\.0\.0\.1:\d+); speed 60, seed 5\n", said)
        assert found is not None, said
        async with Client(found[1]) as client, asyncio.timeout(20):
            number = await client.get_namespace_index("http://oi3.example/machine")
            passed = client.get_node(f"ns={number};s=Conveyor.PanelsOut")
            first = await passed.read_value()
            while await passed.read_value() < first + 2:
                await asyncio.sleep(0.05)
            assert re.fullmatch(r"[A-Z]+-[0-9]+-\w+", await client.get_node(f"ns={number};s=Program.Name").read_value())


def test_a_loader_with_hermes() -> None:
    hello = (
        b'<Hermes Timestamp="2026-11-20T14:00:31.507"><SupervisoryServiceDescription SystemId="peer" Version="1.5">'
        b"<SupportedFeatures><FeatureBoardTracking/></SupportedFeatures></SupervisoryServiceDescription></Hermes>"
    )
    with (
        simulating("magazine_loader", "--hermes", *QUICK) as said,
        socket.create_connection(("127.0.0.1", port(said))) as peer,
    ):
        peer.sendall(hello)
        heard = read(peer.fileno(), lambda data: data.count(b"<BoardDeparted") >= 2)
    assert (
        heard.index(b"SupervisoryServiceDescription") < heard.index(b"<BoardArrived") < heard.index(b"<BoardDeparted")
    )
    assert re.search(rb'MagazineId="[^"]+" SlotId="1" ', heard)


@pytest.mark.mosquitto
async def test_a_placement_machine_with_cfx_over_mqtt(tmp_path: Path) -> None:
    require("mosquitto", "mosquitto")
    require("mosquitto_sub", "mosquitto-clients")
    async with asyncio.timeout(40), private_broker(tmp_path) as broker, subscribed(broker) as subscriber:
        options = ("--mqtt", f"{broker.host}:{broker.port}", "--handle", "Example.Placer.SN7", *QUICK)
        with simulating("pick_and_place", *options) as said:
            assert f"cfx-mqtt: {broker.host}:{broker.port}; speed 60, seed 5\n" in said
            names: list[object] = []
            while "CFX.Production.WorkCompleted" not in names:
                where, _, envelope = await subscriber.next()
                if where != "probe":
                    names.append(envelope["MessageName"])
                    assert where == f"Example.Placer.SN7.{names[-1]}".replace(".", "/")
                    assert envelope["Source"] == "Example.Placer.SN7"
    assert names[0] == "CFX.EndpointConnected"
    assert names.index("CFX.Production.WorkStarted") < names.index("CFX.Production.WorkCompleted")


async def test_a_printer_with_cfx_over_amqp() -> None:
    machinery = Machinery()

    def names() -> list[str]:
        return [json.loads(zlib.decompress(each.body, 47))["MessageName"] for each in machinery.messages]

    async with listening(machinery) as listener:
        running = simulating("solder_paste_printer", "--amqp", f"127.0.0.1:{listener.port}", *QUICK)
        said = await asyncio.to_thread(running.__enter__)
        try:
            assert f"cfx-amqp: 127.0.0.1:{listener.port}; speed 60, seed 5\n" in said
            await until(lambda: "CFX.Production.WorkCompleted" in names(), timeout_s=20)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    assert names()[0] == "CFX.EndpointConnected"
    assert names()[-1] == "CFX.EndpointShuttingDown", "it says goodbye"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none/such"], "there is no profile 'none/such'"),
        ([PROFILE, "--listen", "here"], "--listen: is no address; allowed:"),
        ([PROFILE, "--serial", "bus", "--rtu"], "--serial: stands beside"),
        ([PROFILE, "--rtu", "--unit", "0"], "--unit: 0 is no address on a serial line; allowed: 1 to 247"),
        ([PROFILE, "--folder", "results"], "is of registers; allowed: --listen or --serial"),
        (["axi/example-xml", "--listen", "127.0.0.1:0"], "is of files; allowed: --folder"),
        (["pick_and_place/example-trace"], "are simulated that tell of inspection or test"),
        (["spi", "--mqtt", "here"], "--mqtt: is no address; allowed:"),
        (["spi", "--mqtt", "127.0.0.1:1", "--amqp", "127.0.0.1:1"], "allowed: one of them"),
        (["spi", "--hermes", "--folder", "results"], "--folder: not with --hermes"),
        (["reflow_oven", "--amqp", "127.0.0.1:1"], "is simulated over cfx-amqp; allowed: pick_and_place, "),
        (["electrical_test", "--hermes"], "is simulated over hermes-vertical; allowed: aoi, "),
    ],
)
def test_what_cannot_be(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lineside", "simulate", *arguments])
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert says in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([PROFILE, "--serial", "/dev/null"], "cannot open /dev/null"),
        (["axi/example-xml", "--folder", "/dev/null/results"], "cannot make /dev/null/results"),
    ],
)
def test_what_cannot_be_had(arguments: list[str], says: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "simulate", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
