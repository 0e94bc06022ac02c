"""A private RabbitMQ with its AMQP 1.0 plugin: own ports, folder, node name, cookie and epmd, all on loopback.

Debian's wrapper in /usr/sbin insists on the system's user and folders, so the scripts below it are called, which works
as any user. Virtual hosts are made when the broker starts, from a definitions file: a `rabbitmqctl` takes seconds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.servers import free_port, require

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
USER, PASSWORD = "lineside", "right"  # ASCII: rhea counts characters where PLAIN counts bytes
VHOSTS = 60


def _hashed(password: str) -> str:
    """RabbitMQ's salted SHA-256 (its "password hashing" guide): base64 of salt and digest of salt and password."""
    salt = b"\x01\x02\x03\x04"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class RabbitMq:
    """One broker. `start` and `stop` may be repeated; what is in durable queues stays.

    vhosts: how many virtual hosts it has for `vhost` to give away; each makes every start slower.
    """

    host = "127.0.0.1"
    user = USER
    password = PASSWORD

    def __init__(self, folder: Path, *, vhosts: int = VHOSTS, start_timeout_s: float = 90.0) -> None:
        self.folder = folder
        self._vhosts = vhosts
        self.port = free_port()
        self._epmd_port = free_port()
        self._distribution_port = free_port()
        self._timeout = start_timeout_s
        self._node = f"lineside-{secrets.token_hex(4)}@localhost"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._broker: subprocess.Popen[bytes] | None = None
        self._numbers = count()
        self._write()

    def vhost(self) -> str:
        """The name of an empty virtual host that nobody has used before."""
        number = next(self._numbers)
        assert number < self._vhosts, "more virtual hosts than the definitions have"
        return f"test{number}"

    def _write(self) -> None:
        (self.folder / "home").mkdir()
        (self.folder / "data").mkdir()
        cookie = self.folder / "home" / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        vhosts = ["/", *(f"test{number}" for number in range(self._vhosts))]
        grants = [
            {"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
            for user in (USER, "guest")
            for vhost in vhosts
        ]
        users = [
            {
                "name": name,
                "password_hash": _hashed(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
            for name, password in ((USER, PASSWORD), ("guest", "guest"))
        ]
        definitions = {"users": users, "vhosts": [{"name": name} for name in vhosts], "permissions": grants}
        (self.folder / "definitions.json").write_text(json.dumps(definitions))
        (self.folder / "enabled_plugins").write_text("[rabbitmq_amqp1_0].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"load_definitions = {self.folder / 'definitions.json'}\n"
            "disk_free_limit.absolute = 1MB\n"
            "log.console = false\n"
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder / "home"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_PID_FILE": str(self.folder / "rabbitmq.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +A 4"
            ),
        }

    def start(self) -> None:
        """Returns when AMQP connections are accepted. Raises RuntimeError with the end of the log when not in time."""
        environment = self._environment()
        log = (self.folder / "output.log").open("ab")
        if self._epmd is None:
            # Erlang would start one that outlives us.
            self._epmd = subprocess.Popen(["epmd"], env=environment, stdout=log, stderr=log, cwd=self.folder)
            self._until("epmd", self._epmd, self._epmd_port)
        self._broker = subprocess.Popen(
            [str(SCRIPTS / "rabbitmq-server")],
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            start_new_session=True,
        )
        log.close()
        self._until("RabbitMQ", self._broker, self.port)

    def _until(self, what: str, process: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
        logs = (path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log")))
        self.close()
        raise RuntimeError(f"{what} did not start:\n" + "\n".join(logs))

    def stop(self) -> None:
        """In an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Without a chance to say anything."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        broker, self._broker = self._broker, None
        if broker is None:
            return
        # The scripts' shell and the Erlang machine are one process group, and it is ours.
        with suppress(ProcessLookupError):
            os.killpg(broker.pid, how)
        with suppress(subprocess.TimeoutExpired):
            broker.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(broker.pid, signal.SIGKILL)
        broker.wait(10)

    def close(self) -> None:
        """End the broker and its epmd."""
        self._end(signal.SIGTERM)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(10)
            self._epmd = None


def _broker(folder: Path, vhosts: int) -> Iterator[RabbitMq]:
    require(str(SCRIPTS / "rabbitmq-server"), "rabbitmq-server")
    require("epmd", "erlang-base")
    broker = RabbitMq(folder, vhosts=vhosts)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """The broker of this session; every test takes a virtual host of its own."""
    yield from _broker(tmp_path_factory.mktemp("rabbitmq"), VHOSTS)


@pytest.fixture
def own_rabbitmq(tmp_path: Path) -> Iterator[RabbitMq]:
    """A broker for a test that stops it."""
    folder = tmp_path / "rabbitmq"
    folder.mkdir()
    yield from _broker(folder, vhosts=1)
