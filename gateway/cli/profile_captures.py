"""`lineside profile test --captures`: does a profile still make of machines' captures what it should?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.capture.form import SUFFIX
from gateway.capture.reading import Capture, Part
from gateway.cli import differences, stepping
from gateway.core.errors import LinesideError
from gateway.replay.told import events
from gateway.replay.verifying import Choice, verify

EXPECTED = ".expected.ndjson"
"""Beside a capture, in place of its suffix: the events that it is to lead to. Without it they are those in the capture."""


class Tried(NamedTuple):
    """One capture. problems: what is wrong, line by line; nothing when it leads to what it should."""

    path: Path
    frames: int
    events: int
    problems: Sequence[str]


def tried(place: Path, profiles: Sequence[Path]) -> Iterator[Tried]:
    """Every capture in a folder and those below it, or the one in a file, with these profiles in place of its own."""
    for parts in [[place]] if place.is_file() else _captures(place):
        try:
            yield _try(parts, profiles)
        except LinesideError as error:
            yield Tried(parts[0], 0, 0, str(error).splitlines())


def _captures(folder: Path) -> Iterator[list[Path]]:
    """The files of each, in the order of their parts."""
    found: dict[str, list[Part]] = {}
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            part = Part(path)
        except LinesideError:
            yield [path]  # trying it says what is wrong
            continue
        found.setdefault(part.about.capture, []).append(part)
    for parts in found.values():
        yield [part.path for part in sorted(parts, key=lambda part: part.about.part)]


def _try(parts: Sequence[Path], profiles: Sequence[Path]) -> Tried:
    run = stepping.offline(Capture(parts), [str(path) for path in profiles])
    file = parts[0].with_name(parts[0].name.removesuffix(SUFFIX) + EXPECTED)
    with contextlib.ExitStack() as stack:
        expected = stack.enter_context(contextlib.closing(events(file))) if file.exists() else None
        verdict = verify(run, Choice(), expected=expected)
    problems = [f"{each.path} at byte {each.at}: {each.reason}" for each in verdict.damage if each.bytes]
    if verdict.compared is None:
        problems.append(f"has no events, and there is no {file.name} beside it")
    elif not verdict.passed():
        problems += differences.differences(verdict.compared)
        if renamed := verdict.compared.total.renamed:
            problems.append(f"{renamed} events have other ids, each another one everywhere")
    return Tried(parts[0], verdict.frames, verdict.events, problems)
