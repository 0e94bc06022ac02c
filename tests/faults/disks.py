"""Small file systems."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A file system of its own in memory. Skips where we may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("a disk can be mounted as root only")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "lineside-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily, in case a gateway that a failed test left behind still has a file open there.
        subprocess.run(["umount", "-l", str(folder)], check=True)
