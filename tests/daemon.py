"""`lineside run` as its own process: started, asked over HTTP, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.servers import free_port

HANDLE = "SMTPlus.Model_21232.SN23123"


def config(folder: Path, *, connections: str, stations: str, extra: str = "") -> Path:
    """A configuration with quick retries, its journal and its API in `folder` and on a free port."""
    path = folder / "lineside.toml"
    port = free_port()
    while str(port) in connections:  # it is free until somebody listens, so it may have been drawn for those too
        port = free_port()
    path.write_text(
        f"""
[gateway]
name = "test-pc"
site = "fab1"

[journal]
path = "journal.db"
ballast = 0

[http]
listen = "127.0.0.1:{port}"

[timing]
retry_first_s = 0.05
retry_most_s = 0.5
settled_s = 0.5
tick_s = 0.1
mark_s = 0.2
stalled_retry_s = 0.1
{extra}
{connections}

[[line]]
name = "L1"
{stations}
""",
        "utf-8",
    )
    return path


class Daemon:
    """One gateway process at a time on one configuration."""

    def __init__(self, path: Path, *, wrapper: Sequence[str] = ()) -> None:
        self.path = path
        self._wrapper = list(wrapper)
        self._log = (path.parent / "gateway.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None
        text = path.read_text("utf-8")
        self.url = "http://" + text.split('listen = "', 1)[1].split('"', 1)[0]

    def start(self, *, timeout_s: float = 30.0) -> None:
        """Returns when every configured source has been tried and the journal writes (`/readyz` says 200)."""
        self.launch()
        self.wait(lambda: self.status("/readyz") == 200, timeout_s=timeout_s)

    def launch(self) -> None:
        """Start the process and wait for nothing."""
        self.process = subprocess.Popen(
            [*self._wrapper, sys.executable, "-m", "gateway", "run", "-c", str(self.path)],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def wait(self, condition: Any, *, timeout_s: float = 30.0) -> None:
        """Poll until it holds; fails at once when the process has ended, with its log."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, f"the gateway ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"it did not happen in {timeout_s} s:\n{self.log()}"
            time.sleep(0.02)

    def log(self) -> str:
        """The end of it."""
        return self.whole_log()[-4000:]

    def whole_log(self) -> str:
        return (self.path.parent / "gateway.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        """kill -9, and gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()

    # -- the API, with nothing but the standard library

    def status(self, path: str) -> int:
        """HTTP status; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def ask(self, path: str) -> tuple[int, Any]:
        """HTTP status and JSON, whatever the status is; 0 and None while nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return int(answer.status), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError:
            return 0, None

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + "/api/v1" + path, timeout=30) as answer:
            return json.loads(answer.read())

    def raw(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + "/api/v1" + path, timeout=30) as answer:
            data: bytes = answer.read()
            return data

    def events(self, query: str = "origin=native") -> Iterator[dict[str, Any]]:
        """All of them, page by page."""
        after = "0"
        while True:
            page = self.get(f"/events?limit=1000&after={after}&{query}")
            yield from page["events"]
            after = page["next"]
            if not page["more"]:
                return

    def metric(self, name: str) -> float:
        """Sum over its labels; 0 when it has none yet, and a failure when there is no such metric."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as answer:
            text = answer.read().decode()
        assert f"# HELP {name} " in text, f"no metric {name}"
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((name + "{", name + " "))
        )
