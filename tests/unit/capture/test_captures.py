"""Captures of a running ingest: what is in them, rotation, rings, holes, room, and going on after the end of the process."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from gateway.capture.captures import Captures, Described, Refused, Unknown
from gateway.capture.choice import NoSuch
from gateway.capture.file import CaptureFile
from gateway.capture.form import Asked, Captured, ChannelKind, Entry, Hole, Place, Site, Stored
from gateway.capture.metrics import CaptureMetrics
from gateway.capture.order import Limits, Order, Standing
from gateway.capture.reading import Capture
from gateway.capture.recorder import Redaction
from gateway.capture.shelf import NoRoom, Shelf, pieces
from gateway.classes import native
from gateway.classes.own import gateway_event
from gateway.core.errors import LinesideError
from gateway.core.event import encode
from gateway.core.observation import Facts
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.filter import Filter
from tests.build import HANDLE, PNP1, Bench, bench, message, units, until

OTHER = Station(id="L1.pnp2", line="L1", name="pnp2")
PLACES = tuple(
    Place(
        id=station.id,
        line="L1",
        name=station.name,
        machine_class="generic",
        zone="UTC",
        routes=({"connection": "broker", "handles": [handle]},),
    )
    for station, handle in ((PNP1, HANDLE), (OTHER, "other"))
)
SITE = Site(gateway={"name": "line1-pc"}, connections={"broker": {"protocol": "cfx-mqtt"}}, stations=PLACES)
EVERYTHING = Order(name="all")
ENOUGH = Limits(reserve_bytes=0)


def guid(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


def _none() -> Redaction:
    raise LinesideError("there is no key")


@asynccontextmanager
async def running(b: Bench, folder: Path, **limits: Any) -> AsyncIterator[Captures]:
    made = Captures(
        folder,
        Limits(**{"reserve_bytes": 0, "flush_s": 0.02, **limits}),
        b.ingest,
        Described(SITE, {}, b.writer.place, "0.1.0"),
        CaptureMetrics(CollectorRegistry()),
        redaction=_none,
    )
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def both(folder: Path) -> AsyncIterator[Bench]:
    """Two machines on one broker."""
    routes = [
        Route(connection="broker", station=PNP1, handles=(HANDLE,)),
        Route(connection="broker", station=OTHER, handles=("other",)),
    ]
    async with bench(folder, stations=Stations([PNP1, OTHER], routes, zone=ZoneInfo("UTC"))) as b:
        yield b


def entries(folder: Path) -> list[Entry]:
    capture = Capture([folder])
    found = list(capture.entries())
    assert capture.damage == []
    return found


def payloads(found: list[Entry]) -> list[bytes]:
    return [each.frame.payload for each in found if isinstance(each, Captured)]


async def test_a_capture_has_what_was_stepped_and_what_came_of_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), facts=Facts(units=units("PNL-1"), transaction="t1", lane=2)))
        await b.settled()
        before = b.ingest.stepper.known("L1.pnp1")
        async with running(b, tmp_path / "captures") as captures:
            await captures.begin(EVERYTHING)
            await until(lambda: captures.state("all").files)
            for number in (1, 2, 3):  # the first is a copy, and the journal knew it
                await b.give(number, message(guid(number)))
            await b.ingest.store("test", "gateway", [gateway_event("LinkChanged", {"State": "up"}, at=1, key="1")])
            captures.sent("broker", "topic", b"an answer")
            await b.settled()
            await until(lambda: captures.state("all").frames == 3)
            state = await captures.stop("all")
        assert (state.running, len(state.files)) == (False, 1)
        found = entries(tmp_path / "captures" / "all")
        assert payloads(found) == [b"1", b"2", b"3", b"an answer"]
        assert [each.kind for each in found if isinstance(each, Captured)] == [ChannelKind.IN] * 3 + [ChannelKind.OUT]
        capture = Capture([tmp_path / "captures" / "all"])
        assert native.load(native.VERSION, capture.first.states["L1.pnp1"].state) == before
        asked = [each.known.ids for each in found if isinstance(each, Asked)]
        assert [each.id for ids in asked for each in ids] == [guid(1)]
        journal = {each.event.id: each.event for each in (await b.reader.events(0, 100, Filter())).events}
        stored = [each for each in found if isinstance(each, Stored)]
        documents = [msgspec.json.decode(each.document) for each in stored]
        assert [each["id"] for each in documents if each["origin"] == "native"] == [guid(2), guid(3)]
        ours = [each["message"] for each, kind in zip(documents, stored, strict=True) if kind.kind is ChannelKind.OWN]
        assert ours == ["Lineside.LinkChanged"]
        for each, document in zip(stored, documents, strict=True):
            assert each.document == encode(journal[document["id"]], b.writer.place)
        # -- and it goes on where it was told to, without a seam
        async with running(b, tmp_path / "captures") as captures:
            with pytest.raises(Refused, match="there is a capture 'all' already"):
                await captures.begin(EVERYTHING)
            with pytest.raises(Unknown):
                await captures.go_on("nothing")
            with pytest.raises(Refused, match="does not run"):
                await captures.stop("all")
            await captures.go_on("all")
            await until(lambda: len(captures.state("all").files) == 2)
            await b.give(4, message(guid(4)))
            await b.settled()
        again = entries(tmp_path / "captures" / "all")
        assert [each.number for each in again] == sorted(each.number for each in again)
        assert payloads(again)[-1] == b"4"
        (hole,) = [each for each in again if isinstance(each, Hole)]  # what was between is not there
        assert hole.gone is None
        assert Standing.load(tmp_path / "captures" / "all") == Standing(order=EVERYTHING, running=True)


async def test_only_what_was_asked_for(tmp_path: Path) -> None:
    async with both(tmp_path) as b, running(b, tmp_path / "captures") as captures:
        with pytest.raises(NoSuch) as refused:
            await captures.begin(Order(name="a", stations=("L1.pnp3",)))
        assert refused.value.known == ["L1.pnp1", "L1.pnp2"]
        with pytest.raises(LinesideError, match="there is no key"):
            await captures.begin(Order(name="a", redact=True))
        await captures.begin(Order(name="one", stations=("L1.pnp2",)))
        await captures.begin(Order(name="line", sources=("broker",)))
        await until(lambda: captures.state("one").files and captures.state("line").files)
        for number, source in enumerate((HANDLE, "other", "nobody's", HANDLE, "other")):
            await b.give(number, message(guid(number), source=source))
        await b.settled()
    one, line = (entries(tmp_path / "captures" / name) for name in ("one", "line"))
    assert payloads(one) == [b"1", b"4"]
    assert payloads(line) == [b"0", b"1", b"2", b"3", b"4"]
    about = Capture([tmp_path / "captures" / "one"]).first
    assert about.about.chosen == "L1.pnp2"
    assert [place.id for place in about.site.stations] == ["L1.pnp1", "L1.pnp2"]
    stations = [msgspec.json.decode(each.document)["station"] for each in one if isinstance(each, Stored)]
    assert set(stations) == {"L1.pnp2"}
    assert len([each for each in line if isinstance(each, Stored)]) >= 5


async def test_a_new_file_goes_on_where_the_last_ended(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, running(b, tmp_path / "captures", file_bytes=1) as captures:
        await captures.begin(EVERYTHING)
        for number in range(4):
            while len(captures.state("all").files) < number + 1:
                await b.settled()  # a file begins with the first commit behind the end of the one before
            await b.give(number, message(guid(number)))
            await b.settled()
    found = entries(tmp_path / "captures" / "all")
    assert payloads(found) == [b"%d" % number for number in range(4)]
    assert [each.number for each in found] == sorted(each.number for each in found)
    assert not [each for each in found if isinstance(each, Hole)]
    parts = Capture([tmp_path / "captures" / "all"]).parts
    assert [part.about.part for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) >= 4
    states = [native.load(native.VERSION, part.states["L1.pnp1"].state) for part in parts if part.states]
    assert states[-1].clock != states[0].clock  # each begins with what was so then
    assert not parts[0].states


async def test_what_cannot_be_kept_up_with_is_a_hole_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, write = threading.Event(), CaptureFile.delivery

    def slowly(file: CaptureFile, *taken: Any) -> None:
        gate.wait(10)
        write(file, *taken)

    monkeypatch.setattr(CaptureFile, "delivery", slowly)
    async with bench(tmp_path) as b, running(b, tmp_path / "captures", queue_bytes=5000) as captures:
        await captures.begin(EVERYTHING)
        await until(lambda: captures.state("all").files)
        for number in range(30):
            await b.give(number, message(guid(number)))
            await b.settled()
        gate.set()
        while captures.state("all").missed_frames == 0:
            await b.settled()
        await b.give(99, message(guid(99)))
        await b.settled()
        assert len(b.acks.order) == 31
        missed = captures.state("all").missed_frames
    found = entries(tmp_path / "captures" / "all")
    (hole,) = [each for each in found if isinstance(each, Hole)]
    assert hole.gone is not None
    assert hole.gone.frames == missed
    heard = payloads(found)
    assert heard == [b"%d" % number for number in (*range(30 - hole.gone.frames), 99)]
    assert set(hole.states) == {"L1.pnp1"}


async def test_what_a_killed_process_left_open_is_closed_and_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "captures" / "all"
    async with bench(tmp_path) as b:
        captures = Captures(
            tmp_path / "captures",
            Limits(reserve_bytes=0, flush_s=0.02),
            b.ingest,
            Described(SITE, {}, b.writer.place, "0.1.0"),
            CaptureMetrics(CollectorRegistry()),
            redaction=_none,
        )
        await captures.begin(EVERYTHING)
        await until(lambda: captures.state("all").files)
        await b.give(1, message(guid(1)))
        await b.settled()
        await until(lambda: captures.state("all").frames == 1)
        await until(lambda: pieces(folder)[0].bytes > 2000 or _has(folder, b"1"))
        copy = pieces(folder)[0].path.read_bytes()  # as kill -9 would leave it
        await captures.close()
        pieces(folder)[0].path.write_bytes(copy + b"\x06half a chunk")
    async with bench(tmp_path) as b, running(b, tmp_path / "captures") as captures:
        await captures.resume()
        await until(lambda: len(captures.state("all").files) == 2)
        await b.give(2, message(guid(2)))
        await b.settled()
    found = entries(folder)  # without damage: it was mended
    assert payloads(found) == [b"1", b"2"]
    assert [each.number for each in found] == sorted(each.number for each in found)
    assert len([each for each in found if isinstance(each, Hole)]) == 1


def _has(folder: Path, payload: bytes) -> bool:
    return payload in payloads(list(Capture([folder]).entries()))


async def test_where_it_cannot_write_it_says_so_and_the_gateway_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").write_text("", "utf-8")
    async with bench(tmp_path) as b:
        async with running(b, tmp_path / "a-file") as captures:
            with pytest.raises(Refused, match=r"cannot write to .*a-file"):
                await captures.begin(EVERYTHING)
        async with running(b, tmp_path / "captures", reserve_bytes=1 << 60) as captures:
            await captures.begin(EVERYTHING)
            await until(lambda: not captures.state("all").running)
            assert "are not for captures" in captures.state("all").reason
            assert b.ingest.recording is None
            await b.give(1, message(guid(1)))
            await b.settled()
            assert b.acks.order == [1]
            await captures.delete("all")
            assert captures.states() == []
        async with running(b, tmp_path / "captures") as captures:
            with monkeypatch.context() as full:
                full.setattr(CaptureFile, "flush", lambda file: (_ for _ in ()).throw(OSError(28, "No space left")))
                await captures.begin(EVERYTHING)
                await until(lambda: captures.state("all").files)
                await b.give(2, message(guid(2)))
                full.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
                await until(lambda: not captures.state("all").running)
            assert captures.state("all").reason == "cannot write: No space left", "though that cannot be noted there"
            await captures.go_on("all")
            await until(lambda: len(captures.state("all").files) == 2)
            await b.give(3, message(guid(3)))
            await b.settled()
            assert b.acks.order == [1, 2, 3]
    assert payloads(entries(tmp_path / "captures" / "all")) == [b"3"]


def test_a_ring_keeps_the_last_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    folder.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.mcap").write_bytes(bytes(500))

    def shelf(limits: Limits = ENOUGH, free: int = 1 << 40, **keep: Any) -> Shelf:
        for path in folder.iterdir():
            path.unlink()
        made = Shelf(folder, Order(name="ring", **keep), limits, free=lambda folder: free)
        for minute in range(10):
            path = made.fresh(minute + 1, minute * 60_000_000)
            path.write_bytes(bytes(100))
            made.close(path, 100, (minute + 1) * 60_000_000)
        return made

    def left() -> list[int]:
        return [int(path.name.split("-")[1]) for path in sorted(folder.iterdir())]

    shelf(keep_s=240.0).make_room(600_000_000, 50)
    assert left() == [6, 7, 8, 9, 10]  # the sixth ended 240 s ago
    shelf(keep_bytes=450).make_room(600_000_000, 50)
    assert left() == [7, 8, 9, 10]
    shelf(Limits(reserve_bytes=0, total_bytes=901), keep_s=1e9).make_room(600_000_000, 0)
    assert left() == [7, 8, 9, 10]  # others have 500 bytes
    with pytest.raises(NoRoom, match="not for captures"):
        shelf(Limits(reserve_bytes=10), free=9, keep_s=1e9).make_room(600_000_000, 0)
    assert left() == []
    with pytest.raises(NoRoom, match="captures may take 1kB in all, and have 1500 bytes"):
        shelf(Limits(reserve_bytes=0, total_bytes=1000)).make_room(600_000_000, 0)
    assert left() == list(range(1, 11))  # no ring: nothing is deleted
    assert (shelf(keep_s=60.0).file_s, shelf(keep_bytes=1000).file_bytes) == (10.0, 250)
