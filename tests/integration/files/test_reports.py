"""What of a file could not be understood, in a text for people, beside quarantine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters import files_report
from adapters.files_report import Report, Reports
from gateway.core.frame import Delivery, Frame, Refused
from tests.build import until
from tests.contract.host import of_machines
from tests.integration.files.place import LINE, Place, panel

HALF = "BEGIN PNL-1\nR1 9,98 PASS\n"
STRANGE = LINE.format(1) + "what is this\n" + LINE.format(2)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} if folder.exists() else {}


async def test_in_a_folder_of_ours(tmp_path: Path) -> None:
    """Nothing is written into the machine's. It says which part, where, why, and where in quarantine the bytes are."""
    place = Place(tmp_path, pattern="**/*.txt", most_file_bytes=2000)
    place.write("day/strange.txt", STRANGE)
    place.write("half.txt", HALF)
    place.write("large.txt", "x" * 3000)
    place.write("good.txt", LINE.format(3))
    async with place.watched() as behind:
        await until(lambda: len(texts(place.errors)) == 3)
        digests = {each.channel: each.digest for each in await behind.reader.quarantined()}
    found = texts(place.errors)
    assert sorted(found) == ["day%2Fstrange.txt.txt", "half.txt.txt", "large.txt.txt"]
    strange = found["day%2Fstrange.txt.txt"]
    assert "File:       day/strange.txt\nStation:    L1.tester\nConnection: tester\n" in strange
    assert "Outcome:    A part of it could not be understood\n" in strange
    at = len(LINE.format(1))
    assert f"line 2, byte {at}: no-record: fits no record of the profile\n    what is this\n" in strange
    assert f"in quarantine as {digests['day/strange.txt']}, 12 bytes" in strange
    assert "line 1, byte 0: cut-record: " in found["half.txt.txt"]
    assert "too-large: large.txt has 3000 bytes" in found["large.txt.txt"]
    assert "Nothing of it could be understood" in found["large.txt.txt"]
    written = sorted(path.name for path in place.folder.rglob("*.txt"))
    assert written == ["good.txt", "half.txt", "large.txt", "strange.txt"]


async def test_of_a_file_that_grows(tmp_path: Path) -> None:
    """Each part with the byte where it begins, behind what was told before."""
    place = Place(tmp_path, "lines")
    async with place.watched():
        for number, strange in enumerate(("what is this\n", "and this\n"), 1):
            with (place.folder / "shift.txt").open("a") as file:
                file.write(LINE.format(number) + strange)
            await until(lambda: strange in texts(place.errors).get("shift.txt.txt", ""))  # noqa: B023
    first = len(LINE.format(1))
    second = first + len("what is this\n") + len(LINE.format(2))
    found = texts(place.errors)["shift.txt.txt"]
    assert f"byte {first}: no-record: fits no record of the profile\n    what is this\n" in found
    assert f"byte {second}: no-record: fits no record of the profile\n    and this\n" in found


async def test_beside_the_file_where_it_is_moved_to(tmp_path: Path) -> None:
    done = tmp_path / "done"
    place = Place(tmp_path, after="move", move_to=str(done), beside=["{}_*.jpg"], pattern="*/*.txt")
    place.write("day/half.txt", HALF)
    place.write("day/half_1.jpg", "")
    place.write("day/strange.txt", STRANGE)
    place.write("day/good.txt", panel("PASS"))
    async with place.watched():
        await until(lambda: len([path for path in done.rglob("*") if path.is_file()]) == 6)
    names = sorted(str(path.relative_to(done)) for path in done.rglob("*") if path.is_file())
    assert names == [
        "day/good.txt",
        "error/day/half.txt",
        "error/day/half.txt.error.txt",
        "error/day/half_1.jpg",
        "error/day/strange.txt",
        "error/day/strange.txt.error.txt",
    ]
    assert "no-record" in (done / "error/day/strange.txt.error.txt").read_text()
    assert not place.errors.exists()


