"""What users get: the wheel, installed into an empty environment and run from `/`, far from this repository."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


def _environment() -> dict[str, str]:
    """Ours without what would lead the installed program back to this repository; pip held to the constraints."""
    constraints = (ROOT / "constraints.txt").as_uri()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LINESIDE_", "PYTHON", "VIRTUAL_ENV", "COV_"))
    }
    return inherited | {
        "PIP_CONSTRAINT": constraints,
        "PIP_BUILD_CONSTRAINT": constraints,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd="/", env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the wheel and its dependencies; compiled ones come from pip's cache when it has them."""
    environment = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", environment)
    _run(environment / "bin/python", "-m", "pip", "install", "--quiet", wheel)
    return environment / "bin"


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.startswith("lineside-")} == {"gateway", "adapters", "simulators"}
    assert "gateway/_config/lineside.toml" in names
    assert "gateway/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".db", ".so"))]


def test_imports_from_the_environment(bin_folder: Path) -> None:
    code = "import gateway, adapters, simulators; print(gateway.__file__, adapters.__file__, simulators.__file__)"
    for path in _run(bin_folder / "python", "-c", code).split():
        assert Path(path).is_relative_to(bin_folder.parent)


def test_without_development_packages(bin_folder: Path) -> None:
    frozen = _run(bin_folder / "python", "-m", "pip", "freeze")
    installed = {re.split(r"==| @ ", line)[0].lower() for line in frozen.splitlines()}
    assert "lineside" in installed
    assert not installed & {"pytest", "mypy", "ruff", "httpx", "import-linter"}


def test_amqp_library_is_complete(bin_folder: Path) -> None:
    _run(bin_folder / "python", ROOT / ".ci/verify-install")


# From here on: what the command line has to do.


def test_help(bin_folder: Path) -> None:
    shown = _run(bin_folder / "lineside", "--help")
    for command in ("run", "demo", "check", "events"):
        assert re.search(rf"\b{command}\b", shown), f"no {command!r} in\n{shown}"


def test_module_form(bin_folder: Path) -> None:
    assert "demo" in _run(bin_folder / "python", "-m", "gateway", "--help")


@asynccontextmanager
async def _demo(bin_folder: Path, data: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The running demo and the address that it printed; killed with all its children if it does not end itself."""
    process = await asyncio.create_subprocess_exec(
        bin_folder / "lineside", "demo", "--listen", "127.0.0.1:0", "--data", data,
        cwd="/", env=_environment(), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    output = asyncio.create_task(_follow(process.stdout, address), name="the demo's output")
    try:
        async with asyncio.timeout(60):
            await asyncio.wait({address, output}, return_when=asyncio.FIRST_COMPLETED)
        assert address.done(), f"the demo ended without an address:\n{await output}"
        yield process, address.result()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        print(await output)  # pytest shows it with a failure


async def _follow(stream: asyncio.StreamReader, address: asyncio.Future[str]) -> str:
    printed = []
    while line := (await stream.readline()).decode():
        printed.append(line)
        found = ADDRESS.search(line)
        if found is not None and not address.done():
            address.set_result(found[0])
    return "".join(printed)


async def test_demo(bin_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with _demo(bin_folder, data) as (process, address):
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
            async with client.stream("GET", "/api/v1/events/stream", params={"after": "0"}) as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")
                first = await anext(line async for line in stream.aiter_lines() if line.startswith("data:"))
            page = (await client.get("/api/v1/events", params={"limit": "1"})).raise_for_status().json()
        (event,) = page["events"]
        assert event == json.loads(first.removeprefix("data:"))
        assert event["seq"] == 1

        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):  # also runs out when something that it started still holds its output
            assert await process.wait() == 0
        with pytest.raises(ProcessLookupError):  # nothing that it started is left
            os.killpg(process.pid, 0)
    assert list(data.rglob("*.db"))
