"""What holds for every test: no task outlives it, no log call is malformed; and where shared sample data is."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
"""The repository."""

pytest_plugins = ["tests.servers.mosquitto", "tests.servers.opcua", "tests.servers.postgres", "tests.servers.rabbitmq"]


SERVERS = ("postgres", "rabbitmq")
"""Marks of tests that share a server which takes long to start."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, those of one such server, or of one group, go to one of them."""
    several = config.getoption("loadgroup", default=False)
    for item in items:
        for server in SERVERS:
            if item.get_closest_marker(server) is not None:
                item.add_marker(pytest.mark.xdist_group(server))
        group = item.get_closest_marker("xdist_group")
        if several and group is not None and hasattr(item, "_id"):
            # xdist tells the group in an attribute that pytest has not read since 9.2 (issue 1386 of pytest-xdist), and
            # then every process starts every server.
            item._id = item.id.parse(f"{item.nodeid}@{group.args[0]}")


_OURS = ("lineside", "gateway", "adapters", "simulators")


@pytest.fixture
def shared() -> Path:
    """The folder with facts and samples that is kept beside the repository, or a visible skip."""
    folder = Path(os.environ.get("LINESIDE_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name!r} beside the repository; LINESIDE_SHARED names another place")
    return folder.resolve()


class _Formatter(logging.Handler):
    """Formats every record, whatever its level, and keeps what could not be formatted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.malformed: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            record.getMessage()
        except (TypeError, ValueError, KeyError) as error:
            self.malformed.append(f"{record.pathname}:{record.lineno}: {record.msg!r} with {record.args!r}: {error}")


@pytest.fixture(autouse=True)
def well_formed_logs() -> Iterator[None]:
    """Fails a test during which our code made a log call whose arguments do not fit its message.

    Debug calls are formatted too: in production nobody would notice until somebody needs them.
    """
    handler = _Formatter()
    before = {name: logging.getLogger(name).level for name in _OURS}
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield
    for name, level in before.items():
        logger = logging.getLogger(name)
        logger.removeHandler(handler)
        logger.setLevel(level)
    if handler.malformed:
        pytest.fail("malformed log calls:\n" + "\n".join(handler.malformed), pytrace=False)


@pytest.fixture
async def _no_task_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    if left:
        lines = "\n".join(f"{task.get_name()}: {task.get_coro()!r}" for task in left)
        pytest.fail(f"tasks outlive the test and its fixtures:\n{lines}", pytrace=False)


@pytest.fixture(autouse=True)
def no_task_left(request: pytest.FixtureRequest) -> None:
    """Fails an async test after which, its own fixtures torn down, tasks are left running."""
    function = getattr(request, "function", None)
    if inspect.iscoroutinefunction(function):
        request.getfixturevalue("_no_task_left")
