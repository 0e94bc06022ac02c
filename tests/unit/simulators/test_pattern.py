"""Patterns turned round: a line that is made of groups is read as the same groups."""

from __future__ import annotations

import pytest

from gateway.profile.grammar import compiled
from gateway.profile.load import load
from gateway.profile.models import TextProfile
from simulators.voices.pattern import line, names
from simulators.voices.template import Stamp
from tests.conftest import ROOT

PROFILES = ROOT / "config/profiles"


def texts() -> list[str]:
    """Profiles that are read by patterns."""
    found = []
    for path in sorted(PROFILES.glob("*/*.toml")):
        profile = load(str(path), [PROFILES]).profile
        if isinstance(profile, TextProfile) and profile.frame.format == "text":
            found.append(str(path.relative_to(PROFILES)))
    return found


@pytest.mark.parametrize("name", texts())
def test_every_line_of_a_packaged_profile_can_be_written(name: str) -> None:
    profile = load(str(PROFILES / name), [PROFILES]).profile
    assert isinstance(profile, TextProfile)
    written = 0
    for table in profile.record:
        for pattern in filter(None, (table.pattern, table.begin, table.end, *table.lines)):
            for text in table.example.text.split(profile.frame.delimiter):
                match = compiled(pattern).fullmatch(text)
                if match is None:
                    continue
                made = line(pattern, match.groupdict())
                assert made is not None, text
                again = compiled(pattern).fullmatch("".join(map(str, made)))
                assert again is not None, made
                assert again.groupdict() == match.groupdict()
                written += 1
    assert written >= len(profile.record)


@pytest.mark.parametrize(
    ("pattern", "groups", "wanted"),
    [
        (r"A +(?P<a>\d+)(?: B=(?P<b>.*))?", {"a": "1"}, "A 1"),
        (r"A +(?P<a>\d+)(?: B=(?P<b>.*))?", {"a": "1", "b": "x"}, "A 1 B=x"),
        (r"(?P<a>[^;]*);(?P<b>[^;]*)", {"b": "2"}, ";2"),
        (r"(?:(?P<a>\w+)!|(?P<b>\w+)\?)", {"b": "x"}, "x?"),
        (r"^[-=]{2,}x{3}$", {}, "--xxx"),
        (r"\[\t(?P<a>.)\]", {"a": "q"}, "[\tq]"),
        (r"(?P<a>[A-Z]+)", {}, None),
        (r"[^x ]", {}, "0"),
    ],
)
def test_what_a_line_looks_like(pattern: str, groups: dict[str, str], wanted: str | None) -> None:
    made = line(pattern, groups)
    assert (None if made is None else "".join(map(str, made))) == wanted
    if wanted is not None:
        assert compiled(pattern).fullmatch(wanted) is not None


def test_time_stamps_stay_marks() -> None:
    assert line("at (?P<a>.+)!", {"a": Stamp(2.0)}) == ("a", "t", " ", Stamp(2.0), "!")
    assert names("(?P<a>x)(?:(?P<b>y)|z)*") == {"a", "b"}


@pytest.mark.parametrize("pattern", ["(?i)x", r"\bword", "[[:alpha:]]", "a)", r"\p{L}"])
def test_what_cannot_be_turned_round_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="turned round"):
        line(pattern, {})
