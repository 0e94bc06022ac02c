"""`lineside reconcile --as replay`: a second gateway that saw the same machines, later and in quick motion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from gateway.capture.form import Captured
from gateway.capture.reading import Capture
from gateway.cli import replayed
from gateway.cli.app import application
from gateway.core.errors import LinesideError
from gateway.core.frame import Delivery
from gateway.ingest.own_frames import observation_of
from tests.captured import START, at, configured, line
from tests.unit.replay.test_offline import CONFIG, captured

SPEED, LATER = 10, 86_400


async def second(folder: Path, entries: Iterable[Captured]) -> Path:
    """What these frames are to a gateway that hears them again."""
    async with line(configured(folder, CONFIG), folder) as made:
        heard: list[Delivery] = []
        for entry in entries:
            later = LATER + (entry.frame.received - START) / 1_000_000 / SPEED
            own = observation_of(entry.frame)
            if own is not None:
                await made.hear(heard)
                heard.clear()
                await made.own(entry.frame.connection, entry.protocol, own, later)
            else:
                frame = msgspec.structs.replace(entry.frame, received=at(later))
                heard.append(Delivery(frame, acknowledged=entry.acknowledged, peer=entry.peer))
        await made.hear(heard)
    return folder / "journal.db"


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(captured(tmp_path_factory.mktemp("first")))


def reconcile(capture: Path, journal: Path, *more: str) -> tuple[int, str]:
    arguments = ["reconcile", str(capture), "--as", "replay", "--journal", str(journal), "--speed", str(SPEED), *more]
    done = CliRunner().invoke(application(), arguments)
    return done.exit_code, done.output


def test_the_same_machines(tmp_path: Path, capture: Path) -> None:
    entries = [each for each in Capture([capture]).entries() if isinstance(each, Captured)]
    code, said = reconcile(capture, asyncio.run(second(tmp_path, entries)), "--json")
    found = json.loads(said)
    assert (code, found["equal"]) == (0, True)
    assert found["events"]["total"]["same"] > 20
    assert found["events"]["total"]["renamed"] > 5, "what is derived goes by the time of receipt"
    assert found["signals"]["compared"] > 10


def test_a_frame_that_was_not_played_is_missed(tmp_path: Path, capture: Path) -> None:
    entries = [each for each in Capture([capture]).entries() if isinstance(each, Captured)]
    polls = [each for each in entries if each.frame.channel == "L1.reflow/fast"]
    gone = {id(each) for each in (*polls[-3:], *[each for each in entries if b"SN2" in each.frame.payload])}
    code, said = reconcile(capture, asyncio.run(second(tmp_path, [e for e in entries if id(e) not in gone])))
    assert code == 1
    assert "L1.scan  unit SN2  IdentifiersRead  missing" in said
    assert "L1.reflow  signal units.in  change" in said


def test_nothing_is_not_equal(tmp_path: Path, capture: Path) -> None:
    journal = asyncio.run(second(tmp_path, []))
    sides = replayed.side(str(capture)), replayed.side(str(journal))
    with pytest.raises(LinesideError, match=r"nothing to compare.* of L1\.reflw"):
        replayed.reconcile(*sides, speed=1.0, poll_s=1.0, stations=frozenset(["L1.reflw"]))
