"""Lines to records: nesting, what is cut, what is unreadable, and going on after a restart."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest

from gateway.core.errors import DecodeError
from gateway.core.observation import Record, Unreadable
from gateway.core.times import rfc3339
from gateway.profile import records
from gateway.profile.bound import Records
from tests.unit.profile.words import TEXT, bound

UTC = ZoneInfo("UTC")

REPORT = (
    TEXT
    + r"""
[frame]
encoding = "latin-1"
ignore = ["-+", "# .*"]

[[record]]
name = "test"
begin = "BEGIN (?P<unit>[^ ]+) (?P<when>.+)"
lines = ["OPERATOR (?P<operator>.+)", "STARTED (?P<begun>.+)"]
end = "END (?P<verdict>[A-Z]+)"
time = { group = "when", format = "%d.%m.%Y %H:%M" }
lane_group = "lane"
fields.unit = {}
fields.result = { group = "verdict", map = { PASS = "Passed", FAIL = "Failed" } }
fields.operator = { missing = ["nobody"] }
fields.begun = {}
constants = { "x.tester" = "ICT 1" }
example = { text = "BEGIN 0815 20.11.2026 12:44\nR1 9,98\nEND PASS", fields = { unit = "0815", result = "Passed" }, time = "2026-11-20T12:44:00.000000Z", children = { measurement = 1 } }

[[record]]
name = "step"
parent = "test"
begin = "STEP (?P<name>.+)"
fields.name = {}
example = { text = "STEP one\nR1 1,0", fields = { name = "one" }, children = { measurement = 1 } }

[[record]]
name = "measurement"
parent = "step"
pattern = "(?P<name>[A-Z]+[0-9]+) (?P<value>[^ ]+)"
fields.name = {}
fields.value = { decimal = ",", unit = "kOhm" }
example = { text = "R1 9,98", fields = { name = "R1", value = 9.98 } }

[[record]]
name = "measurement"
parent = "test"
pattern = "(?P<name>[A-Z]+[0-9]+) (?P<value>[^ ]+)"
fields.name = {}
fields.value = { decimal = ",", unit = "kOhm" }
example = { text = "R1 9,98", fields = { name = "R1", value = 9.98 } }

