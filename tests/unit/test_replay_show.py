"""`lineside replay`: what it chooses of a capture, where it says that machines are, and what it says at the end."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.capture.reading import Capture
from gateway.cli import replay_cues
from gateway.cli.app import application
from gateway.cli.replay_cues import Between
from gateway.cli.replay_show import Show, Wishes
from gateway.core.errors import ConfigError
from gateway.core.frame import Delivery, Frame
from tests.captured import at, configured, line

STATIONS = """
[[line]]
name = "L1"

[[line.station]]
name = "scan"
profile = "barcode_reader/example-stx-etx"
source = { protocol = "tcp-text", host = "10.0.0.5", port = 4001 }

[[line.station]]
name = "back"
profile = "barcode_reader/example-stx-etx"
source = { protocol = "tcp-text", host = "10.0.0.6", port = 4001 }
"""


@pytest.fixture
async def capture(tmp_path: Path) -> Path:
    async with line(configured(tmp_path, STATIONS), tmp_path) as made, made.captured(tmp_path / "made.mcap"):
        for second in range(4):
            frames = [
                Frame(connection=name, received=at(second), channel=name, payload=b"\x02PNL%d\x03" % second)
                for name in ("L1.scan", "L1.back")
            ]
            await made.hear(Delivery(each, acknowledged=False, peer=each.connection) for each in frames)
    return tmp_path / "made.mcap"


async def test_what_is_chosen_is_played_and_what_nobody_hears_is_told(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wishes = Wishes(
        speed=float("inf"),
        stations=("L1.scan",),
        between=Between(at(1), at(3)),
        wait_s=0,
        patience_s=0,
        config_out=tmp_path / "second.toml",
    )
    progress = await Show(Capture([capture]), wishes).run(asyncio.Event(), tmp_path)
    assert progress.left_out.total() == 2
    out = capsys.readouterr().out
    assert "L1.scan     tcp-text  127.0.0.1:" in out
    assert "nobody is connected to: L1.scan" in out
    assert "0 frames played" in out
    assert "2 left out: nobody is connected to 127.0.0.1:" in out
    text = (tmp_path / "second.toml").read_text("utf-8")
    assert 'name = "scan"' in text
    assert 'name = "back"' not in text


async def test_a_person_ends_it_at_once(capture: Path, tmp_path: Path) -> None:
    stop = asyncio.Event()
    playing = asyncio.create_task(Show(Capture([capture]), Wishes(loop=True)).run(stop, tmp_path))
    await asyncio.sleep(0)
    stop.set()
    progress = await asyncio.wait_for(playing, 5)
    assert progress.rounds == 0


async def test_from_when_to_when(capture: Path) -> None:
    found = Capture([capture])
    assert replay_cues.span(found) == (at(0), at(3))
    cues = list(replay_cues.cues(found, {"L1.back"}, Between(at(2))))
    assert [cue.frame.payload for cue in cues] == [b"\x02PNL2\x03", b"\x02PNL3\x03"]


@pytest.mark.parametrize(
    ("between", "said"),
    [
        (Between(at(2), at(2)), r"^\['--from: \S+:02\S+ is not before --to \S+:02\S+"),
        (
            Between(at(3) + 1),
            r"^.'--from: nothing came in at or after .*; the capture lasts from \S+:00\S+ to \S+:03\S+",
        ),
        (Between(None, at(0)), "^.'--to: nothing came in before .*; the capture lasts from"),
    ],
)
def test_where_there_is_nothing(capture: Path, between: Between, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Show(Capture([capture]), Wishes(between=between))
    assert re.search(said, str(list(refused.value.problems)))


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (Wishes(stations=("L1.scam",)), "did you mean 'L1.scan'"),
        (Wishes(at={"L1.bakc": "127.0.0.1:1"}), "did you mean 'L1.back'"),
    ],
)
async def test_names_that_are_not_in_the_capture(capture: Path, tmp_path: Path, wishes: Wishes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await Show(Capture([capture]), wishes).run(asyncio.Event(), tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "fast"], "--speed: 'fast' is no speed"),
        (["--speed", "0"], "--speed: '0' is no speed"),
        (["--at", "L1.scan"], "--at: 'L1.scan'; allowed: CONNECTION=PLACE"),
        (["--mqtt", "broker"], "--mqtt: is no address"),
    ],
)
def test_options_that_mean_nothing(options: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(application(), ["replay", str(tmp_path), *options])
    assert isinstance(done.exception, ConfigError)
    assert done.exception.problems[0].startswith(said)
