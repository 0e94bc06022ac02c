"""`lineside simulate` as its own process, asked by raw sockets and terminals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
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


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["none/such"], 2, "there is no profile 'none/such'"),
        ([PROFILE, "--listen", "here"], 2, "--listen: is no address; allowed:"),
        ([PROFILE, "--serial", "bus", "--rtu"], 2, "--serial: stands beside"),
        ([PROFILE, "--rtu", "--unit", "0"], 2, "--unit: 0 is no address on a serial line; allowed: 1 to 247"),
        ([PROFILE, "--serial", "/dev/null"], 1, "cannot open /dev/null"),
    ],
)
def test_what_cannot_be(arguments: list[str], status: int, says: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "simulate", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert (ended.returncode, ended.stdout) == (status, "")
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
