"""A folder that a simulated machine writes into: what lies in it, and what a gateway that looks on makes of it."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.registry import build, protocols
from gateway import wiring
from gateway.config.load import load
from gateway.config.plan import resolve
from gateway.core.event import Event, Origin
from gateway.core.times import now
from gateway.journal.filter import Filter
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from simulators.faces.folder import FolderFace, serve
from simulators.faces.folder_faults import Fault, Trouble
from simulators.faces.folder_writing import Manner, Writing
from simulators.model.facts import AnyFact, BoardResult
from simulators.voices.files import BY_DAY, BY_PANEL_AND_TIME, Document, FilesVoice, How, Retest
from simulators.voices.layout import Layout
from simulators.voices.template import Stamp, Template
from simulators.voices.voice import Told, When
from tests.build import Bench, bench, until
from tests.conftest import ROOT
from tests.unit.simulators import panels
from tests.unit.simulators.panels import BOARDS, STATION, bad, good, looked_at, paste, skipped

QUICK = SupervisorSettings(retry_first_s=0.02, retry_most_s=0.05, settled_s=0.0, tick_s=0.05, mark_s=0.05)
ZONE = ZoneInfo("Asia/Shanghai")
PROFILES = ROOT / "config/profiles"
CONFIG = """
[gateway]
name = "g1"
site = "s1"
timezone = "Asia/Shanghai"
ignore_ids = ["NOREAD"]
[[station]]
name = "{station}"
profile = "{profile}"
source = {{ protocol = "files", path = "{path}", every_s = 0.05, settle_s = 0.3, {options} }}
"""
PASTE = [good(1, "SN1", *paste("U1.3", 98.4)), bad(2, "SN2", *paste("U1.3", 41.0), component="U1.3"), skipped(3, "S")]
GROWING = """
extends = "electrical_test/example-flying-probe"
class = "electrical_test"
protocol = "files"
models = ["Test"]
evidence = { level = "example" }
"""


@asynccontextmanager
async def running(folder: Path, results: Path, profile: str, options: str) -> AsyncIterator[Bench]:
    path = folder / "lineside.toml"
    path.write_text(CONFIG.format(station=STATION, profile=profile, path=results, options=options))
    resolved = resolve(load(path, protocols()))
    async with bench(folder, stations=wiring.stations(resolved)) as behind:
        adapters = [
            build(
                settings,
                gateway="g1",
                machines=wiring.machines_on(resolved, name),
                positions=behind.writer.positions(name),
            )
            for name, settings in resolved.connections.items()
        ]
        supervisor = Supervisor(adapters, behind.ingest, behind.telemetry, QUICK, marks={}, draw=lambda: 1.0)
        behind.ingest.on_heard = supervisor.heard
        task = asyncio.create_task(supervisor.run(), name="supervisor")
        try:
            await until(lambda: all(link.state != "down" for link in supervisor.links.values()))
            yield behind
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def derived(behind: Bench) -> list[Event]:
    await behind.settled()
    page = await behind.reader.events(0, 1000, Filter())
    assert not page.more
    return [placed.event for placed in page.events if placed.event.origin is Origin.DERIVED]


async def come(behind: Bench, told: Sequence[Told], when: When) -> list[Event]:
    """All that is told has come, in the same order, and nothing else; with the times that the machine has written."""
    async with asyncio.timeout(20):
        while len(found := await derived(behind)) < len(told):
            await asyncio.sleep(0.01)
    assert [(event.message, tuple(event.units)) for event in found] == [(each.message, each.units) for each in told]
    for event, each in zip(found, told, strict=True):
        body = json.loads(event.body)
        assert {path: panels.at(body, path) for path in each.values} == each.values
        assert each.at is not None
        assert event.time == when.instant(each.at) // 1_000_000 * 1_000_000
        assert event.station == STATION
    return found


def quarantined(behind: Bench, count: int) -> bool:
    return behind.counter("quarantined") == count


def play_now() -> When:
    start = now() // 1_000_000 * 1_000_000
    return When(lambda at: start + round(at * 1_000_000), 1.0)


def speak(voice: FilesVoice, facts: Sequence[AnyFact]) -> tuple[list[Document], list[Told]]:
    said = [voice.hear(fact) for fact in (*panels.known(), *facts)]
    return [each for one in said for each in one.outputs], [each for one in said for each in one.told]


def few(count: int, boards: Sequence[BoardResult] = BOARDS, *, attempt: int = 0) -> list[AnyFact]:
    return [fact for number in range(count) for fact in looked_at(str(number), 30.0 * number, boards, attempt=attempt)]


def xray(**options: object) -> FilesVoice:
    return FilesVoice(STATION, Layout.load("axi/example-xml", [PROFILES]), **options)  # type: ignore[arg-type]


async def test_xray_files_through_every_trouble_that_loses_nothing(tmp_path: Path) -> None:
    when, results = play_now(), tmp_path / "results"
    documents, told = speak(xray(pictures=True), few(9))
    async with (
        serve(results, Manner(writing=Writing.IN_PLACE, pause_s=0.02), zone=ZONE) as face,
        running(tmp_path, results, "axi/example-xml", 'pattern = "*.xml"') as behind,
    ):
        await face.put(documents[0], when)
        await come(behind, told[:3], when)
        for number, trouble in enumerate((Trouble.REFUSE, Trouble.UNMOUNT), 1):
            async with face.fault(Fault(trouble=trouble)):
                await face.put(documents[number], when)
                await behind.settled()
            await come(behind, told[: 3 * number + 3], when)
        for number, trouble in enumerate((Trouble.GARBAGE, Trouble.ENCODING, Trouble.BOMB), 3):
            async with face.fault(Fault(trouble=trouble, times=1)):
                await face.put(documents[number], when)
                await until(partial(quarantined, behind, number - 2))
            await come(behind, told[: 3 * number + 3], when)
        for number, trouble in enumerate((Trouble.LATE, Trouble.SKEW, Trouble.LOCK), 6):
            async with face.fault(Fault(trouble=trouble, seconds=0.1)):
                await face.put(documents[number], when)
                await face.idle()
            await come(behind, told[: 3 * number + 3], when)
        await face.idle()
        await come(behind, told, when)
        assert behind.counter("quarantined") == 3
    assert len(list(results.glob("*.png"))) == 9


async def test_paste_as_rows_with_a_trigger(tmp_path: Path) -> None:
    """However slowly a file grows, it is not read before its trigger is there."""
    when, results = play_now(), tmp_path / "results"
    name = BY_PANEL_AND_TIME.replace(".xml", ".csv")
    voice = FilesVoice(STATION, Layout.load("spi/example-columns", [PROFILES]), name=name)
    documents, told = speak(voice, few(2, PASTE))
    async with (
        serve(results, Manner(writing=Writing.IN_PLACE, pieces=3, pause_s=0.4, trigger="{}.ok"), zone=ZONE) as face,
        running(tmp_path, results, "spi/example-columns", 'pattern = "*.csv", trigger = "{}.ok"') as behind,
    ):
        for document in documents:
            await face.put(document, when)
        await come(behind, told, when)
        assert behind.counter("quarantined") == 0


@pytest.mark.parametrize(("retest", "events"), [(Retest.APART, 6), (Retest.IDENTICAL, 3), (Retest.COPIED, 6)])
async def test_a_retest_with_the_same_result(tmp_path: Path, retest: Retest, events: int) -> None:
    when, results = play_now(), tmp_path / "results"
    profile = "electrical_test/example-flying-probe-folder"
    voice = FilesVoice(STATION, Layout.load(profile, [PROFILES]), name=BY_DAY, retest=retest)
    facts = [
        *looked_at("1", 3.0, BOARDS, attempt=1),
        *looked_at("1", 40.0, BOARDS, attempt=2),
        *looked_at("2", 80.0, BOARDS, attempt=1),
    ]
    documents, told = speak(voice, facts)
    assert len(told) == events + 3
    async with (
        serve(results, zone=ZONE) as face,
        running(tmp_path, results, profile, 'pattern = "*/*.log"') as behind,
    ):
        for number, document in enumerate(documents):
            await face.put(document, when)
            await face.idle()
            await come(behind, told[: 3 if number == 0 else events if number == 1 else len(told)], when)


async def test_a_file_that_is_rewritten_is_a_revision(tmp_path: Path) -> None:
    when, results = play_now(), tmp_path / "results"
    profile = "electrical_test/example-flying-probe-folder"
    voice = FilesVoice(STATION, Layout.load(profile, [PROFILES]), name=BY_DAY, retest=Retest.REWRITTEN)
    facts = [*looked_at("1", 3.0, BOARDS, attempt=1), *looked_at("1", 40.0, BOARDS, attempt=2)]
    documents, told = speak(voice, facts)
    async with (
        serve(results, zone=ZONE) as face,
        running(tmp_path, results, profile, 'pattern = "*/*.log"') as behind,
    ):
        await face.put(documents[0], when)
        await come(behind, told[:3], when)
        await face.put(documents[1], when)
        found = await come(behind, told, when)
    assert [each.revises for each in found[1:]] == [None, None, found[1].id]
    assert len(list(results.glob("*/*.log"))) == 1


async def test_a_log_that_grows_while_the_gateway_comes_and_goes(tmp_path: Path) -> None:
    when, results, profile = play_now(), tmp_path / "results", tmp_path / "growing.toml"
    profile.write_text(GROWING)
    layout = Layout.load("electrical_test/example-flying-probe", [PROFILES])
    voice = FilesVoice(STATION, layout, name="{at:%Y-%m-%d}.log", how=How.APPENDED)
    documents, told = speak(voice, few(6, attempt=1))
    async with serve(results, Manner(pieces=5, pause_s=0.01), zone=ZONE) as face:
        async with running(tmp_path, results, "growing.toml", 'pattern = "*.log"') as behind:
            for document in documents[:2]:
                await face.put(document, when)
            await come(behind, told[:6], when)
            await face.put(documents[2], when)
            await until(lambda: behind.ingest.depth())
        for document in documents[3:5]:
            await face.put(document, when)
        async with running(tmp_path, results, "growing.toml", 'pattern = "*.log"') as behind:
            await face.put(documents[5], when)
            await come(behind, told, when)
            assert behind.counter("quarantined") == 0


# The face alone


def document(name: str = "a.xml", content: str = "<a>content</a>") -> Document:
    return Document(name=Template((name,)), content=Template((content,)))


async def wrote(face: FolderFace, *names: str) -> None:
    for name in names:
        await face.put(document(name), panels.WHEN)
    await face.idle()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_what_each_trouble_does_to_a_file(tmp_path: Path) -> None:
    async with serve(tmp_path / "r") as face:
        async with face.fault(Fault(trouble=Trouble.COPY, times=1)):
            await wrote(face, "a.xml", "b.xml")
        assert names(face.path) == ["a.xml", "a_copy.xml", "b.xml"]
        async with face.fault(Fault(trouble=Trouble.VANISH, seconds=0.01)):
            await wrote(face, "c.xml")
        assert not (face.path / "c.xml").exists()
        async with face.fault(Fault(trouble=Trouble.REWRITE, seconds=0.01)):
            await wrote(face, "d.xml")
        assert (face.path / "d.xml").read_bytes() == b"<a>content</a>\n"
        async with face.fault(Fault(trouble=Trouble.SKEW, seconds=-86_400.0)):
            await wrote(face, "e.xml")
        assert (face.path / "d.xml").stat().st_mtime - (face.path / "e.xml").stat().st_mtime > 86_000
        async with face.fault(Fault(trouble=Trouble.LOCK, seconds=0.1)):
            await face.put(document("f.xml"), panels.WHEN)
            await until((face.path / "f.xml").exists)
            await until(lambda: stat.S_IMODE((face.path / "f.xml").stat().st_mode) == 0)
            await face.idle()
        assert stat.S_IMODE((face.path / "f.xml").stat().st_mode) == 0o644


async def test_half_a_file_and_the_rest_later(tmp_path: Path) -> None:
    async with serve(tmp_path / "r", Manner(trigger="{}.ok")) as face:
        async with face.fault(Fault(trouble=Trouble.HALF, seconds=0.2)):
            await face.put(document(), panels.WHEN)
            path = face.path / "a.xml"
            await until(lambda: path.exists() and path.read_bytes() == b"<a>cont")
            assert names(face.path) == ["a.xml"]
            await face.idle()
        assert path.read_bytes() == b"<a>content</a>"
        assert names(face.path) == ["a.ok", "a.xml"]


@pytest.mark.parametrize(("trouble", "seen"), [(Trouble.REFUSE, None), (Trouble.UNMOUNT, [])])
async def test_a_folder_that_goes_away(tmp_path: Path, trouble: Trouble, seen: list[str] | None) -> None:
    async with serve(tmp_path / "r") as face:
        await wrote(face, "a.xml")
        async with face.fault(Fault(trouble=trouble)):
            await face.put(document("b.xml"), panels.WHEN)
            assert (names(face.path) if face.path.exists() else None) == seen
            with pytest.raises(ValueError, match="away already"):
                await face.set_fault(Fault(trouble=Trouble.REFUSE))
        await face.idle()
        assert names(face.path) == ["a.xml", "b.xml"]
        await face.set_fault(Fault(trouble=trouble))
        await face.put(document("c.xml"), panels.WHEN)
    assert names(tmp_path / "r") == ["a.xml", "b.xml", "c.xml"], "at the end it is there again, with everything"


async def test_at_the_end_nothing_waits_and_nothing_vanishes(tmp_path: Path) -> None:
    async with asyncio.timeout(10), serve(tmp_path / "r", Manner(writing=Writing.IN_PLACE, pause_s=3600.0)) as face:
        for number, trouble in enumerate((Trouble.VANISH, Trouble.LATE, Trouble.HALF)):
            await face.set_fault(Fault(trouble=trouble, seconds=3600.0, times=1))
            await face.put(document(f"{number}.xml"), panels.WHEN)
    assert names(tmp_path / "r") == ["0.xml", "1.xml", "2.xml"]


async def test_old_files_are_deleted_and_the_head_is_written_once(tmp_path: Path) -> None:
    async with serve(tmp_path / "r", Manner(keep=2, pause_s=0.0)) as face:
        await wrote(face, "a.xml", "b.xml", "a.xml", "c.xml")
        assert names(face.path) == ["a.xml", "c.xml"]
        rows = [
            Document(
                name=Template(("log.csv",)),
                content=Template((row,)),
                how=How.APPENDED,
                head=Template(("X;Y\n",)),
            )
            for row in ("1;2\n", "3;4\n")
        ]
        for row in rows:
            await face.put(row, panels.WHEN)
        await face.idle()
        assert (face.path / "log.csv").read_text() == "X;Y\n1;2\n3;4\n"


async def test_a_file_that_cannot_be_written_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "r/a.xml").mkdir(parents=True)

    async def write() -> None:
        async with serve(tmp_path / "r") as face:
            await face.put(document(), panels.WHEN)

    with pytest.raises(IsADirectoryError):
        await write()


async def test_a_clock_that_is_fast(tmp_path: Path) -> None:
    async with serve(tmp_path / "r", Manner(clock_s=3600.0), zone=ZONE) as face:
        await face.put(Document(name=Template(("a",)), content=Template((Stamp(1.0),))), panels.WHEN)
    assert (tmp_path / "r/a").read_text() == "2026-11-21T17:00:01"


async def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    found = []
    for run in "ab":
        async with serve(tmp_path / run, seed=5) as face:
            await face.set_fault(Fault(trouble=Trouble.COPY, share=0.5))
            await wrote(face, *(f"{number}.xml" for number in range(20)))
        found.append(names(tmp_path / run))
    assert found[0] == found[1]
    assert 20 < len(found[0]) < 40
