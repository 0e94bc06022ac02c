"""Do the texts of readers and testers lead a gateway to what their voices say? By real framing, decoding and step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.core.observation import Lines
from gateway.transport.checksums import Checksum
from gateway.transport.framing import Cutter, Framing
from simulators.model import facts
from simulators.model.facts import (
    AnyFact,
    BoardResult,
    Defect,
    Measure,
    Scanned,
    WorkBegan,
    WorkEnded,
)
from simulators.voices.layout import Layout
from simulators.voices.text import Speech, framed
from simulators.voices.text_reader import TextReader
from simulators.voices.text_report import TextReport
from simulators.voices.voice import Told, Voice
from tests.unit.simulators.followed import PROFILES, WHEN, Followed, agree, hear_all, profile
from tests.unit.simulators.line_facts import lot, made, plan

BERLIN = ZoneInfo("Europe/Berlin")
READER = "barcode_reader/example-stx-etx"
PROBE = "electrical_test/example-flying-probe"


def run(
    voice: Voice[Speech], name: str, life: Sequence[AnyFact], *, ignore_ids: Sequence[str] = ()
) -> tuple[list[Told], Followed, list[bytes]]:
    """All that is said, as one stream of bytes that is cut apart again."""
    gateway = Followed(voice.station, profile(name), zone=BERLIN.key, ignore_ids=ignore_ids)
    records = gateway.bound.records
    assert records is not None
    cutter = Cutter(records.framing, 1 << 20)
    told: list[Told] = []
    sent = []
    for fact in life:
        outputs, more = hear_all(voice, [fact])
        told += more
        for speech in outputs:
            sent.append(speech.data(WHEN))
            pieces = cutter.feed(sent[-1])
            if records.framing.kind == "pause":
                pieces += cutter.pause()
            for piece in pieces:
                assert not piece.problem
                lines = [each for each in records.each(piece.data) if isinstance(each, str)]
                gateway.follow(Lines(voice.station, tuple(lines)), fact.at)
    assert gateway.unfit == []
    return told, gateway, sent


# -- a reader


def scans(*reads: str | None) -> list[AnyFact]:
    return [
        Scanned(at=10.0 * number, station="L1.scan", panel=f"p{number}", lane=1, read=read)
        for number, read in enumerate(reads, 1)
    ]


def reader(folder: Path, frame: str, field: str = "{}") -> str:
    """A profile like the packaged one, with another frame. Its path."""
    path = folder / "reader.toml"
    path.write_text(
        f"""
class = "barcode_reader"
protocol = "serial-text"
models = ["Test"]
evidence = {{ level = "example" }}
[frame]
encoding = "ascii"
{frame}
[[record]]
name = "read"
pattern = '(?P<unit>[!-~]{{1,64}}) *'
fields.unit = {field}
example = {{ text = "SN4500012346", fields = {{ unit = "SN4500012346" }} }}
""",
        "utf-8",
    )
    return str(path)


def test_the_packaged_reader() -> None:
    voice = TextReader("L1.scan", Layout.load(READER, [PROFILES]), zone=BERLIN)
    other = Scanned(at=5.0, station="L2.scan", panel="p", lane=1, read="PNL-9")
    told, gateway, sent = run(voice, READER, [other, *scans("PNL-1", None, "PNL-1", "PNL 4", "PNL-5")])
    assert sent == [b"\x02PNL-1\x03", b"\x02ERROR\x03", b"\x02PNL-1\x03", b"\x02ERROR\x03", b"\x02PNL-5\x03"]
    assert [each.units for each in told] == [("PNL-1",), (), ("PNL-1",), (), ("PNL-5",)]
    assert {each.message for each in told} == voice.tells
    agree(told, gateway.events, voice.tells)


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        ('kind = "lines"', [b"A-1\n", b"NOREAD\n"]),
        ('kind = "lines"\ndelimiter = "\\r"', [b"A-1\r", b"NOREAD\r"]),
        ('kind = "stx-etx"\nchecksum = { kind = "xor" }', [b"\x02A-1\x035E", b"\x02NOREAD\x0310"]),
        ('kind = "pause"\npause = "50ms"', [b"A-1", b"NOREAD"]),
        ('kind = "length"\nlength = 10\npause = "1s"', [b"A-1       ", b"NOREAD    "]),
    ],
)
def test_other_frames(tmp_path: Path, frame: str, sent: list[bytes]) -> None:
    """What stands for a failed reading is a setting of the reader here, and one of the gateway's."""
    name = reader(tmp_path, frame)
    voice = TextReader("L1.scan", Layout.load(name, []), zone=BERLIN)
    told, gateway, said = run(voice, name, scans("A-1", None), ignore_ids=["NOREAD"])
    assert said == sent
    assert [each.units for each in told] == [("A-1",), ()]
    agree(told, gateway.events, voice.tells)


