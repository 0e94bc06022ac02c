"""`lineside verify`: a wrong profile is found by what the machine said, and the right one proven on the same bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import application
from gateway.core.sample import Value
from tests.captured import configured, polled, record
from tests.conftest import ROOT
from tests.unit.replay.test_offline import CONFIG, read

PROFILES = ROOT / "config" / "profiles"
OVEN, READER = "reflow_oven/example-10-zone", "barcode_reader/example-stx-etx"
IDLE: Mapping[str, Value] = {
    "units.in": 7, "units.out": 7, "state": "SBY_NoProduct", "recipe.name": "LF",
    **{f"zone.temperature[{zone}]": 100.0 + zone for zone in range(1, 11)},
}  # fmt: skip
BUSY = {"state": "PRD_RegularWork"}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oven")
    resolved = configured(folder, CONFIG)
    through = [(20.0, {"units.in": 8}), (30.0, {"units.out": 8}), (40.0, {"units.in": 9}), (50.0, {"units.out": 9})]
    shown = [(0.0, IDLE), (3.0, IDLE), (5.0, BUSY), (10.0, BUSY), *through]
    return record(resolved, folder, [*polled(resolved, "L1.reflow", shown), read(60, "SN1"), read(61, "SN2")])


def verify(capture: Path, *arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(application(), ["verify", str(capture), *map(str, arguments)])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("profile", "right", "wrong", "found"),
    [
        (OVEN, 'scale = 0.1\nunit = "Cel"\narray = 10\nmissing', 'scale = 0.01\nunit = "Cel"\narray = 10\nmissing', "UnitsProcessed  body.CommonProcessData"),
        (OVEN, '0 = "SBY_NoProduct"', '0 = "SDT_Setup"', 'StationStateChanged  body.OldState: was "2200", now "4500"'),
        (OVEN, "at = 134", "at = 136", "WorkCompleted  missing"),
        (READER, "{1,64}", "{5,64}", "L1.scan  unit SN1  IdentifiersRead  missing"),
    ],
    ids=("scale", "map", "address", "pattern"),
)  # fmt: skip
def test_a_wrong_profile_is_found_and_the_right_one_proven(
    tmp_path: Path, capture: Path, profile: str, right: str, wrong: str, found: str
) -> None:
    text = (PROFILES / f"{profile}.toml").read_text()
    assert right in text
    mine = tmp_path / f"{profile}.toml"
    mine.parent.mkdir()
    mine.write_text(text.replace(right, wrong))
    code, said = verify(capture, "--profile", mine)
    assert code == 1
    assert found in said
    mine.write_text(text)
    assert verify(capture, "--profile", mine)[0] == 0


def test_expected_events_stand_in_a_file(tmp_path: Path, capture: Path) -> None:
    golden = tmp_path / "expected.ndjson"
    assert verify(capture, "--write-expected", golden, "--station", "L1.scan")[0] == 0
    lines = golden.read_text().splitlines()
    assert [json.loads(line)["units"] for line in lines] == [["SN1"], ["SN2"]]
    assert verify(capture, "--expected", golden, "--station", "L1.scan")[0] == 0
    golden.write_text(lines[0].replace("SN1", "SN9") + "\n")
    code, said = verify(capture, "--expected", golden, "--station", "L1.scan", "--json")
    found = json.loads(said)
    assert (code, found["passed"]) == (1, False)
    assert {each["kind"]: each["units"] for each in found["compared"]["differences"]} == {"changed": ["SN9"], "extra": ["SN2"]}  # fmt: skip
    code, said = verify(capture, "--expected", golden, "--from", "2026-11-20T12:01:01Z", "--json")
    assert [each["units"] for each in json.loads(said)["compared"]["differences"]] == [["SN2"]]
    golden.write_text("{}\n")
    done = CliRunner().invoke(application(), ["verify", str(capture), "--expected", str(golden)])
    assert str(done.exception) == f"{golden}:1: no event: it has no 'id'"


def test_what_cannot_be_read_of_a_file_is_said(tmp_path: Path, capture: Path) -> None:
    cut = tmp_path / "cut.mcap"
    data = capture.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 4])
    code, said = verify(cut, "--json")
    damage = json.loads(said)["damage"]
    assert (code, damage[0]["rest"]) == (0, True), "what is left leads to what it should"
    assert f"damaged: {cut} at byte {damage[0]['at']}" in verify(cut)[1]


def test_whose_profile_it_is_must_be_clear(tmp_path: Path, capture: Path) -> None:
    other = tmp_path / "oven.toml"
    other.write_text((PROFILES / f"{OVEN}.toml").read_text())
    assert verify(capture, "--profile", other)[0] == 0, "there is one oven"
    assert verify(capture, "--profile", f"{other}=L1.reflow")[0] == 0
    done = CliRunner().invoke(application(), ["verify", str(capture), "--profile", f"{other}=L1.nobody"])
    assert "'L1.nobody' is no station of this capture; allowed: L1.pnp, L1.reflow, L1.scan" in str(done.exception)
    done = CliRunner().invoke(
        application(), ["verify", str(capture), "--profile", str(PROFILES / "generic/example-registers.toml")]
    )
    assert "say whose profile it is" in str(done.exception)
    done = CliRunner().invoke(application(), ["verify", str(capture), "--station", "L1.relfow"])
    assert "did you mean 'L1.reflow'?" in str(done.exception), "of a station that there is not, all is as it was"


def test_a_folder_of_captures_tries_a_profile(tmp_path: Path, capture: Path) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    os.link(capture, folder / "shift.mcap")

    def tried(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(application(), ["profile", "test", OVEN, "--captures", str(folder), *more])
        return done.exit_code, done.output

    code, said = tried()
    assert (code, said.splitlines()[-1]) == (0, f"{folder / 'shift.mcap'}: ok: 18 frames, 15 events")
    (folder / "shift.expected.ndjson").write_text("")
    (folder / "other.mcap").write_bytes(b"no capture")
    code, said = tried("--json")
    found = {Path(each["path"]).name: each["problems"] for each in json.loads(said)["captures"]}
    assert code == 1
    assert "L1.scan  unit SN1  IdentifiersRead  not expected" in found["shift.mcap"]
    assert "no capture of Lineside's" in found["other.mcap"][0]