[[record]]
name = "unit.departed"
pattern = "OUT (?P<unit>.+) LANE (?P<lane>[0-9])"
lane_group = "lane"
fields.unit = {}
example = { text = "OUT 1 LANE 2", fields = { unit = "1" } }
"""
).replace('lane_group = "lane"\nfields.unit = {}\nfields.result', "fields.unit = {}\nfields.result")


@pytest.fixture
def report(tmp_path: Path) -> Records:
    found = bound(tmp_path, REPORT).records
    assert found is not None
    return found


Found = Sequence[Record | Unreadable]


def run(grammar: Records, text: str, *, close: bool = True) -> list[Record | Unreadable]:
    reader = grammar.reader("L1.ict", UTC)
    found = [each for line in text.split("\n") for each in reader.feed(line)]
    return [*found, *(reader.close() if close else ())]


WHOLE = """BEGIN 0815 20.11.2026 12:44
OPERATOR Müller
STARTED 2026-11-20T12:43:59Z
R1 9,98
STEP one
R2 1,5
R3 2
STEP two
R4 3
END PASS"""


def test_a_report(report: Records) -> None:
    (found,) = run(report, WHOLE)
    assert isinstance(found, Record)
    assert (found.station, found.name, found.lane, found.stage) == ("L1.ict", "test", None, None)
    assert found.time is not None
    assert rfc3339(found.time) == "2026-11-20T12:44:00.000000Z"
    assert found.fields == {
        "x.tester": "ICT 1",
        "unit": "0815",
        "result": "Passed",
        "operator": "Müller",
        "begun": "2026-11-20T12:43:59.000000Z",
    }
    assert [(child.name, child.fields, len(child.children)) for child in found.children] == [
        ("measurement", {"name": "R1", "value": 9980.0}, 0),
        ("step", {"name": "one"}, 2),
        ("step", {"name": "two"}, 1),
    ]
    assert [child.fields["value"] for child in found.children[1].children] == [1500.0, 2000.0]


def test_times_are_in_the_stations_zone(report: Records) -> None:
    reader = report.reader("x", ZoneInfo("Europe/Berlin"))
    found = [each for line in WHOLE.split("\n") for each in reader.feed(line)]
    assert isinstance(found[0], Record)
    assert found[0].time is not None
    assert rfc3339(found[0].time) == "2026-11-20T11:44:00.000000Z"


def test_single_lines_stand_anywhere(report: Records) -> None:
    first, second = run(report, WHOLE.replace("STEP two", "OUT 7 LANE 2\nSTEP two"))
    assert isinstance(first, Record)
    assert (first.name, first.lane, first.fields) == ("unit.departed", 2, {"unit": "7"})
    assert isinstance(second, Record)
    assert second == run(report, WHOLE)[0]


def test_what_means_nothing(report: Records) -> None:
    assert run(report, WHOLE.replace("STEP", "-----\n\n  \n# remark\nSTEP")) == run(report, WHOLE)
    assert run(report, WHOLE.replace("\n", "\r\n")) == run(report, WHOLE)


def test_a_line_that_fits_nothing(report: Records) -> None:
    noise, found = run(report, WHOLE.replace("R3 2", "R3 2\n§ what"))
    assert noise == Unreadable(
        raw="§ what".encode("latin-1"), reason="no-record", detail="fits no record of the profile"
    )
    assert found == run(report, WHOLE)[0]
    assert run(report, "END PASS")[0] == Unreadable(
        raw=b"END PASS", reason="no-record", detail="fits no record of the profile"
    )


def test_a_value_that_cannot_be_read_takes_its_record_only(report: Records) -> None:
    bad, found = run(report, WHOLE.replace("R3 2", "R3 9.9.9"))
    assert bad == Unreadable(raw=b"R3 9.9.9", reason="incomplete-record", detail="measurement has no value")
    assert isinstance(found, Record)
    assert [child.fields["name"] for child in found.children[1].children] == ["R2"]
    # A field that need not be there is only left out, and told.
    bad, found = run(report, WHOLE.replace("END PASS", "END MAYBE"))
    assert bad == Unreadable(raw=b"MAYBE", reason="bad-field", detail="result of test cannot be read")
    assert isinstance(found, Record)
    assert "result" not in found.fields


def test_a_time_that_there_is_not(report: Records) -> None:
    bad, found = run(report, WHOLE.replace("20.11.2026", "31.11.2026"))
    assert bad == Unreadable(raw=b"31.11.2026 12:44", reason="bad-field", detail="time of test cannot be read")
    assert isinstance(found, Record)
    assert found.time is None


def test_something_nested_that_is_cut_short(tmp_path: Path) -> None:
    text = REPORT.replace('begin = "STEP (?P<name>.+)"\n', 'begin = "STEP (?P<name>.+)"\nend = "DONE"\n')
    text = text.replace('text = "STEP one\\nR1 1,0"', 'text = "STEP one\\nR1 1,0\\nDONE"')
    grammar = bound(tmp_path, text).records
    assert grammar is not None
    one, two, found = run(grammar, WHOLE)
    assert one == Unreadable(raw=b"STEP one\nR2 1,5\nR3 2", reason="cut-record", detail="step has no end")
    assert two == Unreadable(raw=b"STEP two\nR4 3", reason="cut-record", detail="step has no end")
    assert isinstance(found, Record)
    assert [child.name for child in found.children] == ["measurement"]


def test_what_says_nothing_is_left_out(report: Records) -> None:
    (found,) = run(report, WHOLE.replace("Müller", "nobody").replace("OPERATOR", "OPERATOR  "))
    assert isinstance(found, Record)
    assert "operator" not in found.fields


def test_a_report_without_what_it_cannot_be_without(report: Records) -> None:
    text = WHOLE.replace("BEGIN 0815", "BEGIN \x07")
    (found,) = run(report, text)
    assert found == Unreadable(
        raw=text.encode("latin-1"), reason="incomplete-record", detail="test has no unit"
    )  # fmt: skip


def test_a_report_that_another_cuts_short(report: Records) -> None:
    cut = "BEGIN 1 20.11.2026 12:44\nR1 1"
    bad, found = run(report, f"{cut}\n{WHOLE}")
    assert bad == Unreadable(raw=cut.encode(), reason="cut-record", detail="test has no end")
    assert found == run(report, WHOLE)[0]


def test_the_end_of_the_text(report: Records) -> None:
    assert run(report, WHOLE + "\nBEGIN 1 20.11.2026 12:44", close=False) == run(report, WHOLE)
    assert run(report, "BEGIN 1 20.11.2026 12:44\nR1 1") == [
        Unreadable(raw=b"BEGIN 1 20.11.2026 12:44\nR1 1", reason="cut-record", detail="test has no end")
    ]


def test_what_ends_by_what_follows(tmp_path: Path) -> None:
    text = REPORT.replace('end = "END (?P<verdict>[A-Z]+)"\n', "").replace(
        'group = "verdict", map = { PASS = "Passed", FAIL = "Failed" }', 'group = "operator", map = { X = "Passed" }'
    )
    text = text.replace("R1 9,98\\nEND PASS", "R1 9,98").replace(', result = "Passed" }, time', " }, time")
    grammar = bound(tmp_path, text).records
    assert grammar is not None
    one, two = "BEGIN 1 20.11.2026 12:44\nSTEP a\nR1 1", "BEGIN 2 20.11.2026 12:45\nR1 1"
    found = run(grammar, f"{one}\n{two}")
    assert [each.fields["unit"] for each in found if isinstance(each, Record)] == ["1", "2"]
    assert len(run(grammar, f"{one}\n{two}", close=False)) == 1


def test_a_restart_in_the_middle(report: Records) -> None:
    """Wherever it is cut, what comes out is the same."""
    lines = (WHOLE + "\nnoise\nOUT 7 LANE 2\n" + WHOLE.replace("R3 2", "R3 x\nOUT 8 LANE 1")).split("\n")
    straight = run(report, "\n".join(lines))
    assert [type(each) for each in straight] == [Record, Unreadable, Record, Unreadable, Record, Record]
    for cut in range(len(lines) + 1):
        reader = report.reader("L1.ict", UTC)
        found = [each for line in lines[:cut] for each in reader.feed(line)]
        reader = report.reader("L1.ict", UTC, reader.state)
        found += [each for line in lines[cut:] for each in reader.feed(line)]
        assert found == straight, cut
        assert reader.state == b""


def test_a_report_that_never_ends(report: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_CHARACTERS", 1000)
    found = run(report, "BEGIN 1 20.11.2026 12:44\n" + "R1 1\n" * 300, close=False)
    assert isinstance(found[0], Unreadable)
    assert found[0].reason == "endless-record"
    assert 1000 < len(found[0].raw) < 1500
    assert all(isinstance(each, Unreadable) and each.reason == "no-record" for each in found[1:])


def test_lines_of_a_frame(report: Records) -> None:
    assert report.lines("a\r\nM\xfcller\n".encode("latin-1")) == ["a\r", "Müller", ""]
    assert not report.document


def test_a_frame_in_another_encoding(tmp_path: Path) -> None:
    found = bound(tmp_path, REPORT.replace("latin-1", "utf-8").replace('kind = "lines"', "")).records
    assert found is not None
    assert found.lines(b"\xef\xbb\xbfa") == ["a"]
    with pytest.raises(DecodeError) as caught:
        found.lines(b"a\xfc")
    assert caught.value.reason == "bad-text"


def test_documents(tmp_path: Path) -> None:
    text = REPORT.replace("[frame]", '[frame]\nkind = "document"').replace("serial-text", "files")
    found = bound(tmp_path, text).records
    assert found is not None
    assert found.document


def test_no_line_stalls_it(tmp_path: Path) -> None:
    """An engine that backtracks would need longer than the universe is old."""
    text = (
        TEXT
        + '[[record]]\nname = "unit.departed"\npattern = "(?P<unit>(a+)+)b"\nfields.unit = {}\nexample = { text = "aab", fields = { unit = "aa" } }\n'
    )
    found = bound(tmp_path, text).records
    assert found is not None
    begun = perf_counter()
    assert isinstance(run(found, "a" * 100_000)[0], Unreadable)
    assert perf_counter() - begun < 5


def test_random_lines_never_raise(report: Records) -> None:
    source = random.Random(3)
    pieces = [*WHOLE.split("\n"), "END FAIL", "OUT 7 LANE 2", "", "\x00\x01", "é" * 50, "BEGIN", "STEP", "STEP \x00"]
    for _ in range(200):
        lines = [source.choice(pieces) for _ in range(40)]
        reader = report.reader("x", UTC)
        told = [each for line in lines for each in reader.feed(line)]
        reader = report.reader("x", UTC, reader.state)
        told += reader.close()
        for each in told:
            assert isinstance(each, Unreadable) or {"unit"} <= each.fields.keys()
