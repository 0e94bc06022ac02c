"""A private PostgreSQL on a free loopback port and a socket in its own folder; every test makes a database of its own.

It refuses to run as root, so then it runs as the user whom its package made (or nobody), in a folder that is that user's.
What is committed is on disk before it is answered for, as in production: `kill` must lose nothing.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.servers import free_port, require

__all__ = ["Postgres", "database", "new_postgres", "own_postgres", "postgres"]

HOST = "127.0.0.1"
SUPERUSER = "postgres"
_names = count(1)


def _program(name: str) -> str:
    """The newest one in Debian's folders, where it is on nobody's path; else wherever it is found."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else require(name, "postgresql")


def _user() -> str | None:
    """Whom the server runs as; None: whoever we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in (SUPERUSER, "nobody") if name in names)


class Postgres:
    """One server. `start`, `stop` and `kill` may be repeated; what was committed stays.

    extra: more lines of its configuration.
    """

    host = HOST

    def __init__(self, folder: Path, *, extra: tuple[str, ...] = (), start_timeout_s: float = 30.0) -> None:
        self.folder = folder
        self.port = free_port()
        self._data = folder / "data"
        self._server = _program("postgres")
        self._timeout = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, object] = {}
        if (user := _user()) is not None:
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        folder.chmod(0o700)
        self._run(
            _program("initdb"), "-D", str(self._data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )  # fmt: skip
        lines = [
            f"port = {self.port}",
            f"listen_addresses = '{HOST}'",
            f"unix_socket_directories = '{folder}'",
            "shared_buffers = 32MB",
            "max_connections = 50",
            "logging_collector = off",
            *extra,
        ]
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write("\n".join(lines) + "\n")

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, timeout=120, **self._as  # type: ignore[call-overload]
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
        return str(done.stdout)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str, *, user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    def database(self) -> str:
        """The URL of an empty database that nobody has used before."""
        name = f"test{next(_names)}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, database: str, statement: str) -> str:
        """What `psql`, which nobody here wrote, answers: rows as lines, columns between `|`."""
        # fmt: off
        return self._run(_program("psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder),
                         "-p", str(self.port), "-U", SUPERUSER, "-d", database, "-c", statement).strip()
        # fmt: on

    def start(self) -> None:
        """Returns when it takes connections. Raises RuntimeError with its log when it does not."""
        assert self._process is None
        log = self.folder / "postgres.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # type: ignore[call-overload]
                [self._server, "-D", str(self._data)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **self._as,
            )
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            with suppress(RuntimeError):
                self.sql("postgres", "SELECT 1")
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """At once but in order: what is running is rolled back, and told so."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Without a chance to do or say anything."""
        self._end(signal.SIGKILL)

    def discard(self) -> None:
        """At once; nothing of it is needed any more."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """It stays connected and does nothing any more, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in (self.pid, *_children(self.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        children = _children(process.pid)
        process.send_signal(how)
        if how is signal.SIGKILL:  # its children would notice and go; the memory they share must be free before a start
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
            raise


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _folder() -> Path:
    """Not below pytest's own, which only its user may enter; short, for a socket's path may have 107 bytes."""
    return Path(tempfile.mkdtemp(prefix="lineside-pg-"))


def running(**arguments: object) -> Iterator[Postgres]:
    """A server in a folder of its own, stopped and removed at the end."""
    folder = _folder()
    try:
        server = Postgres(folder, **arguments)  # type: ignore[arg-type]
        server.start()
        try:
            yield server
        finally:
            server.discard()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this session."""
    yield from running()


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The URL of an empty database on it."""
    return postgres.database()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server for a test that stops it."""
    yield from running()


@pytest.fixture
def new_postgres() -> Iterator[Callable[..., Postgres]]:
    """Starts servers that are set up otherwise; arguments as for Postgres, without the folder."""
    started: list[Iterator[Postgres]] = []

    def start(**arguments: object) -> Postgres:
        each = running(**arguments)
        started.append(each)
        return next(each)

    yield start
    for each in started:
        next(each, None)
