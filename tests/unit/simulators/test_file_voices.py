"""What X-ray, paste inspection and flying probe write, read again by their profiles and classes: it must be what is told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.classes.registry import CLASSES
from gateway.core.observation import Record
from gateway.profile.bind import bind
from gateway.profile.bound import Bound
from gateway.profile.load import load
from simulators.model.facts import AnyFact, BoardResult, Inspected, Labelled, PanelMade, Scrapped
from simulators.voices.files import BY_DAY, Document, FilesVoice, How, Retest
from simulators.voices.known import Known
from simulators.voices.layout import Layout
from simulators.voices.report import report_of
from simulators.voices.voice import Told
from tests.conftest import ROOT
from tests.unit.classes.machines import Machine
from tests.unit.simulators import panels
from tests.unit.simulators.panels import BOARDS, STATION, UTC, WHEN, bad, good, looked_at, paste, resistor, skipped

PROFILES = [ROOT / "config/profiles"]
XRAY, PROBE = "axi/example-xml", "electrical_test/example-flying-probe-folder"
COLUMNS, PADS = "spi/example-columns", "spi/example-csv"
PASTE = (
    good(1, "SN1", *paste("U1.3", 98.4), *paste("U1.4", 101.0)),
    bad(2, "SN2", *paste("U1.3", 41.0, passed=False), component="U1.3", code="Insufficient"),
    skipped(3, "SN3"),
)
FOUND = {
    XRAY: BOARDS,
    "axi/example-report": BOARDS,
    PROBE: BOARDS,
    "electrical_test/example-flying-probe": BOARDS,
    COLUMNS: PASTE,
    PADS: PASTE,
}


def bound(name: str) -> Bound:
    loaded = load(name, PROFILES)
    return bind(loaded.profile, CLASSES[loaded.profile.class_].vocabulary, loaded.name)


def is_test(name: str) -> bool:
    return name.startswith("electrical_test")


def lines(name: str) -> bool:
    profile = bound(name).records
    assert profile is not None
    return not profile.document


def voice(profile: str, **options: Any) -> FilesVoice:
    made = {"how": How.APPENDED, "name": "{at:%Y-%m-%d}.log"} if lines(profile) else {}
    return FilesVoice(STATION, Layout.load(profile, PROFILES), **{**made, **options})


def heard(speaker: FilesVoice, facts: Iterable[AnyFact]) -> tuple[list[Document], list[Told]]:
    said = [speaker.hear(fact) for fact in (*panels.known(), *facts)]
    return [each for one in said for each in one.outputs], [each for one in said for each in one.told]


def text(document: Document) -> bytes:
    return document.content.render(WHEN, UTC)


def events(name: str, documents: Iterable[Document], told: list[Told]) -> list[panels.Event]:
    """As the gateway makes them of the files."""
    profile = bound(name)
    machine = Machine(profile.machine_class, profile=profile)
    assert profile.records is not None
    made = []
    for document in documents:
        for record in profile.records.whole(text(document), "L1.station", UTC):
            assert isinstance(record, Record), record
            made += machine.say(record)
    assert len(made) == len(told), [each.name for each in made]
    messages = {each.rpartition(".")[2]: each for each in CLASSES[profile.machine_class].messages}
    return [
        panels.found(messages[each.name], each.body, each.time, said) for each, said in zip(made, told, strict=True)
    ]


def compare(profile: str, facts: Iterable[AnyFact], **options: Any) -> tuple[list[Document], list[Told]]:
    speaker = voice(profile, **options)
    documents, told = heard(speaker, facts)
    assert events(profile, documents, told) == [panels.wanted(each) for each in told]
    assert {each.message for each in told} <= speaker.tells
    assert {each.station for each in told} <= {speaker.station}
    return documents, told


@pytest.mark.parametrize("name", FOUND)
def test_what_is_told_comes_of_it(name: str) -> None:
    attempt = int(is_test(name))
    facts = [
        *looked_at("1", 3.2, FOUND[name], attempt=attempt),
        *looked_at("2", 33.0, [each for each in FOUND[name] if each.passed and not each.skipped], attempt=attempt),
        *looked_at("3", 61.0, FOUND[name], attempt=attempt, read=None),
        *looked_at("4", 91.0, FOUND[name][:2], attempt=attempt, station="elsewhere"),
    ]
    documents, told = compare(name, facts)
    assert len(documents) == 3
    assert [each.message.rpartition(".")[2] for each in told[:3]] == [
        "WorkStarted",
        "UnitsTested" if is_test(name) else "UnitsInspected",
        "WorkCompleted",
    ]
    assert [each.units for each in told[::3]] == [("PNL-1",), ("PNL-2",), ()]
    assert [each.values["Result"] for each in told[2::3]] == ["Failed", "Completed", "Failed"]
    assert told[0].at == 3.45
    assert {each.seen for each in told[:3]} == {23.7}


@pytest.mark.parametrize("name", [XRAY, PROBE])
def test_boards_are_named_and_x_outs_skipped(name: str) -> None:
    _, told = compare(name, looked_at("1", 3.0, BOARDS, attempt=int(is_test(name))))
    units = "TestedUnits" if is_test(name) else "InspectedUnits"
    assert told[1].units[:3] == ("SN1", "SN2", "SN3")
    assert [told[1].values[f"{units}.{place}.OverallResult"] for place in range(3)] == ["Passed", "Failed", "Skipped"]
    assert told[0].count == told[2].count == 3


@pytest.mark.parametrize("name", FOUND)
def test_a_machine_without_a_reader(name: str) -> None:
    facts = [*looked_at("1", 3.0, FOUND[name], attempt=1), *looked_at("1", 40.0, FOUND[name], attempt=2)]
    documents, told = compare(name, facts if is_test(name) else looked_at("1", 3.0, FOUND[name]), anonymous=True)
    assert {each.units for each in told} == {()}
    assert not any(b"PNL-1" in text(each) or b"SN1" in text(each) for each in documents)


def test_x_outs_that_a_profile_cannot_say_are_left_out() -> None:
    _, told = compare(COLUMNS, looked_at("1", 3.0, PASTE))
    assert told[1].units == ("SN1", "SN2", "PNL-1")
    assert told[0].count == 2


def test_boards_that_go_by_their_panel() -> None:
    boards = [good(1, "PNL-1", resistor(28.3)), good(2, "PNL-1", resistor(28.1))]
    _, told = compare(PROBE, looked_at("1", 3.0, boards, attempt=1))
    assert told[1].units == ("PNL-1",)


def test_one_board_and_nothing_else() -> None:
    for name, found in FOUND.items():
        _, told = compare(name, looked_at("1", 3.0, found[:1], attempt=int(is_test(name))))
        assert told[0].count == 1


def test_what_instruments_cannot_print_is_not_there() -> None:
    strange = resistor(28.3, component="net 7/8")
    documents, told = compare(PROBE, looked_at("1", 3.0, [good(1, "SN1", strange, resistor(28.1))], attempt=1))
    assert b"net 7" not in text(documents[0])
    assert told[1].values["TestedUnits.0.Tests.0.Result"] == "Passed"


def test_numbers_are_in_the_machines_unit_and_way() -> None:
    documents, _ = compare(COLUMNS, looked_at("1", 3.0, PASTE))
    first = text(documents[0]).decode().splitlines()[1].split(";")
    assert first[10:] == ["98,4", "121,5", "-12", "", "OK"], "height and offset are in um"
    profile = bound(COLUMNS)
    assert profile.records is not None
    (record,) = profile.records.whole(text(documents[0]), "s", UTC)
    assert isinstance(record, Record)
    pad = record.children[0].children[0].fields
    assert (pad["volume.percent"], pad["height"], pad["offset.x"]) == (98.4, 0.1215, -0.012)


def test_xml_is_escaped_and_in_the_profiles_layout() -> None:
    facts = looked_at("1", 3.0, [bad(1, "S<1>&", component="U7", code='"Void" & more')])
    documents, told = compare(XRAY, facts)
    assert told[1].units[0] == "S<1>&"
    written = text(documents[0]).decode()
    assert written.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<InspectionResult>')
    assert "&lt;1&gt;&amp;" in written


def test_times_are_local_and_in_the_profiles_format() -> None:
    documents, _ = compare(PROBE, looked_at("1", 3.0, BOARDS, attempt=1), name=BY_DAY)
    shanghai = documents[0].content.render(WHEN, ZoneInfo("Asia/Shanghai")).decode()
    assert shanghai.splitlines()[0].endswith("OP=4711 21.11.2026 16:00:03")
    assert documents[0].name.text(WHEN, ZoneInfo("Pacific/Auckland")) == "2026-11-21/PNL-1.log"
    far = ZoneInfo("Pacific/Kiritimati")  # 14 hours ahead
    assert documents[0].name.text(WHEN, far).startswith("2026-11-21/")
    assert re.search(r"21\.11\.2026 22:00:23", documents[0].content.text(WHEN, far))


def test_names_are_never_used_twice() -> None:
    speaker = voice(XRAY)
    facts = [fact for at in range(4) for fact in looked_at("1" if at < 2 else "2/..", 0.0, BOARDS)]
    unread = [fact for panel in "78" for fact in looked_at(panel, 0.0, BOARDS, read=None)]
    documents, _ = heard(speaker, [*facts, *unread])
    names = [each.name.text(WHEN, UTC) for each in documents]
    assert len(set(names)) == 6
    assert names[:2] == ["PNL-1_20261121-080020.xml", "PNL-1_20261121-080020-2.xml"]
    assert not any("/" in name for name in names)
    assert names[4].startswith("NOREAD000005_")


@pytest.mark.parametrize(
    ("retest", "files", "messages"),
    [(Retest.APART, 2, 6), (Retest.REWRITTEN, 1, 4), (Retest.IDENTICAL, 1, 3), (Retest.COPIED, 2, 6)],
)
def test_the_same_result_again(retest: Retest, files: int, messages: int) -> None:
    facts = [*looked_at("1", 3.0, BOARDS, attempt=1), *looked_at("1", 300.0, BOARDS, attempt=2)]
    documents, told = heard(voice(PROBE, name=BY_DAY, retest=retest), facts)
    assert len(documents) == 2
    assert len({each.name.text(WHEN, UTC) for each in documents}) == files
    same = retest in (Retest.IDENTICAL, Retest.COPIED)
    assert (text(documents[0]) == text(documents[1])) is same
    assert len(told) == messages
    if retest is Retest.REWRITTEN:
        assert told[-1].message.endswith("UnitsTested")
    else:  # how revisions come about takes files, and is tested with these
        assert events(PROBE, documents[: messages // 3], told) == [panels.wanted(each) for each in told]
    assert told[-1].seen == (23.5 if retest is Retest.IDENTICAL else 320.5)


def test_another_result_is_another_file_whatever_becomes_of_the_same() -> None:
    other: list[BoardResult] = [good(1, "SN1", resistor(28.3))]
    for retest in (Retest.IDENTICAL, Retest.COPIED):
        facts = [*looked_at("1", 3.0, BOARDS, attempt=1), *looked_at("1", 300.0, other, attempt=2)]
        documents, told = compare(PROBE, facts, retest=retest)
        assert len(documents) == 2
        assert told[-1].values["Result"] == "Completed"


def test_a_log_that_grows_has_one_name_and_one_head() -> None:
    documents, _ = compare(
        "electrical_test/example-flying-probe", [*looked_at("1", 3.0, BOARDS, attempt=1), *looked_at("2", 40.0, BOARDS, attempt=1)]
    )  # fmt: skip
    assert {each.name.text(WHEN, UTC) for each in documents} == {"2026-11-21.log"}
    assert {each.how for each in documents} == {How.APPENDED}
    with pytest.raises(ValueError, match="whole files"):
        FilesVoice(STATION, Layout.load(PROBE, PROFILES), how=How.APPENDED)


def test_pictures_lie_beside() -> None:
    documents, _ = heard(voice(XRAY, pictures=True), looked_at("1", 3.0, BOARDS))
    assert [name.text(WHEN, UTC) for name, _ in documents[0].beside] == ["PNL-1_20261121-080023_1.png"]


def test_the_same_facts_say_the_same() -> None:
    facts = looked_at("1", 3.0, BOARDS)
    assert heard(voice(XRAY), facts) == heard(voice(XRAY), facts)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="of modbus"):
        Layout.load("reflow_oven/example-10-zone", PROFILES)
    with pytest.raises(ValueError, match=r"\{board\}"):
        FilesVoice(STATION, Layout.load(XRAY, PROFILES), name="{board}.xml")
    unknown = Inspected(at=1.0, station=STATION, panel="9", job="j", boards=BOARDS, count=1)
    with pytest.raises(ValueError, match="room for this inspection"):
        report_of(Layout.load(PROBE, PROFILES), unknown, Known(STATION))


def test_a_label_that_comes_later_is_known() -> None:
    known = Known(STATION)
    for fact in (
        PanelMade(at=0.0, panel="p", lot=1, label=None, boards=("A",)),
        Labelled(at=1.0, station="L1.scan", panel="p", label="LBL"),
    ):
        known.hear(fact)
    assert known.label("p") == known.read("p") == "LBL"
    known.hear(Scrapped(at=2.0, panel="p", position=None, reason="bent"))
    assert known.label("p") is None
