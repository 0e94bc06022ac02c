"""How fast registers get from machines into the journal: the whole gateway, as a process, next to pymodbus alone.

The machine is a server made of libmodbus, a process too, whose registers are all others with each read. A: `lineside
run` with its API and `synchronous = full`, a station and a connection for each port of it, whose profile polls without
a pause; ticks that it misses are as they should be. B: pymodbus's client in a process of its own on uvloop (on asyncio's
own loop it is slower), which does nothing with what it reads. Each runs for some seconds. What the gateway has done is
read from outside, out of the journal's file. A run counts only if the journal in the end has all the samples of all the
reads that the machine has answered, in order, but for those that were on their way when the gateway was told to stop.
"""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks.baselines.terms import REPORTED
from tests.benchmarks.intake import Counted, Took, by_hand, cpu_s
from tests.benchmarks.load import HOST
from tests.benchmarks.row import Row, Target, against, say
from tests.daemon import Daemon, config
from tests.integration.modbus.libmodbus import compile_server

TARGET: Target = ("at least", 0.8)
_SETTLE_S = 1.0
"""At first a process is slower, and all series are new."""


class Reading(msgspec.Struct, frozen=True):
    """registers: of one request. signals: how many of them have a name, and so give a sample with each read."""

    registers: int
    signals: int

    @property
    def profile(self) -> str:
        step = (self.registers - 1) / (self.signals - 1)
        signals = "".join(
            f'[signal."x.s{number}"]\nat = {round(number * step)}\ntype = "u16"\nexample = {number}\n'
            for number in range(self.signals)
        )
        return (
            'class = "generic"\nprotocol = "modbus"\nmodels = ["Bench"]\nevidence = { level = "example" }\n'
            f'[poll.all]\nevery = "0.01ms"\ntable = "holding"\nstart = 0\ncount = {self.registers}\n{signals}'
        )

    def __str__(self) -> str:
        if self.registers == self.signals:
            return f"{self.registers} registers, all of them samples"
        return f"{self.registers} registers, {self.signals} samples"


READINGS = (Reading(10, 10), Reading(125, 20))


