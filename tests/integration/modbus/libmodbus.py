"""Modbus peers that nobody here wrote: a server made of libmodbus, and the client mbpoll."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.servers import require

_SOURCE = Path(__file__).with_name("libmodbus_server.c")
_HEADER = Path("/usr/include/modbus/modbus.h")


def compile_server(folder: Path) -> Path:
    """Skips the test when libmodbus is not installed; under CI=true that is a failure."""
    if not _HEADER.exists():
        missing = "libmodbus is not installed; it is in the package libmodbus-dev"
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    program = folder / "libmodbus_server"
    compiler = require("gcc", "gcc")
    subprocess.run([compiler, "-Wall", "-Werror", "-O1", "-o", program, _SOURCE, "-lmodbus"], check=True)
    return program


@asynccontextmanager
async def running(program: Path, *arguments: str) -> AsyncIterator[str]:
    """The server, and the line with which it says that it is ready: its port, for `tcp`."""
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode().strip()
        assert line, "it did not start"
        yield line
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def mbpoll(*arguments: str) -> dict[int, int] | str:
    """What it read, by 0-based address; or what it complained about."""
    process = await asyncio.create_subprocess_exec(
        require("mbpoll", "mbpoll"),
        "-0",
        "-1",
        "-q",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        output, complaint = await process.communicate()
    if process.returncode:
        return complaint.decode().strip()
    return {int(at): int(value) for at, value in re.findall(r"^\[(\d+)\]:\s+(\d+)", output.decode(), re.MULTILINE)}
