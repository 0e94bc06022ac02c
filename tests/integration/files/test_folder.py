"""A folder that other processes write into while it is read, with the gateway behind it."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from adapters.files_folder import Folder, Look
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Delivery
from tests.build import until
from tests.contract.host import of_machines
from tests.integration.files.place import LINE, Place, reasons

WRITER = """
import random, sys, time
random.seed(7)
text = b"".join(b"R load-%d 2026-11-20T12:44:33.5Z x\\n" % n for n in range(1, 801))
half = len(text) // 2
with open(sys.argv[1], "ab", buffering=0) as file:
    while text:
        size = random.randrange(1, 200)
        file.write(text[:size])
        text = text[size:]
        if len(text) < half:
            sys.stdin.readline()
            half = 0
        time.sleep(0.001)
"""


async def test_a_file_that_grows_under_our_hands_over_restarts(tmp_path: Path) -> None:
    """Another process writes it in pieces of any size; the gateway is stopped and started while it does."""
    place = Place(tmp_path, "lines")
    path = place.folder / "shift.txt"
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(path), stdin=-1)
    for wanted in (50, 250, 500):
        async with place.watched() as behind:
            async with asyncio.timeout(20):
                while len(await place.numbers(behind)) < wanted:
                    await asyncio.sleep(0.005)
        if wanted == 250:
            assert writer.stdin is not None
            writer.stdin.write(b"\n")  # it waits there after the first half
    async with place.watched() as behind:
        await place.keeps(behind, *range(1, 801))
        assert behind.counter("quarantined") == 0
    assert await writer.wait() == 0


async def test_files_that_are_left_are_read_once(tmp_path: Path) -> None:
    """Also by another process, and when only their time changes; what was rewritten is read again, as a revision."""
    place = Place(tmp_path)
    place.write("a.txt", LINE.format(1))
    for _ in range(2):
        async with place.watched() as behind:
            await place.keeps(behind, 1)
    (place.folder / "a.txt").touch()
    place.write("b.txt", LINE.format(2))
    async with place.watched() as behind:
        await place.keeps(behind, 1, 2)
        place.write("a.txt", LINE.format(3))
        await place.keeps(behind, 1, 2, 3)
        position = behind.writer.positions("tester")["a.txt"]
    number, _, mark = position.partition(b" ")
    assert (number, json.loads(mark)["revision"]) == (b"2", 1)


async def test_a_set_of_files(tmp_path: Path) -> None:
    """Summary and details are one text; pictures go where these go; nothing is read before the trigger is there."""
    done = tmp_path / "done"
    options: dict[str, Any] = {"pattern": "*/*.sum", "parts": ["{}.det"], "beside": ["{}_*.jpg"], "trigger": "{}.ok"}
    place = Place(tmp_path, **options, after="move", move_to=str(done))
    place.write("day/p1.sum", "BEGIN PNL-1\nR1 9,98 PASS\n")
    place.write("day/p1.det", "R2 47,1 FAIL\nEND FAIL\n")
    place.write("day/p1_top.jpg", "")
    place.write("day/p2_top.jpg", "")
    async with place.watched() as behind:
        await until(lambda: behind.counter("connects"))
        place.write("day/p1.ok", "")
        await until(lambda: (done / "day/p1.sum").exists())
        place.talk.check_work(await of_machines(behind))
    assert sorted(path.name for path in (done / "day").iterdir()) == ["p1.det", "p1.ok", "p1.sum", "p1_top.jpg"]
    assert [path.name for path in (place.folder / "day").iterdir()] == ["p2_top.jpg"]


async def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Each is told of once, with its name; the others are read."""
    place = Place(tmp_path, most_file_bytes=2000)
    (tmp_path / "secret.txt").write_text("secret")
    (place.folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    place.write("a-large.txt", "x" * 3000)
    place.write("b-half.txt", "BEGIN PNL-1\nR1 9,98 PASS\n")
    place.write("c-empty.txt", "")
    place.write("d-strange.txt", "no line of this is known\n")
    place.write("e-good.txt", LINE.format(1))
    async with place.watched() as behind:
        await place.keeps(behind, 1)
        found = await reasons(behind, 5)
    assert sorted(found) == [
        ("a-large.txt", "too-large"),
        ("b-half.txt", "cut-record"),
        ("c-empty.txt", "no-record"),
        ("d-strange.txt", "no-record"),
        ("link.txt", "link"),
    ]
    async with place.watched() as behind:
        await until(lambda: behind.counter("quarantined"))
        assert sorted(await reasons(behind, 1)) == sorted(found), "and no more after a restart"


async def test_a_file_that_vanishes(tmp_path: Path) -> None:
    place = Place(tmp_path, settle_s=30)
    place.write("a.txt", LINE.format(1))
    async with place.adapter().connect() as items:
        waiting = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        (place.folder / "a.txt").unlink()
        item = await waiting
    assert isinstance(item, Delivery)
    with pytest.raises(DecodeError, match=r"a\.txt: was gone") as caught:
        place.adapter().decode(item.frame)
    assert caught.value.reason == "vanished"


async def test_what_cannot_be_deleted_is_told_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Folder, "tidy", refuse)
    place = Place(tmp_path, after="delete")
    place.write("a.txt", LINE.format(1))
    async with place.watched() as behind:
        await place.keeps(behind, 1)
        assert await reasons(behind, 1) == [("a.txt", "left-behind")]
        place.write("b.txt", LINE.format(2))
        await place.keeps(behind, 1, 2)
    assert (place.folder / "a.txt").exists()


async def test_a_folder_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that does not end is given up, and no second one is begun beside it."""
    gate, looks = threading.Event(), []

    def hang(folder: Folder) -> Look:
        looks.append(folder)
        gate.wait(30)
        return Look({}, {}, ())

    monkeypatch.setattr(Folder, "look", hang)
    adapter = Place(tmp_path, look_timeout_s=0.1).adapter()
    try:
        for says in ("does not answer within 0.1 s", "still does not answer"):
            with pytest.raises(NotConnected, match=says):
                async with adapter.connect():
                    pass
        assert len(looks) == 1
        connecting = asyncio.create_task(adapter.connect().__aenter__(), name="connecting")
        await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=1)
        assert connecting.cancelled()
    finally:
        gate.set()


async def test_names_that_are_no_text(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (place.folder / b"\xff\n.txt".decode("utf-8", "surrogateescape")).write_text(LINE.format(1))
    async with place.watched() as behind:
        await place.keeps(behind, 1)
        assert list(behind.writer.positions("tester")) == ["\\xff\n.txt"]


@pytest.mark.parametrize("settings", [{"after": "delete"}, {"trigger": "{}.ok"}, {"parts": ["{}.b"]}])
def test_what_does_not_go_with_files_that_grow(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="reads files that grow"):
        Place(tmp_path, "lines", **settings).adapter()