class Machine:
    """The server, with a port for each connection."""

    def __init__(self, program: Path, connections: int) -> None:
        self._process = subprocess.Popen(
            [program, "moving", str(connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.ports = [int(port) for port in self._process.stdout.readline().split()]

    def stop(self) -> list[int]:
        """How many requests it has answered, by port."""
        said, _ = self._process.communicate()
        return [int(count) for count in said.split()]


@contextmanager
def machine_of(program: Path, connections: int) -> Iterator[Machine]:
    machine = Machine(program, connections)
    try:
        yield machine
    finally:
        machine._process.kill()
        machine._process.wait()


class _Samples:
    """How many samples a journal has."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def __call__(self) -> int:
        with suppress(sqlite3.OperationalError):  # no file or no tables yet
            if self._database is None:
                self._database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)
            (last,) = self._database.execute("SELECT coalesce(max(n), 0) FROM sample").fetchone()
            return int(last)
        return 0


def _configured(folder: Path, ports: Sequence[int], reading: Reading, extra: str = "") -> Path:
    profile = folder / "profiles" / "generic" / "bench.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text(reading.profile, "utf-8")
    stations = "\n".join(
        f'[[line.station]]\nname = "m{number}"\nclass = "generic"\nprofile = "generic/bench"\n'
        f'source = {{ protocol = "modbus-tcp", host = "{HOST}", port = {port} }}'
        for number, port in enumerate(ports)
    )
    return config(folder, connections="", stations=stations, extra=extra)


def gateway_run(machine: Machine, reading: Reading, seconds: float, extra: str = "") -> Took:
    """extra: of the gateway's configuration."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon = Daemon(_configured(folder, machine.ports, reading, extra))
        samples = _Samples(folder / "journal.db")
        try:
            daemon.start()
            daemon.wait(samples)
            time.sleep(_SETTLE_S)
            begun, used, first = time.perf_counter(), cpu_s(daemon.pid), samples()
            time.sleep(seconds)
            ended, used, last = time.perf_counter(), cpu_s(daemon.pid) - used, samples()
            dropped, undecodable = (
                daemon.metric("lineside_frames_dropped_total"),
                daemon.metric("lineside_quarantined_total"),
            )
            if daemon.stop() != 0:
                raise RuntimeError(daemon.log())
        finally:
            daemon.close()
        _check(folder / "journal.db", machine.stop(), reading, dropped + undecodable)
    reads = (last - first) / reading.signals
    return Took(reads / (ended - begun), used / reads * 1e6)


def _check(journal: Path, answered: Sequence[int], reading: Reading, lost: float) -> None:
    """Of every station: each signal once for each read, and never the same value twice."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        for number, reads in enumerate(answered):
            counts = database.execute(
                "SELECT (SELECT count(*) FROM sample WHERE quality = 0 AND series = s.id AND n > "
                "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'samples_compacted')) "
                "+ (SELECT coalesce(sum(count), 0) FROM sample_chunk WHERE series = s.id) "
                "FROM series s WHERE station = ?",
                (f"L1.m{number}",),
            ).fetchall()
            few = [count for (count,) in counts if not reads - 2 <= count <= reads]
            if len(counts) != reading.signals or few or lost:
                raise RuntimeError(
                    f"{reads} reads of m{number}, {len(counts)} series with {few[:3]} samples; {lost:g} frames lost"
                )


def _bare(machine: Machine, reading: Reading, seconds: float) -> Took:
    with tempfile.TemporaryDirectory() as name:
        counted = Counted(Path(name) / "count")
        ports = ",".join(map(str, machine.ports))
        with by_hand("modbus-uvloop", ports, reading.registers, Path(name) / "count") as pid:
            time.sleep(_SETTLE_S)
            begun, used, first = time.perf_counter(), cpu_s(pid), counted()
            time.sleep(seconds)
            ended, used, last = time.perf_counter(), cpu_s(pid) - used, counted()
        machine.stop()
    return Took((last - first) / (ended - begun), used / (last - first) * 1e6)


def run(pairs: int, seconds: float) -> list[Row]:
    """Reads per second, on one connection and on ten, of few registers and of many."""
    with tempfile.TemporaryDirectory() as folder:
        program = compile_server(Path(folder))
        return [_row(program, connections, reading, pairs, seconds) for connections in (1, 10) for reading in READINGS]


def _row(program: Path, connections: int, reading: Reading, pairs: int, seconds: float) -> Row:
    took: dict[str, list[Took]] = {"gateway": [], "pymodbus": []}
    sides = [("gateway", gateway_run), ("pymodbus", _bare)]
    what = f"Modbus TCP into the journal, {connections} connection{'s' * (connections > 1)}, reads of {reading}"
    for pair in range(pairs):
        for name, work in sides:
            with machine_of(program, connections) as machine:
                took[name].append(work(machine, reading, seconds))
        sides.reverse()  # nobody always goes first
        say(
            f"{what} {pair + 1}/{pairs}: "
            + ", ".join(f"{name} {found[-1].rate:,.0f}/s {found[-1].cpu_us:.0f} µs" for name, found in took.items())
        )
    mine, theirs = took.values()
    cpu = [median(each.cpu_us for each in side) for side in (mine, theirs)]
    return against(
        what,
        [each.rate for each in mine],
        [each.rate for each in theirs],
        names=("gateway", "pymodbus alone"),
        target=TARGET,
        reported=REPORTED[f"modbus {connections} {reading.registers}"],
        note=f"processor time per read: A {cpu[0]:.0f} µs, B {cpu[1]:.0f} µs; "
        f"A stores {median(each.rate for each in mine) * reading.signals:,.0f} samples/s",
    )
