"""How fast machines' messages get into the journal: the whole gateway, as a process, next to receivers by hand.

The machines are a process too. They keep a fixed number of messages ahead of what the receiver has done, so they are
never the bottleneck, and send as long as is measured ("live"); or everything is with the broker before the receiver
comes ("backlog"). What is done is read from outside, out of the journal's file, the same way for all; it counts from
the first commit seen to the last. Afterwards the journal has every message, and the broker none.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks.baselines.counter import COUNTER
from tests.benchmarks.baselines.terms import CREDIT, REPORTED
from tests.benchmarks.load import HOST, MACHINES, Load, handle, left_over, loaded, register
from tests.benchmarks.row import Row, Target, against, say
from tests.daemon import Daemon, config
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto

AHEAD = 4000
_LONGEST_S = 120.0

Progress = Callable[[], int]


class Stored:
    """Messages of machines that a journal has."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._seq = self._count = 0

    def __call__(self) -> int:
        with suppress(sqlite3.OperationalError):  # no file or no tables yet
            if self._database is None:
                self._database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)
            last, more = self._database.execute(
                "SELECT max(seq), count(*) FILTER (WHERE origin = 0) FROM event WHERE seq > ?", (self._seq,)
            ).fetchone()
            if last is not None:
                self._seq, self._count = last, self._count + more
        return self._count


class Counted:
    """What a receiver says of itself (`baselines.counter`)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _read(self) -> tuple[int, int, float, float]:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            data = b""
        return COUNTER.unpack(data) if data else (0, 0, 0.0, 0.0)

    def __call__(self) -> int:
        return self._read()[0]

    def rate(self) -> float:
        """By its own clock: it is too fast to be looked at from outside."""
        count, first, begun, ended = self._read()
        return (count - first) / (ended - begun)


@contextmanager
def _gateway(folder: Path, connection: str, extra: str = "") -> Iterator[int]:
    stations = "\n".join(
        f'[[line.station]]\nname = "m{number}"\nclass = "pick_and_place"\n'
        f'source = {{ connection = "machines", handle = ["{handle(number)}"] }}'
        for number in range(MACHINES)
    )
    path = config(
        folder, connections=f'[[connection]]\nname = "machines"\n{connection}', stations=stations, extra=extra
    )
    daemon = Daemon(path)
    try:
        daemon.start()
        assert daemon.process is not None
        yield daemon.process.pid
        if daemon.stop() != 0:
            raise RuntimeError(daemon.log())
    finally:
        daemon.close()


@contextmanager
def by_hand(name: str, *arguments: object) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.benchmarks.baselines", name, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        if said != b"ready\n":
            raise RuntimeError(f"{name} said {said!r}")
        yield process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Took(msgspec.Struct, frozen=True):
    """rate: messages per second. cpu_us: the receiver's processor time per message."""

    rate: float
    cpu_us: float


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _follow(pid: int, progress: Progress, count: int, load: Load | None) -> Took:
    """From the first message that is done to the last."""
    deadline = time.monotonic() + _LONGEST_S
    begun: tuple[float, int, float] | None = None
    allowed = 0
    while True:
        done, now = progress(), time.perf_counter()
        if begun is None and done:
            begun = now, done, cpu_s(pid)
        if begun is not None and done >= count:
            messages = max(done - begun[1], 1)
            return Took(messages / max(now - begun[0], 1e-9), (cpu_s(pid) - begun[2]) / messages * 1e6)
        if load is not None and allowed < count:
            allowed = min(done + AHEAD, count)
            load.allow(allowed)
        if time.monotonic() > deadline:
            raise RuntimeError(f"{done} of {count} messages after {_LONGEST_S:g} s")
        time.sleep(0.005)


def mqtt_run(kind: str, broker: Mosquitto, count: int, *, live: bool, extra: str = "") -> Took:
    """extra: of the gateway's configuration."""
    client, topic = broker.name("receiver"), broker.name("bench")
    register(broker.port, client, topic)
    with tempfile.TemporaryDirectory() as name, loaded("mqtt", broker.port, topic, count) as load:
        folder = Path(name)
        path = folder / ("count" if kind == "mqtt-raw" else "journal.db")
        progress = Counted(path) if kind == "mqtt-raw" else Stored(path)
        if kind == "gateway":
            receiver = _gateway(
                folder,
                f'protocol = "cfx-mqtt"\nhost = "{HOST}"\nport = {broker.port}\n'
                f'topics = ["{topic}"]\nclient_id = "{client}"\n',
                extra,
            )
        else:
            receiver = by_hand(kind, broker.port, client, topic, path)
        if not live:
            load.allow(count)
            load.wait()
        with receiver as pid:
            took = _follow(pid, progress, count, load if live else None)
            if live:
                load.wait()
            time.sleep(0.2)  # the last acknowledgements are on their way
        _check(progress(), count, left_over(broker.port, client))
        return Took(progress.rate(), took.cpu_us) if isinstance(progress, Counted) else took


