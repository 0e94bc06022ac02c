"""Servers that tests start for themselves: private ones, on free loopback ports, in temporary folders."""

from __future__ import annotations

import fcntl
import os
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


def free_port() -> int:
    """A loopback port that nobody listens on just now, and that no other call gets, in whatever process of the tests."""
    _CLAIMS.mkdir(exist_ok=True)
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        claim = (_CLAIMS / str(port)).open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            continue
        _claimed.append(claim)
        return port
