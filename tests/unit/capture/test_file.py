"""Files of a capture: written, read, cut off, damaged, foreign, mended."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from mcap.reader import make_reader
from mcap.summary import Summary
from mcap.writer import Writer

from gateway.capture.form import Asked, Captured, Entry, Gone, Hole, Stored
from gateway.capture.mend import mend, messages
from gateway.capture.reading import Capture, CaptureError
from gateway.cli.replay_cues import span
from gateway.core.event import Place, encode
from tests.unit.capture.written import ABOUT, STATES, event, frame, write

COMMITS = (3, 4, 5)
PLACE = Place(ABOUT.journal, ABOUT.site, ABOUT.gateway)


def _read(*paths: Path) -> tuple[Capture, list[Entry]]:
    capture = Capture(paths)
    return capture, list(capture.entries())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.mcap"
    write(path, COMMITS)
    capture, entries = _read(tmp_path)
    assert (capture.first.about, capture.first.states) == (ABOUT, STATES)
    assert capture.first.profiles == {"generic/bench": "class = 'generic'"}
    assert capture.damage == []
    frames = [each for each in entries if isinstance(each, Captured)]
    assert [each.frame for each in frames] == [frame(number) for number in range(12)]
    assert {(each.peer, each.handles, each.protocol) for each in frames} == {("peer-1", ("H",), "cfx-mqtt")}
    stored = [each.document for each in entries if isinstance(each, Stored)]
    assert stored == [encode(event(number), PLACE) for number in range(12)]
    kinds = [type(each) for each in entries]
    assert kinds == [kind for count in COMMITS for kind in (Asked, *[Captured] * count, *[Stored] * count)]


def test_others_read_it_by_its_index(tmp_path: Path) -> None:
    path = tmp_path / "one.mcap"
    write(path, COMMITS)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert (summary.statistics.message_count, len(summary.chunk_indexes)) == (18, 3)
        topics = {channel.topic for channel in summary.channels.values()}
        assert topics == {"broker", "lineside:event", "lineside:known"}
        found = list(reader.iter_messages(topics=["broker"], starting_at=(ABOUT.began + 5) * 1000))
        assert [message.log_time for *_, message in found] == [(ABOUT.began + n) * 1000 for n in range(5, 12)]
        assert [each.name for each in reader.iter_attachments()] == [
            "site.json",
            "profile/generic/bench.toml",
            "states.msgpack",
        ]


def test_cut_off_anywhere_it_is_read_to_its_last_whole_chunk_and_mended(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mcap"
    write(whole, COMMITS)
    _, entries = _read(whole)
    data = whole.read_bytes()
    with whole.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    ends = [index.chunk_start_offset + index.chunk_length for index in summary.chunk_indexes]
    cut = tmp_path / "cut.mcap"
    unusable = 0
    for size in range(0, len(data), 13):
        cut.write_bytes(data[:size])
        chunks = sum(end <= size for end in ends)
        expected = entries[: sum(1 + 2 * count for count in COMMITS[:chunks])]
        try:
            capture, found = _read(cut)
        except CaptureError:
            unusable += 1
            assert chunks == 0
            continue
        assert found == expected, f"cut at {size}"
        assert [damage.rest for damage in capture.damage][-1:] == [True], f"cut at {size}"
        mended = mend(cut)
        assert mended.messages == messages(cut) == sum(2 + count for count in COMMITS[:chunks])
        again, found = _read(cut)
        assert (found, again.damage) == (expected, [])
    assert 0 < unusable < len(data) // 26
    assert mend(whole).closed


def _summary(path: Path) -> Summary:
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    return summary


def test_flipped_bytes_cost_no_more_than_what_they_are_in(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mcap"
    write(whole, (20, 20))
    _, entries = _read(whole)
    data = whole.read_bytes()
    bad = tmp_path / "bad.mcap"
    for at in range(40, len(data) - 8, 29):
        bad.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        try:
            capture, found = _read(bad)
        except CaptureError:
            continue
        if found != entries:
            # A chunk's own index and the summary are not looked at; in all else nothing goes wrong silently.
            assert capture.damage, f"byte {at}"
            assert all(entry in entries for entry in found if isinstance(entry, Captured | Stored)), f"byte {at}"


def test_a_lost_chunk_is_told_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "one.mcap"
    write(path, COMMITS)
    middle = _summary(path).chunk_indexes[1]
    data = bytearray(path.read_bytes())
    data[middle.chunk_start_offset + middle.chunk_length - 3] ^= 0xFF
    path.write_bytes(data)
    capture, entries = _read(path)
    assert list(capture.entries()) == entries
    (damage,) = capture.damage  # told once, however often it is met: `replay --loop` goes on for days
    assert not damage.rest
    assert damage.bytes == middle.compressed_size
    numbers = [each.frame.payload for each in entries if isinstance(each, Captured)]
    assert numbers == [b"frame %d" % number for number in (0, 1, 2, 7, 8, 9, 10, 11)]


def test_parts_follow_each_other_or_a_hole_says_that_they_do_not(tmp_path: Path) -> None:
    for part, follows in ((1, False), (2, True), (3, False), (4, True)):
        about = msgspec.structs.replace(ABOUT, part=part, follows=follows)
        write(tmp_path / f"{part}.mcap", (1,), about=about, number=part * 100)
    _, entries = _read(tmp_path)
    assert [each.number for each in entries if isinstance(each, Captured)] == [101, 201, 301, 401]
    (hole,) = [each for each in entries if isinstance(each, Hole)]
    assert (hole.number, hole.states, hole.gone) == (202, STATES, None)
    _, entries = _read(tmp_path / "1.mcap", tmp_path / "4.mcap")
    assert len([each for each in entries if isinstance(each, Hole)]) == 1
    with pytest.raises(CaptureError, match="the same part"):
        Capture([tmp_path, tmp_path / "3.mcap"])


def test_an_end_and_a_beginning_that_nobody_can_read(tmp_path: Path) -> None:
    path = tmp_path / "one.mcap"
    write(path, COMMITS)
    data = path.read_bytes()
    summary = _summary(path)
    for at in range(summary.chunk_indexes[-1].chunk_start_offset, len(data), 5):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        span(Capture([path]))  # it may be another, or none; nothing is raised
    first = summary.chunk_indexes[0].chunk_start_offset
    path.write_bytes(data[:first] + b"\x47" + data[first + 1 : summary.chunk_indexes[-1].chunk_start_offset])
    assert mend(path).messages == 2 + COMMITS[1], "what was a chunk is none, and its index is nobody's"
    path.write_bytes(data[: data.index(b"class = 'generic'")])
    with pytest.raises(CaptureError, match="in the configuration that it was made with: it ends in the middle"):
        Capture([path])


@pytest.mark.parametrize("what", ["empty", "text", "foreign", "version"])
def test_what_is_no_capture_is_said_in_words(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.mcap"
    match what:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("no MCAP at all\n" * 100, "utf-8")
        case "foreign":
            with path.open("wb") as file:
                writer = Writer(file)
                writer.start(profile="ros2")
                channel = writer.register_channel("/imu", "cdr", 0)
                writer.add_message(channel, 1, b"1", 1)
                writer.finish()  # type: ignore[no-untyped-call]
        case "version":
            write(path, (1,))
            path.write_bytes(path.read_bytes().replace(b"version\x01\0\0\x001", b"version\x01\0\0\x009"))
    with pytest.raises(CaptureError, match="version 9" if what == "version" else "no capture of Lineside's"):
        Capture([path])


def test_a_hole_is_in_it(tmp_path: Path) -> None:
    from gateway.capture.file import CaptureFile
    from tests.unit.capture.written import SITE

    path = tmp_path / "one.mcap"
    file = CaptureFile(path, ABOUT, SITE, {}, {})
    file.hole(Gone(frames=7, bytes=700, since=1, until=9, states=STATES), at=ABOUT.began)
    file.close()
    _, entries = _read(path)
    assert entries == [Hole(1, STATES, Gone(7, 700, 1, 9, STATES))]