async def test_of_files_that_an_earlier_process_has_left(tmp_path: Path) -> None:
    """It was killed before it had moved them. They are stored already, and judged once more."""
    done = tmp_path / "done"
    first = Place(tmp_path)
    first.write("strange.txt", STRANGE)
    first.write("good.txt", LINE.format(3))
    async with first.watched() as behind:
        await first.keeps(behind, *sorted([1, 2, 3], key=lambda n: n == 3))
    place = Place(tmp_path, after="move", move_to=str(done))
    async with place.watched() as behind:
        await until(lambda: (done / "good.txt").exists() and (done / "error/strange.txt.error.txt").exists())
        assert len(await of_machines(behind)) == 3, "nothing is stored again"
    assert "line 2, " in (done / "error/strange.txt.error.txt").read_text()


async def test_until_the_file_is_another_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("a.txt", STRANGE)
    async with place.watched() as behind:
        await until(lambda: "what is this" in texts(place.errors).get("a.txt.txt", ""))
        place.write("a.txt", "still not\n")
        await until(lambda: "still not" in texts(place.errors).get("a.txt.txt", ""))
        assert "what is this" not in texts(place.errors)["a.txt.txt"]
        place.write("a.txt", LINE.format(3))
        await until(lambda: not texts(place.errors))
        await place.keeps(behind, 1, 2, 3)


async def test_one_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "errors").write_text("no folder")
    place = Place(tmp_path)
    async with place.watched() as behind:
        for number in (1, 2):
            place.write(f"strange{number}.txt", f"{number} is what?\n")
            place.write(f"good{number}.txt", LINE.format(number))
            await place.keeps(behind, *range(1, number + 1))
        await until(lambda: behind.counter("quarantined") == 3)
        found = sorted(each.reason for each in await behind.reader.quarantined())
    assert found == ["no-record", "no-record", "no-report"]


async def test_a_commit_that_was_not_heard_of(tmp_path: Path) -> None:
    """The folder was lost when a bad file was stored and we did not know it: it does not pass for a good one."""
    done = tmp_path / "done"
    place = Place(tmp_path, after="move", move_to=str(done))
    place.write("strange.txt", STRANGE)
    adapter = place.adapter()
    async with adapter.connect() as items:
        first = await anext(items)
    assert isinstance(first, Delivery)
    assert first.refused is not None
    first.refused.append(Refused(b"what is this", "no-record", "fits nothing", "00"))
    first.ack()
    assert not done.exists()
    async with adapter.connect() as items:
        again = await anext(items)
        assert isinstance(again, Delivery)
        assert again.frame.redelivered
        again.ack()
        reading = asyncio.ensure_future(anext(items))
        await until(lambda: (done / "error/strange.txt.error.txt").exists())
        reading.cancel()
        await asyncio.wait({reading})


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the number of reports, and of the size of each."""
    monkeypatch.setattr(files_report, "MOST_REPORTS", 3)
    monkeypatch.setattr(files_report, "_MOST_BYTES", 30_000)
    reports = Reports(tmp_path / "errors", "L1.tester")
    frame = Frame(connection="tester", received=0, channel="a", payload=b"x\n" * 500)
    parts = [Refused(b"x", "no-record", "y" * 400, "00")] * 500
    for number in range(6):
        reports.write(Report(f"{number}" * 300, frame, parts[:1], 0), None)
    assert len(list((tmp_path / "errors").iterdir())) == 3
    sizes = []
    for _ in range(5):
        reports.write(Report("shift.txt", frame, parts, 0), None)
        sizes.append((tmp_path / "errors" / "shift.txt.txt").stat().st_size)
    assert max(sizes) < 60_000
    assert "and 400 more" in (tmp_path / "errors" / "shift.txt.txt").read_text()


@pytest.mark.parametrize("errors", ["results", "results/errors"])
def test_never_in_the_folder_of_the_machine(tmp_path: Path, errors: str) -> None:
    with pytest.raises(ValueError, match="reports go to a folder of ours"):
        Place(tmp_path, errors=str(tmp_path / errors))