def amqp_run(kind: str, count: int, credit: int = CREDIT, *, extra: str = "") -> Took:
    """Likewise."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        path = folder / ("count" if kind == "amqp-container" else "journal.db")
        progress = Counted(path) if kind == "amqp-container" else Stored(path)
        if kind == "gateway":
            receiver = _gateway(folder, f'protocol = "cfx-amqp"\nlisten = "{HOST}:{port}"\ncredit = {credit}\n', extra)
        else:
            receiver = by_hand(kind, port, credit, path)
        with receiver as pid, loaded("amqp", port, count) as load:
            took = _follow(pid, progress, count, load)
            load.wait()  # every one was accepted
        _check(progress(), count, 0)
        return Took(progress.rate(), took.cpu_us) if isinstance(progress, Counted) else took


def _check(done: int, count: int, unacknowledged: int) -> None:
    if done != count or unacknowledged:
        raise RuntimeError(f"{done} of {count} messages are there, {unacknowledged} bytes not acknowledged")


def mqtt(pairs: int, count: int) -> list[Row]:
    """Live and out of a backlog, next to paho by hand and to a socket that only acknowledges.

    By hand there are two ways, with the commits on the thread that reads and on another. Now the one is faster, now the
    other: what counts is the faster of each pair.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            for live in (True, False):
                way = "live" if live else "backlog"
                kinds = ["gateway", "mqtt", "mqtt-thread", "mqtt-raw"]
                took: dict[str, list[Took]] = {kind: [] for kind in kinds}
                for pair in range(pairs):
                    for kind in kinds:
                        took[kind].append(mqtt_run(kind, broker, count, live=live))
                    say(f"mqtt {way} {pair + 1}/{pairs}: " + _latest(took))
                    kinds.reverse()  # nobody always goes first
                what = f"CFX/MQTT QoS 1 to journal and PUBACK, {way}"
                by_hand = zip(took["mqtt"], took["mqtt-thread"], strict=True)
                took["mqtt-faster"] = [max(each, key=lambda one: one.rate) for each in by_hand]
                rows.append(_row(what, took, "mqtt-faster", "paho by hand, the faster", target=("at least", 0.7)))
                rows.append(_row(what, took, "mqtt", "paho by hand, one thread", reported=False))
                rows.append(_row(what, took, "mqtt-thread", "paho by hand, two threads", reported=False))
                rows.append(_row(what, took, "mqtt-raw", "only acknowledging", reported=live))
        finally:
            broker.stop()
    return rows


def amqp(pairs: int, count: int, credit: int = CREDIT) -> list[Row]:
    """Point to point, next to proton's engine by hand and its Container, which stores nothing.

    With another credit than that of all other benchmarks there are no targets.
    """
    kinds = ["gateway", "amqp-engine", "amqp-container"]
    took: dict[str, list[Took]] = {kind: [] for kind in kinds}
    for pair in range(pairs):
        for kind in kinds:
            took[kind].append(amqp_run(kind, count, credit))
        say(f"amqp, credit {credit}, {pair + 1}/{pairs}: " + _latest(took))
        kinds.reverse()
    what = "CFX/AMQP point to point, accepted after commit"
    if credit != CREDIT:
        what += f", credit {credit}"
    usual = credit == CREDIT  # the reported rates are for that too
    targets: tuple[Target, Target] = (("at least", 0.7), ("above", 1.0)) if usual else (None, None)
    return [
        _row(what, took, "amqp-engine", "proton engine by hand", target=targets[0], reported=usual),
        _row(what, took, "amqp-container", "proton Container, no commit", target=targets[1], reported=usual),
    ]


def _row(
    what: str, took: dict[str, list[Took]], other: str, name: str, *, target: Target = None, reported: bool = True
) -> Row:
    mine, theirs = took["gateway"], took[other]
    cpu = [median(each.cpu_us for each in side) for side in (mine, theirs)]
    return against(
        what,
        [each.rate for each in mine],
        [each.rate for each in theirs],
        names=("gateway", name),
        target=target,
        reported=REPORTED[other] if reported else None,
        note=f"processor time per message: A {cpu[0]:.0f} µs, B {cpu[1]:.0f} µs",
    )


def _latest(took: dict[str, list[Took]]) -> str:
    return ", ".join(
        f"{kind} {found[-1].rate:,.0f}/s {found[-1].cpu_us:.0f} µs" for kind, found in sorted(took.items())
    )
