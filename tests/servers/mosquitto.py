"""A private Mosquitto on a free loopback port, set up so that it loses no QoS 1 message of a client that is away."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.servers import free_port, require
from tests.servers.certificates import Certificates, certificates

__all__ = ["Mosquitto", "certificates", "mosquitto", "new_mosquitto", "own_mosquitto"]

HOST = "127.0.0.1"


class Mosquitto:
    """One broker. What it keeps for its clients survives `stop` and `start`, but not `kill`.

    users: name to password; without, everybody may connect. tls: listen with TLS, and with `client_certificate` demand
    one. extra: more lines of its configuration.
    """

    host = HOST

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        tls: Certificates | None = None,
        client_certificate: bool = False,
        extra: Iterable[str] = (),
        start_timeout_s: float = 20.0,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._program = require("mosquitto", "mosquitto")
        self._timeout = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        lines = [
            f"listener {self.port} {HOST}",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            "max_inflight_messages 500",
            f"allow_anonymous {str(users is None).lower()}",
        ]
        if users is not None:
            passwords = folder / "passwords"
            passwords.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
            subprocess.run([require("mosquitto_passwd", "mosquitto"), "-U", str(passwords)], check=True)
            lines.append(f"password_file {passwords}")
        if tls is not None:
            lines += [f"cafile {tls.ca}", f"certfile {tls.server.cert}", f"keyfile {tls.server.key}"]
            lines.append(f"require_certificate {str(client_certificate).lower()}")
        if os.geteuid() == 0:  # or it becomes its own user, who may not write here
            lines.append(f"user {pwd.getpwuid(0).pw_name}")
        (folder / "mosquitto.conf").write_text("\n".join([*lines, *extra]) + "\n")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def name(self, what: str = "test") -> str:
        """A word that was not used on this broker before, for topics and client ids."""
        return f"{what}{next(self._names)}"

    def start(self) -> None:
        """Returns when it takes connections. Raises RuntimeError with its log when it does not."""
        assert self._process is None
        log = self.folder / "mosquitto.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self.folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection((HOST, self.port), 1):
                return
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"Mosquitto did not start:\n{log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """In an orderly way: it saves its sessions first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Without a chance to save or say anything."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        if how is not signal.SIGKILL:  # which ends a frozen one as it is: awake, it would acknowledge something first
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
            raise

    def freeze(self) -> None:
        """It stays connected and does nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)  # a signal is sent before it is taken

    def publish(self, topic: str, lines: Iterable[str] | bytes, *, qos: int = 1, retain: bool = False) -> None:
        """With `mosquitto_pub`, which nobody here wrote: bytes as one message, or a message per line."""
        # fmt: off
        command = [require("mosquitto_pub", "mosquitto-clients"), "-h", HOST, "-p", str(self.port), "-V", "mqttv311",
                   "-t", topic, "-q", str(qos)]
        # fmt: on
        if retain:
            command.append("-r")
        whole = isinstance(lines, bytes)
        text = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
        how = "-n" if text == b"" else "-s" if whole else "-l"  # it insists on being told of an empty one
        subprocess.run([*command, how], input=text, check=True, timeout=60)


def _run(folder: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """The broker of this session; every test takes topics and client ids of its own (`name`)."""
    yield from _run(tmp_path_factory.mktemp("mosquitto"))


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker for a test that stops it."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    yield from _run(folder)


@pytest.fixture
def new_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers that are set up otherwise; arguments as for Mosquitto, without the folder."""
    started: list[Mosquitto] = []

    def start(**arguments: object) -> Mosquitto:
        folder = tmp_path / f"mosquitto{len(started)}"
        folder.mkdir()
        broker = Mosquitto(folder, **arguments)  # type: ignore[arg-type]
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.stop()
