"""`lineside demo` as its own process: started, listened to, interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "gateway")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")

Event = dict[str, Any]


class Demo:
    """data: its folder. started: seconds of `time.monotonic`."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path, data: Path) -> None:
        self.process = process
        self.data = data
        self.started = time.monotonic()
        self._output = output

    @property
    def output(self) -> str:
        """All that it has printed, its log too."""
        return self._output.read_text("utf-8", "replace")

    def screen(self, *, timeout_s: float = 60.0) -> str:
        """What it shows, once it is there."""
        self._wait(lambda: "Ctrl-C stops it" in self.output, timeout_s)
        return self.output

    @property
    def url(self) -> str:
        """As it stands on the screen."""
        found = _ADDRESS.search(self.screen())
        assert found is not None, self.output
        return found[0]

    def heard(self, enough: Callable[[Sequence[Event]], bool], *, timeout_s: float = 60.0) -> list[Event]:
        """From the live stream, from the journal's first event on, until it is enough."""
        events: list[Event] = []
        deadline = time.monotonic() + timeout_s
        with urllib.request.urlopen(f"{self.url}/api/v1/events/stream?after=0", timeout=timeout_s) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            for line in stream:
                if line.startswith(b"data:"):
                    events.append(json.loads(line[5:]))
                    if enough(events):
                        return events
                assert time.monotonic() < deadline, f"{len(events)} events, and not enough:\n{self.output}"
        raise AssertionError(f"the stream ended after {len(events)} events:\n{self.output}")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1{path}", timeout=30) as answer:
            return json.loads(answer.read())

    def interrupt(self, *, timeout_s: float = 20.0) -> int:
        """As Ctrl-C in a terminal; its exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.ended(timeout_s=timeout_s)

    def ended(self, *, timeout_s: float = 60.0) -> int:
        """Its exit status, once it has one."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {timeout_s} s:\n{self.output}") from None

    def servants(self) -> list[str]:
        """Command lines of other processes that know its folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.data) in words and path.parent.name not in (str(self.process.pid), str(os.getpid())):
                found.append(words)
        return found

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"it did not happen in {timeout_s} s:\n{self.output}"
            time.sleep(0.02)


@contextmanager
def demo(
    folder: Path,
    *arguments: str,
    command: Sequence[str | Path] = COMMAND,
    keep: bool = True,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Demo]:
    """In a process group of its own; killed if it does not end itself. keep: with `--data`, a folder inside `folder`."""
    data, output = folder / "data", folder / "demo.log"
    words: list[str | Path] = [*command, "demo", "--listen", "127.0.0.1:0", *arguments]
    if keep:
        words += ["--data", data]
    with output.open("wb") as log:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield Demo(process, output, data)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
