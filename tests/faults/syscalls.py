"""What strace saw: the system calls of a process in their order, with the bytes that went through them."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

_CALL = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<args>.*)\) += (?P<result>-?\d+|\?)")
_BEGUN = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<args>.*) <unfinished \.\.\.>$")
_ENDED = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<args>.*)\) += (?P<result>-?\d+|\?)")
_FILE = re.compile(r"\d+<(?P<path>.+?)>(?:,|$)")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')

SYNC = ("fsync", "fdatasync")
WRITE = ("write", "writev", "pwrite64", "sendto", "sendmsg")
READ = ("read", "readv", "recvfrom", "recvmsg")


class Call(NamedTuple):
    """begin, end: places in the order of everything that was seen; between them it was under way.

    file: path of the descriptor, or what the kernel calls a socket. data: bytes written or read, as far as they were
    kept. result: what it returned; below 0 it failed.
    """

    begin: int
    end: int
    name: str
    file: str
    data: bytes
    result: int


def strace(output: Path) -> list[str]:
    """A command line to put before another, which keeps its process id. Skips where there is no strace or it may not
    trace."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed; it shows the order of fsync and acknowledgement")
    probe = subprocess.run([program, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
    names = ",".join((*SYNC, *WRITE, *READ))
    return [
        program,
        "-D",
        "-f",
        "-yy",
        "-xx",
        "-s",
        "1000000",
        "-e",
        f"trace={names}",
        "-e",
        "signal=none",
        "-o",
        str(output),
    ]


def read_trace(path: Path, pid: int, *, timeout_s: float = 20.0) -> list[Call]:
    """The calls that returned, in the order in which they did, of a process that has ended."""
    deadline = time.monotonic() + timeout_s
    last = re.compile(rf"^{pid} +\+\+\+ exited with \d+ \+\+\+$", re.MULTILINE)
    while not last.search(path.read_text("ascii", "replace")[-1000:]):
        assert time.monotonic() < deadline, "strace does not come to an end"
        time.sleep(0.02)
    return list(_calls(path))


def _calls(path: Path) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    with path.open(encoding="ascii", errors="replace") as lines:
        for place, line in enumerate(lines):
            if found := _BEGUN.match(line):
                begun[found["pid"]] = (place, found["args"])
                continue
            begin, args = place, ""
            if found := _ENDED.match(line):
                if found["pid"] not in begun:
                    continue
                begin, args = begun.pop(found["pid"])
            elif (found := _CALL.match(line)) is None:
                continue
            if found["result"] == "?":
                continue
            args += found["args"]
            where = _FILE.match(args)
            data = b"".join(_plain(text) for text in _BYTES.findall(args, where.end() if where else 0))
            result = int(found["result"])
            yield Call(
                begin, place, found["name"], _path(where["path"]) if where else "", data[: max(result, 0)], result
            )


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _path(text: str) -> str:
    """Of a file in hexadecimal too; what stands for a socket is not."""
    return _plain(text.partition("<")[0]).decode() if text.startswith("\\x") else text


def stream(calls: Iterable[Call], size: Callable[[bytes], int | None]) -> Iterator[tuple[Call, bytes]]:
    """Cuts what went through one socket in one direction into packets, each with the call that its last byte was in.

    size: of the packet that begins here; None while too little of it is there.
    """
    held = b""
    for call in calls:
        held += call.data
        while held and (length := size(held)) is not None and length <= len(held):
            yield call, held[:length]
            held = held[length:]
