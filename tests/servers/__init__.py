"""Servers that tests start for themselves: private ones, on free loopback ports, in temporary folders."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TextIO

import pytest

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"  # Debian's servers are not on a user's PATH


def require(program: str, package: str) -> str:
    """Where the program is. Skips the test when it is not installed; under CI=true that is a failure."""
    found = shutil.which(program, path=_PATH)
    if found is not None:
        return found
    missing = f"{program} is not installed; it is in the package {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


_CLAIMS = Path(tempfile.gettempdir()) / "lineside-test-ports"
_claimed: list[TextIO] = []
"""Open, and so locked, until this process ends."""


_FIRST = 10_000


def _given_away() -> int:
    """From here on the system gives ports to who connects (ip_local_port_range, ip(7))."""
    try:
        return max(int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0]), _FIRST + 1000)
    except OSError:
        return 32_768


def free_port() -> int:
    """A loopback port that nobody listens on just now, and that no other call gets, in whatever process of the tests. Nor does
    the system give it to anybody who connects, while a server that is to have it, or to have it again, is not there."""
    _CLAIMS.mkdir(exist_ok=True)
    while True:
        port = _FIRST + secrets.randbelow(_given_away() - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        claim = (_CLAIMS / str(port)).open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            continue
        _claimed.append(claim)
        return port
