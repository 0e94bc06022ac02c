"""A machine that leaves what it has found as files: X-ray, paste inspection, flying probe.

One voice for all of these; what differs is in their profiles.

    FilesVoice("xray", Layout.load("axi/example-xml", folders), name=BY_PANEL_AND_TIME)
    FilesVoice("probe1", Layout.load("electrical_test/example-flying-probe-folder", folders), name=BY_DAY)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from string import Formatter

import msgspec

from simulators.model.facts import AnyFact, BoardResult, Inspected, Tested
from simulators.voices import off_line
from simulators.voices.known import Known
from simulators.voices.layout import Layout
from simulators.voices.report import Report, report_of
from simulators.voices.template import Part, Stamp, Template, joined
from simulators.voices.voice import Said, Told

BY_PANEL_AND_TIME = "{panel}_{at:%Y%m%d-%H%M%S}{again}.xml"
BY_DAY = "{at:%Y-%m-%d}/{panel}{again}.log"
"""What files are called. panel: its label; at: when it was done; again: `-2` for the second about this panel; number:
how many files this machine has written."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_REMEMBERED = 1000
"""Panels whose last file is kept in mind for a retest."""
_RECENT = 50
"""Files that a machine may still rewrite: what a file said long before is no longer known when it is rewritten."""
_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)
"""The smallest grey PNG."""


class How(StrEnum):
    WHOLE = "whole"  # a file of its own
    APPENDED = "appended"  # to one that grows


class Retest(StrEnum):
    """What becomes of the file when the same panel is tested again."""

    APART = "apart"  # another file
    REWRITTEN = "rewritten"  # the same name with the new content, within 50 files: what was found is told again
    IDENTICAL = "identical"  # where the same is found: the same file once more, old time stamps and all; not told
    COPIED = "copied"  # where the same is found: the old content under another name; told again


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One file, or what is added to one. name: below the folder. head: what a new file begins with, in front of it.

    beside: names and contents of what goes with it, such as pictures; there before it is.
    """

    name: Template
    content: Template
    how: How = How.WHOLE
    head: Template | None = None
    beside: tuple[tuple[Template, bytes], ...] = ()


class _Last(msgspec.Struct, frozen=True):
    """The file about a panel before this one."""

    number: int
    document: Document
    told: tuple[Told, ...]
    boards: tuple[BoardResult, ...]


class FilesVoice:
    """Implements simulators.voices.voice.Voice.

    name: what its files are called, `BY_DAY` and the like; of those that grow, without `panel`. pictures: one beside the
    file for each defect. anonymous: it has no reader, and names no panel and no board. Raises ValueError for a name that
    has other parts, and for what cannot be appended.
    """

    def __init__(
        self,
        station: str,
        layout: Layout,
        *,
        name: str = BY_PANEL_AND_TIME,
        how: How = How.WHOLE,
        retest: Retest = Retest.APART,
        pictures: bool = False,
        anonymous: bool = False,
    ) -> None:
        if how is How.APPENDED and layout.profile.frame.kind == "document":
            raise ValueError("appended: the profile is of whole files; allowed: kind = lines")
        if how is How.APPENDED and retest is not Retest.APART:
            raise ValueError(f"{retest}: what is appended is never written again; allowed: apart")
        self._station = station
        self._layout = layout
        self._name = name
        self._how = how
        self._retest = retest
        self._pictures = pictures
        self._anonymous = anonymous
        self._known = Known(station)
        self._number = 0
        self._times: dict[str, int] = {}
        self._last: dict[str, _Last] = {}
        tests = any(table.name == "test" for table in layout.profile.record)
        self._tells = frozenset(
            (off_line.STARTED, off_line.TESTED if tests else off_line.INSPECTED, off_line.COMPLETED)
        )
        self._called("trial", 0.0, 1)

    @property
    def station(self) -> str:
        return self._station

    @property
    def tells(self) -> frozenset[str]:
        return self._tells

    def hear(self, fact: AnyFact) -> Said[Document]:
        """A file for each panel that it has tested or inspected."""
        self._known.hear(fact)
        if isinstance(fact, Inspected | Tested) and fact.station == self._station:
            return self._wrote(fact)
        return Said()

    def _wrote(self, fact: Inspected | Tested) -> Said[Document]:
        label = None if self._anonymous else self._known.read(fact.panel)
        last = None if label is None else self._last.get(label)
        if last is not None and last.boards == fact.boards and self._retest is Retest.IDENTICAL:
            return Said((last.document,))
        if last is not None and last.boards == fact.boards and self._retest is Retest.COPIED:
            document, told = msgspec.structs.replace(last.document, name=self._next(label, fact.at)), last.told
        else:
            document, told = self._new(fact, label, last)
        told = tuple(msgspec.structs.replace(each, seen=fact.at) for each in told)
        if label is not None:
            self._last.pop(label, None)
            self._last[label] = _Last(self._number, document, told, fact.boards)
            if len(self._last) > _REMEMBERED:
                del self._last[next(iter(self._last))]
        return Said((document,), told)

    def _new(
        self, fact: Inspected | Tested, label: str | None, last: _Last | None
    ) -> tuple[Document, tuple[Told, ...]]:
        report = report_of(self._layout, fact, self._known, anonymous=self._anonymous)
        if last is None or self._retest is not Retest.REWRITTEN or self._number - last.number >= _RECENT:
            return self._document(report, self._next(label, fact.at), fact), report.told
        told = tuple(each for each in report.told if each.message in off_line.FOUND)  # in the work that it was in
        return self._document(report, last.document.name, fact), told

    def _document(self, report: Report, name: Template, fact: Inspected | Tested) -> Document:
        defects = sum(len(board.defects) for board in fact.boards)
        appended = self._how is How.APPENDED
        content, head = report.template, report.head
        if head is not None and not appended:
            content, head = msgspec.structs.replace(content, parts=joined((*head.parts, *content.parts))), None
        beside = [(_beside(name, f"_{number}.png"), _PICTURE) for number in range(1, defects + 1) if self._pictures]
        return Document(name=name, content=content, how=self._how, head=head, beside=tuple(beside))

    def _next(self, label: str | None, at: float) -> Template:
        """Panels that nobody could read are told apart by number."""
        self._number += 1
        called = _UNSAFE.sub("_", f"NOREAD{self._number:06d}" if label is None else label)
        self._times[called] = self._times.get(called, 0) + 1
        return self._called(called, at, self._times[called])

    def _called(self, panel: str, at: float, times: int) -> Template:
        words = {"panel": panel, "again": f"-{times}" if times > 1 else "", "number": f"{self._number:06d}"}

        def parts() -> Iterator[Part]:
            for text, word, spec, _ in Formatter().parse(self._name):
                yield text
                if word == "at":
                    yield Stamp(at, spec)
                elif word is not None:
                    if word not in words:
                        raise ValueError(f"{{{word}}} in the name of files; allowed: at, {', '.join(words)}")
                    yield words[word]

        return Template(joined(parts()))


def _beside(name: Template, ending: str) -> Template:
    """The same name with another ending."""
    last = name.parts[-1]
    stem = last.rpartition(".")[0] if isinstance(last, str) else ""
    return Template(joined((*name.parts[:-1], stem, ending)))
