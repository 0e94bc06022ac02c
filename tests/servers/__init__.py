"""Servers that tests start for themselves: private ones, on free loopback ports, in temporary folders."""

from __future__ import annotations

import os
import shutil
import socket

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


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
