"""`lineside demo` as people run it: a process of its own, ended by itself or with Ctrl-C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.demo import COMMAND, Demo, Event, demo

pytestmark = pytest.mark.slow

SHIFT = ("--hours", "0.02", "--seed", "93")
"""The first panels of a lot, all the way to the electrical test: a quarter of an hour."""
WITHOUT_MOSQUITTO = """
import simulators.broker
simulators.broker.find_mosquitto = lambda: None
from gateway.cli.main import main
main()
"""


def reconciled(run: Demo, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "reconcile", run.data / "line.ledger", "--journal", run.data / "lineside.db", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def cfx_from(*stations: str, events: Sequence[Event]) -> bool:
    """Each has told something in CFX."""
    return set(stations) <= {each["station"] for each in events if str(each["message"]).startswith("CFX.")}


def test_a_shift_is_over_by_itself_and_the_same_seed_is_the_same_shift(tmp_path: Path) -> None:
    """Two at once, at different speeds: two ledgers, the same to the byte, and nothing of either is missing."""
    for each in ("one", "other"):
        (tmp_path / each).mkdir()
    with (
        demo(tmp_path / "one", *SHIFT, "--speed", "120") as one,
        demo(tmp_path / "other", *SHIFT, "--speed", "90") as other,
    ):
        assert one.ended(timeout_s=100) == 0, one.output
        assert "the shift is over" in one.output
        assert f"lineside reconcile {one.data}" in one.output
        assert other.ended(timeout_s=100) == 0, other.output
    assert (one.data / "line.ledger").read_bytes() == (other.data / "line.ledger").read_bytes()
    for run in (one, other):
        compared = reconciled(run, "--look", "0.5", "--json")
        assert compared.returncode == 0, reconciled(run, "--look", "0.5").stdout
        answer = json.loads(compared.stdout)
        assert answer["clean"]
        assert answer["timed"]
        working = [name for name, station in answer["stations"].items() if sum(station["found"].values()) > 0]
        assert len(working) >= 10, f"too little has happened to compare: {working}"


def test_ctrl_c_leaves_the_journal_and_nothing_else(tmp_path: Path) -> None:
    """Servers, terminals and the broker end with the process that started them."""
    with demo(tmp_path, "--speed", "30", "--seed", "5") as run:
        for protocol in ("AMQP", "MQTT", "OPC UA", "Modbus TCP", "RTU", "serial text", "files", "Hermes"):
            assert protocol in run.screen()
        run.heard(lambda events: cfx_from("L1.printer", "L1.spi", "L1.pnp1", "L1.pnp2", "L1.aoi", events=events))
        terminals = [path for path in run.data.iterdir() if path.is_symlink()]
        assert {path.name for path in terminals} >= {"L1.scan.tty", "L1.selective.tty", "probe2.tty"}
        assert all(path.exists() for path in terminals)
        assert len(run.get("/stations")["stations"]) == 13
        if "mosquitto" in run.screen():
            assert [each for each in run.servants() if "mosquitto" in each]
        assert run.interrupt() == 0, run.output
        assert run.servants() == []
    assert run.output.rstrip().splitlines()[-1].startswith("compare it with what really happened: ")
    assert "Traceback" not in run.output
    assert [path for path in run.data.rglob("*") if path.is_symlink()] == []
    answer = json.loads(reconciled(run, "--look", "1", "--json").stdout)
    assert sum(answer["stations"]["L1.printer"]["found"].values()) > 0
    assert answer["totals"]["invented"] == answer["totals"]["duplicated"] == 0, answer


def test_without_mosquitto_it_needs_no_server_at_all(tmp_path: Path) -> None:
    """A broker inside the process takes its place; nothing stays of a demo that is to keep nothing."""
    place = tmp_path / "temporary"
    place.mkdir()
    environment = {**os.environ, "TMPDIR": str(place)}
    command = (sys.executable, "-c", WITHOUT_MOSQUITTO)
    with demo(tmp_path, "--speed", "30", command=command, keep=False, environment=environment) as run:
        assert "broker: embedded" in run.screen()
        run.heard(lambda events: cfx_from("L1.spi", "L1.pnp2", "L1.printer", events=events))
        assert list(place.iterdir())
        assert run.interrupt() == 0, run.output
    assert run.output.rstrip().splitlines()[-1] == "stopped"
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--scenario", "none"),
            "--scenario: there is no 'none'; allowed: the path of a TOML file, or one of everything,",
        ),
        (("--scenario", "wrong.toml"), "wrong.toml: Object contains unknown field `rain` - at `$.switches`"),
        (("--troubles", "none"), "--troubles: there is no 'none'; allowed:"),
        (("--listen", "here"), "--listen: is no address; allowed:"),
    ],
)
def test_what_cannot_be(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "wrong.toml").write_text("[switches]\nrain = 1\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lineside", "demo", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_troubles_that_cannot_happen_are_named_and_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[switches]\nrain = 1\n", "utf-8")
    with demo(tmp_path, "--troubles", str(tmp_path / "wrong.toml")) as run:
        assert run.ended() == 2
    assert run.output == f"{tmp_path / 'wrong.toml'}: switches: unknown; allowed: trouble\n"
    assert run.servants() == []
