"""Runs every test of this folder with every rig, on the event loop of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.contract.exemptions import DEFECTS, EXEMPT, Exemption
from tests.contract.registry import RIGS
from tests.contract.rig import Entry, Rig


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Exempt tests are skipped with their reason; those that show a known defect must fail."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        entry = None if callspec is None else callspec.params.get("entry")
        if not isinstance(entry, Entry) or not isinstance(item, pytest.Function):
            continue
        for reason in _reasons(EXEMPT, entry.name, item.originalname):
            item.add_marker(pytest.mark.skip(reason=f"{entry.name} is exempt: {reason}"))
        for reason in _reasons(DEFECTS, entry.name, item.originalname):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def _reasons(table: tuple[Exemption, ...], rig: str, test: str) -> list[str]:
    return [each.reason for each in table if rig in each.rigs and test in each.tests]


@pytest.fixture(params=[pytest.param(entry, id=entry.name, marks=entry.marks) for entry in RIGS])
def entry(request: pytest.FixtureRequest) -> Entry:
    found = request.param
    assert isinstance(found, Entry)
    return found


@pytest.fixture
def server(entry: Entry, request: pytest.FixtureRequest) -> Any:
    """What the rigs of this kind share."""
    return None if entry.server is None else request.getfixturevalue(entry.server)


@pytest.fixture
async def open_rig(entry: Entry, server: Any, tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Rig]]]:
    """Opens one more rig of this kind."""
    async with AsyncExitStack() as stack:
        opened = 0

        async def open_one() -> Rig:
            nonlocal opened
            folder = tmp_path / f"rig{opened}"
            folder.mkdir()
            opened += 1
            return await stack.enter_async_context(entry.open(server, folder))

        yield open_one


@pytest.fixture
async def rig(open_rig: Callable[[], Awaitable[Rig]]) -> Rig:
    return await open_rig()
