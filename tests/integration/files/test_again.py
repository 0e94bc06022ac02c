"""Files that are read again: the same ones make no second event, rewritten ones revise the first."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.core.event import Event
from tests.build import Bench
from tests.contract.host import of_machines
from tests.contract.rigs.text import BEGIN, END
from tests.integration.files.place import LINE, Place, panel


async def stored(behind: Bench, count: int) -> list[Event]:
    async with asyncio.timeout(20):
        while len(found := await of_machines(behind)) < count:
            await asyncio.sleep(0.01)
    return found


def ids(events: list[Event]) -> list[tuple[str, str, str | None]]:
    return [(event.message, event.id, event.transaction) for event in events]


@pytest.mark.parametrize("kind", ["document", "lines"])
async def test_a_journal_that_knows_nothing_gives_the_same_ids(tmp_path: Path, kind: str) -> None:
    """Whenever the file is read, and in however many pieces."""
    place = Place(tmp_path, kind)
    text = LINE.format(1) + (BEGIN + END).decode() + LINE.format(2)
    async with place.watched() as behind:
        if kind == "lines":
            place.write("a.txt", text[:100])
            await stored(behind, 1)
        place.write("a.txt", text)
        first = ids(await stored(behind, 4))
    another = Place(tmp_path, kind, journal="another", name="renamed")
    async with another.watched() as behind:
        assert ids(await stored(behind, 4)) == first
    assert len(set(first)) == 4


@pytest.mark.parametrize("kind", ["document", "lines"])
async def test_how_far_it_was_read_is_forgotten(tmp_path: Path, kind: str) -> None:
    """As when the connection has got another name: it is read again, stored once, and counted."""
    place = Place(tmp_path, kind)
    place.write("a.txt", LINE.format(1) + (BEGIN + END).decode())
    async with place.watched() as behind:
        first = ids(await stored(behind, 3))
    with (place.folder / "a.txt").open("a") as file:
        file.write(LINE.format(2) if kind == "lines" else "")
    renamed = Place(tmp_path, kind, name="renamed")
    async with renamed.watched() as behind:
        place.write("b.txt", LINE.format(3))
        await renamed.keeps(behind, *([1, 2, 3] if kind == "lines" else [1, 3]))
        assert ids(await of_machines(behind))[:3] == first
        assert behind.counter("duplicates") == (1 if kind == "document" else 2)


async def test_what_meant_nothing_then_means_nothing_now(tmp_path: Path) -> None:
    """A program that was active already made no event. Read again when another one is, it must not, either."""
    place = Place(tmp_path)
    async with place.watched() as behind:
        for name, number in (("a", 1), ("b", 1), ("c", 2)):
            place.write(f"{name}.txt", LINE.format(number))
        await place.keeps(behind, 1, 2)
    (place.folder / "a.txt").unlink()
    renamed = Place(tmp_path, name="renamed")
    async with renamed.watched() as behind:
        place.write("d.txt", LINE.format(3))
        await renamed.keeps(behind, 1, 2, 3)
        assert behind.counter("duplicates") == 2


async def test_a_rewritten_file_revises_what_it_said(tmp_path: Path) -> None:
    """Each time the version before it, as the same attempt."""
    place = Place(tmp_path)
    place.write("a.txt", panel("FAIL"))
    async with place.watched() as behind:
        first = await stored(behind, 2)
        tested, completed = first
        assert (tested.revises, completed.revises) == (None, None)
        place.write("a.txt", panel("PASS"))
        (second,) = (await stored(behind, 3))[2:]
    async with place.watched() as behind:
        place.write("a.txt", panel("FAIL") + "\n")
        (third,) = (await stored(behind, 4))[3:]
    assert second.message == third.message == tested.message
    assert json.loads(second.body)["TestedUnits"][0]["OverallResult"] == "Passed"
    assert (second.revises, third.revises) == (tested.id, second.id)
    assert {each.transaction for each in (tested, completed, second, third)} == {tested.transaction}


async def test_a_file_that_is_overwritten_for_each_panel_revises_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.watched() as behind:
        for number in range(1, 4):
            place.write("result.txt", panel("PASS", f"PNL-{number}"))
            made = await stored(behind, 2 * number)
    assert [event.revises for event in made] == [None] * 6
    assert len({event.transaction for event in made}) == 3


async def test_a_file_under_the_name_of_one_that_was_deleted_revises_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, after="delete")
    async with place.watched() as behind:
        for number in (1, 2):
            place.write("result.txt", panel("PASS"))
            made = await stored(behind, 2 * number)
            # Written again before it is gone, it would be the same file with the same content.
            async with asyncio.timeout(20):
                while (place.folder / "result.txt").exists():
                    await asyncio.sleep(0.01)
    assert [event.revises for event in made] == [None] * 4
    assert len({event.id for event in made}) == 4


async def test_a_log_that_begins_anew(tmp_path: Path) -> None:
    """What it says of the same unit at the same place is a revision; anything else is another log."""
    place = Place(tmp_path, "lines")
    async with place.watched() as behind:
        place.write("shift.txt", panel("FAIL") + LINE.format(1))
        first = await stored(behind, 3)
        whole = place.folder / "shift.part"
        whole.write_text(panel("PASS") + LINE.format(2))
        whole.replace(place.folder / "shift.txt")
        second = (await stored(behind, 5))[3:]
    assert [(event.message.rsplit(".", 1)[1], event.revises) for event in second] == [
        ("UnitsTested", first[0].id),
        ("RecipeActivated", None),
    ]
