"""How fast machines' messages get into the journal: the whole gateway, as a process, next to receivers by hand.

The machines are a process too. They keep a fixed number of messages ahead of what the receiver has done, so they are
never the bottleneck, and send as long as is measured ("live"); or everything is with the broker before the receiver
comes ("backlog"). What is done is read from outside, out of the journal's file, the same way for all; it counts from
the first commit seen to the last. Afterwards the journal has every message, and the broker none.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.benchmarks.baselines import COUNTER, CREDIT, REPORTED
from tests.benchmarks.load import HOST, MACHINES, Load, handle, left_over, loaded, register
from tests.benchmarks.row import Row, against, say
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
    """What a receiver says of itself (`baselines.Counter`)."""

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
def _gateway(folder: Path, connection: str) -> Iterator[None]:
    stations = "\n".join(
        f'[[line.station]]\nname = "m{number}"\nclass = "pick_and_place"\n'
        f'source = {{ connection = "machines", handle = ["{handle(number)}"] }}'
        for number in range(MACHINES)
    )
    path = config(folder, connections=f'[[connection]]\nname = "machines"\n{connection}', stations=stations)
    daemon = Daemon(path)
    try:
        daemon.start()
        yield
        if daemon.stop() != 0:
            raise RuntimeError(daemon.log())
    finally:
        daemon.close()


@contextmanager
def _by_hand(name: str, *arguments: object) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.benchmarks.baselines", name, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        if said != b"ready\n":
            raise RuntimeError(f"{name} said {said!r}")
        yield
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _rate(progress: Progress, count: int, load: Load | None) -> float:
    """Messages per second from the first that is done to the last."""
    deadline = time.monotonic() + _LONGEST_S
    begun: tuple[float, int] | None = None
    allowed = 0
    while True:
        done, now = progress(), time.perf_counter()
        if begun is None and done:
            begun = now, done
        if begun is not None and done >= count:
            return (done - begun[1]) / max(now - begun[0], 1e-9)
        if load is not None and allowed < count:
            allowed = min(done + AHEAD, count)
            load.allow(allowed)
        if time.monotonic() > deadline:
            raise RuntimeError(f"{done} of {count} messages after {_LONGEST_S:g} s")
        time.sleep(0.005)


def _mqtt(kind: str, broker: Mosquitto, count: int, *, live: bool) -> float:
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
            )
        else:
            receiver = _by_hand(kind, broker.port, client, topic, path)
        if not live:
            load.allow(count)
            load.wait()
        with receiver:
            rate = _rate(progress, count, load if live else None)
            if live:
                load.wait()
            time.sleep(0.2)  # the last acknowledgements are on their way
        _check(progress(), count, left_over(broker.port, client))
        return progress.rate() if isinstance(progress, Counted) else rate


def _amqp(kind: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        path = folder / ("count" if kind == "amqp-container" else "journal.db")
        progress = Counted(path) if kind == "amqp-container" else Stored(path)
        if kind == "gateway":
            receiver = _gateway(folder, f'protocol = "cfx-amqp"\nlisten = "{HOST}:{port}"\ncredit = {CREDIT}\n')
        else:
            receiver = _by_hand(kind, port, path)
        with receiver, loaded("amqp", port, count) as load:
            rate = _rate(progress, count, load)
            load.wait()  # every one was accepted
        _check(progress(), count, 0)
        return progress.rate() if isinstance(progress, Counted) else rate


def _check(done: int, count: int, unacknowledged: int) -> None:
    if done != count or unacknowledged:
        raise RuntimeError(f"{done} of {count} messages are there, {unacknowledged} bytes not acknowledged")


def mqtt(pairs: int, count: int) -> list[Row]:
    """Live and out of a backlog, next to paho by hand; live next to a socket that only acknowledges."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            for live in (True, False):
                way = "live" if live else "backlog"
                kinds = ["gateway", "mqtt", "mqtt-raw"]
                rates: dict[str, list[float]] = {kind: [] for kind in kinds}
                for pair in range(pairs):
                    for kind in kinds:
                        rates[kind].append(_mqtt(kind, broker, count, live=live))
                    say(f"mqtt {way} {pair + 1}/{pairs}: " + _latest(rates))
                    kinds.reverse()  # nobody always goes first
                what = f"CFX/MQTT QoS 1 to journal and PUBACK, {way}"
                mine = rates["gateway"]
                rows.append(
                    against(
                        what,
                        mine,
                        rates["mqtt"],
                        names=("gateway", "paho by hand"),
                        target=("at least", 0.7),
                        reported=REPORTED["mqtt"],
                    )
                )
                rows.append(
                    against(what, mine, rates["mqtt-raw"], names=("gateway", "only acknowledging"), target=None)
                )
        finally:
            broker.stop()
    return rows


def amqp(pairs: int, count: int) -> list[Row]:
    """Point to point, next to proton's engine by hand and its Container, which stores nothing."""
    kinds = ["gateway", "amqp-engine", "amqp-container"]
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    for pair in range(pairs):
        for kind in kinds:
            rates[kind].append(_amqp(kind, count))
        say(f"amqp {pair + 1}/{pairs}: " + _latest(rates))
        kinds.reverse()
    what = "CFX/AMQP point to point, accepted after commit"
    mine = rates["gateway"]
    return [
        against(
            what,
            mine,
            rates["amqp-engine"],
            names=("gateway", "proton engine by hand"),
            target=("at least", 0.7),
            reported=REPORTED["amqp-engine"],
        ),
        against(
            what,
            mine,
            rates["amqp-container"],
            names=("gateway", "proton Container, no commit"),
            target=("above", 1.0),
            reported=REPORTED["amqp-container"],
        ),
    ]


def _latest(rates: dict[str, list[float]]) -> str:
    return ", ".join(f"{kind} {found[-1]:,.0f}/s" for kind, found in sorted(rates.items()))
