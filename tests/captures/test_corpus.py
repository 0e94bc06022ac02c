"""Every capture of this folder leads, with the profiles as they are now, to the events beside it.

CLASS/MODEL/NAME.mcap with NAME.expected.ndjson is found without a line of code. MODEL is the name of the profile where there is
one; make.py makes those that are called simulated.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.capture.form import SUFFIX
from gateway.capture.reading import Part
from gateway.cli.profile_captures import EXPECTED, tried
from gateway.profile.load import names
from tests.conftest import ROOT

HERE = Path(__file__).parent
PROFILES = ROOT / "config" / "profiles"
CAPTURES = sorted(HERE.rglob(f"*{SUFFIX}"))


def called(path: Path) -> str:
    return str(path.relative_to(HERE)).removesuffix(SUFFIX)


@pytest.mark.parametrize("path", CAPTURES, ids=called)
def test_it_leads_to_what_it_should(path: Path) -> None:
    assert path.with_name(path.name.removesuffix(SUFFIX) + EXPECTED).exists()
    profiles = [file for name in Part(path).profiles if (file := PROFILES / f"{name}.toml").exists()]
    (found,) = tried(path, profiles)
    assert found.problems == []
    assert found.events > 0, "this shows nothing"


def test_there_is_one_for_every_profile() -> None:
    there = {path.parent.relative_to(HERE).as_posix() for path in CAPTURES}
    assert {name for name, _ in names([PROFILES])} <= there
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < 3_000_000
