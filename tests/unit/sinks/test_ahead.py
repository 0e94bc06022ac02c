"""Reading ahead: at most one page, never the wrong one, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import JournalError
from gateway.sinks.ahead import Ahead


class Pages:
    def __init__(self) -> None:
        self.asked: list[int] = []
        self.gate = asyncio.Event()
        self.broken = False

    async def read(self, after: int) -> str:
        self.asked.append(after)
        await self.gate.wait()
        if self.broken:
            raise JournalError("unreadable")
        return f"behind {after}"


async def test_a_page_that_was_read_ahead_is_not_read_again() -> None:
    pages = Pages()
    ahead = Ahead(pages.read)
    async with ahead.running():
        ahead.start(5)
        pages.gate.set()
        assert await ahead.page(5) == "behind 5"
        assert await ahead.page(6) == "behind 6"
    assert pages.asked == [5, 6]


async def test_another_page_than_expected() -> None:
    pages = Pages()
    pages.gate.set()
    ahead = Ahead(pages.read)
    async with ahead.running():
        ahead.start(5)
        assert await ahead.page(4) == "behind 4"


async def test_its_failure_comes_when_it_is_asked_for() -> None:
    pages = Pages()
    pages.broken = True
    pages.gate.set()
    ahead = Ahead(pages.read)
    async with ahead.running():
        ahead.start(5)
        with pytest.raises(JournalError):
            await ahead.page(5)
        ahead.start(6)  # nobody asks any more


async def test_nothing_goes_on_behind_it() -> None:
    pages = Pages()
    ahead = Ahead(pages.read)
    async with ahead.running():
        ahead.start(5)
        await asyncio.sleep(0)
        assert pages.asked == [5]
    pages.gate.set()
    assert [task.get_name() for task in asyncio.all_tasks() if "ahead" in task.get_name()] == []