def test_a_text_that_is_too_long_for_its_frame() -> None:
    with pytest.raises(ValueError, match="has 6 bytes; allowed: 5"):
        framed(Framing(kind="length", length=5), b"PNL-12\n")


@pytest.mark.parametrize("marks", ["none", "etx", "both"])
@pytest.mark.parametrize("kind", ["xor", "sum", "crc16-modbus", "crc16-ccitt", "crc16-xmodem"])
@pytest.mark.parametrize("form", ["hex", "byte"])
def test_a_frame_is_the_inverse_of_its_content(marks: Any, kind: Any, form: Any) -> None:
    framing = Framing(kind="stx-etx", checksum=Checksum(kind=kind, form=form, marks=marks))
    (piece,) = Cutter(framing, 100).feed(framed(framing, b"PNL-1\n"))
    assert framing.content(piece.data) == b"PNL-1"


def test_a_profile_of_files_cannot_be_spoken() -> None:
    with pytest.raises(ValueError, match="a profile of files"):
        TextReport("probe2", Layout.load("electrical_test/example-flying-probe-folder", [PROFILES]), zone=BERLIN)


# -- a tester


def work(panel: str, at: float, *boards: BoardResult, attempt: int = 1, began: float | None = None) -> list[AnyFact]:
    job = f"{panel}/{attempt}"
    return [
        WorkBegan(at=at - 40.0 if began is None else began, station="probe2", panel=panel, lane=1, job=job),
        facts.Tested(at=at, station="probe2", panel=panel, job=job, attempt=attempt, boards=boards),
        WorkEnded(at=at, station="probe2", panel=panel, lane=1, job=job),
    ]


def measure(name: str, value: float, *, passed: bool = True) -> Measure:
    return Measure(
        name=name, component=name, value=value, unit="kOhm", expected=10.0, low=9.9, high=10.1, passed=passed
    )


GOOD = BoardResult(position=1, board="SN-1", measures=(measure("R1", 10.015), measure("R2", 9.97)))
BAD = BoardResult(
    position=2,
    board="SN-2",
    passed=False,
    measures=(measure("R1", 12.5, passed=False),),
    defects=(Defect(id="d1", component="R2.1", code="OPEN"),),
)
OUT = BoardResult(position=3, board="SN-3", skipped=True)


def reports() -> list[AnyFact]:
    """A panel that fails, and fails once more in the same words; one that passes; one without a label."""
    first = lot(1, "CTRL-100")
    return [
        *plan(first, boards=3),
        made("PNL-1", 1, boards=3),
        made("PNL-2", 1),
        facts.PanelMade(at=0.0, panel="PNL-3", lot=1, label=None, boards=("SN-31",)),
        *work("PNL-1", 100.0, GOOD, BAD, OUT),
        *work("PNL-1", 200.0, GOOD, BAD, OUT, attempt=2),
        *work("PNL-2", 300.0, GOOD),
        *work("PNL-3", 400.0, GOOD),
    ]


def test_the_packaged_tester() -> None:
    voice = TextReport("probe2", Layout.load(PROBE, [PROFILES]), zone=BERLIN)
    told, gateway, sent = run(voice, PROBE, reports())
    assert len(sent) == 4
    assert {each.message for each in told} == voice.tells
    assert len(told) == 12
    agree(told, gateway.events, voice.tells)
    first = sent[0].decode("latin-1").splitlines()
    assert first[0] == "*START PROG=CTRL-100-TOP REV=C PANEL=PNL-1 OP=4712 20.11.2026 13:01:00"
    assert first[-1] == "*END FAIL 20.11.2026 13:01:40"
    assert b"PANEL=? " in sent[3]
    assert told[1].values["TestedUnits.1.OverallResult"] == "Failed"
    assert told[-1].units == ()


def test_a_clock_that_is_wrong_says_so_in_its_text() -> None:
    voice = TextReport("probe2", Layout.load(PROBE, [PROFILES]), zone=BERLIN)
    outputs, _ = hear_all(voice, reports())
    later = WHEN._replace(instant=lambda at: WHEN.instant(at) + 3_600_000_000)
    assert b" 20.11.2026 14:01:00\n" in outputs[0].data(later)
