"""A change is seen when it is made, where the system tells of it; else when the folder is looked at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from adapters import files_notice
from tests.integration.files.place import LINE, Place

NEVER: dict[str, Any] = {"every_s": 3600}


async def test_files_are_seen_when_they_are_written(tmp_path: Path) -> None:
    """One after the other, so that only the first can have been found by the looks that follow the beginning."""
    place = Place(tmp_path, **NEVER)
    async with place.watched() as behind:
        for number in range(1, 5):
            place.write(f"{number}.txt", LINE.format(number))
            await place.keeps(behind, *range(1, number + 1))


async def test_lines_are_seen_when_they_are_added(tmp_path: Path) -> None:
    place = Place(tmp_path, "lines", **NEVER)
    async with place.watched() as behind:
        for number in range(1, 5):
            with (place.folder / "shift.txt").open("a") as file:
                file.write(LINE.format(number))
            await place.keeps(behind, *range(1, number + 1))


async def test_folders_that_come_later_are_watched_too(tmp_path: Path) -> None:
    place = Place(tmp_path, pattern="*/*.txt", **NEVER)
    async with place.watched() as behind:
        for number in range(1, 5):
            place.write(f"day{number % 2}/{number}.txt", LINE.format(number))
            await place.keeps(behind, *range(1, number + 1))


async def test_names_that_are_no_text_end_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, **NEVER)
    async with place.watched() as behind:
        for number in range(1, 5):
            name = os.fsdecode(b"\xff%d.txt" % number) if number % 2 else f"{number}.txt"
            place.write(name, LINE.format(number))
            await place.keeps(behind, *range(1, number + 1))


@pytest.mark.parametrize("error", [OSError(28, "too many watches"), RuntimeError("whatever")])
async def test_where_notification_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As on a system that has no more watches to give: there are still the looks."""
    asked = []

    def refuse(*folders: str, **_: Any) -> Any:
        asked.append(folders)
        raise error

    monkeypatch.setattr(files_notice, "watch", refuse)
    place = Place(tmp_path)
    async with place.watched() as behind:
        for number in range(1, 4):
            place.write(f"{number}.txt", LINE.format(number))
            await place.keeps(behind, *range(1, number + 1))
    assert set(asked) == {(str(place.folder),)}


async def test_where_nobody_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str, **__: Any) -> Any:
        raise AssertionError("nobody asked for that")

    monkeypatch.setattr(files_notice, "watch", fail)
    place = Place(tmp_path, notify="off")
    async with place.watched() as behind:
        place.write("1.txt", LINE.format(1))
        await place.keeps(behind, 1)
