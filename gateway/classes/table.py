"""The table of machine classes: what a profile can tell, what comes of it, and what IPC-2591 asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gateway.classes import common
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.registry import CLASSES
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec, Vocabulary

PAGE = Path("docs/machine-classes.md")
MARK = "<!-- From here on made from the classes by `lineside schema --write .`; do not edit. -->"

_EVERY = common.vocabulary("every")
_KINDS: Mapping[Kind, str] = {
    Kind.COUNTER: "counter",
    Kind.TEXT: "text",
    Kind.STATE: "state",
    Kind.FLAG: "true, false",
    Kind.TIME: "time",
}
_PLACES_NAMED = frozenset(("[[alarm]]",))
"""What requirements name beside signals and records."""


def generated(root: Path) -> dict[Path, str]:
    """Content of the page in the repository at `root`, by its path in it.

    The page keeps what a person wrote above the mark. Raises OSError or ValueError when it is not there or has no mark.
    """
    head, mark, _ = (root / PAGE).read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} lacks the line {MARK}")
    return {PAGE: f"{head}{MARK}\n\n{reference()}"}


def reference() -> str:
    """Markdown: an overview, what all classes have in common, and a section for each."""
    parts = [*_overview(), *_common()]
    for machine_class in CLASSES.values():
        parts += _section(machine_class)
    return "\n".join(parts).rstrip() + "\n"


def ways(requirement: Requirement, vocabulary: Vocabulary) -> list[list[str]]:
    """The ways in which a class with these words can meet a requirement, each with all the words that it takes."""
    words = vocabulary.signals.keys() | vocabulary.records.keys() | _PLACES_NAMED
    found = [need.split(" + ") for need in requirement.needs]
    return [way for way in found if words.issuperset(way)]


def _overview() -> Iterator[str]:
    yield "## Overview\n"
    yield "| Class | Machine | Cannot do without | Messages of its own |"
    yield "|---|---|---|---|"
    for each in CLASSES.values():
        must = [f"`{spec.name}`" for spec in each.vocabulary.signals.values() if spec.required]
        yield _row(
            f"[`{each.name}`](#{each.name})", each.title, ", ".join(must) or "nothing", _short(_own_messages(each))
        )
    yield ""


def _common() -> Iterator[str]:
    yield "## Every class\n"
    yield f"CFX messages: {_short(common.PASSING)}; of classes that work on units also {_short(common.WORKING[len(common.PASSING) :])}.\n"  # fmt: skip
    yield from _signals(_EVERY.signals.values())
    yield from _records(_EVERY.records.values())


def _section(machine_class: MachineClass) -> Iterator[str]:
    words = machine_class.vocabulary
    yield f"## {machine_class.name}\n"
    base = common.WORKING if machine_class.works else common.PASSING
    left_out = [name for name in base if name not in machine_class.messages]
    work = "" if machine_class.works else " No work is done on units: they only pass."
    yield f"{machine_class.title}.{work}\n"
    own = _own_messages(machine_class)
    yield f"CFX messages: those of every class{', without ' + _short(left_out) if left_out else ''}{', and ' + _short(own) if own else ''}.\n"  # fmt: skip
    shared = (*_EVERY.signals, *(name for name in _EVERY.records if machine_class.works or name not in _WORK))
    missing = [name for name in shared if name not in words.signals and name not in words.records]
    if missing:
        yield f"Of the words of every class it does not have {', '.join(f'`{name}`' for name in missing)}.\n"
    yield from _signals(spec for name, spec in words.signals.items() if spec != _EVERY.signals.get(name))
    yield from _records(spec for name, spec in words.records.items() if spec != _EVERY.records.get(name))
    yield "| IPC-2591 V2.0, Table 6-1 | Messages | Met from | Remark |"
    yield "|---|---|---|---|"
    for requirement in machine_class.requirements:
        met = [" and ".join(f"`{name}`" for name in way) for way in ways(requirement, words)]
        yield _row(
            requirement.capability, _short(requirement.messages), "; or ".join(met) or "**not met**", requirement.note
        )
    yield ""


_WORK = frozenset(spec.name for spec in common.WORK_RECORDS)


def _own_messages(machine_class: MachineClass) -> list[str]:
    return [name for name in machine_class.messages if name not in common.WORKING]


def _short(names: Sequence[str]) -> str:
    return ", ".join(f"`{name.rpartition('.')[2]}`" for name in names) or "none"


def _signals(specs: Iterable[SignalSpec]) -> Iterator[str]:
    found = list(specs)
    if not found:
        return
    yield "| Signal | Unit or kind | Meaning |"
    yield "|---|---|---|"
    for spec in found:
        places = f"{'[n]' if spec.array else ''}{'@lane' if spec.lane else ''}{':stage' if spec.stage else ''}"
        must = "**Required.** " if spec.required else ""
        yield _row(f"`{spec.name}{places}`", _kind(spec), f"{must}{spec.meaning}{_choices(spec)}")
    yield ""


def _records(specs: Iterable[RecordSpec]) -> Iterator[str]:
    found = list(specs)
    if not found:
        return
    yield "| Record | Field | Unit or kind | Meaning |"
    yield "|---|---|---|---|"
    for spec in found:
        nested = f" May hold {', '.join(f'`{name}`' for name in spec.children)}." if spec.children else ""
        places = f"{'@lane' if spec.lane else ''}{':stage' if spec.stage else ''}"
        yield _row(f"`{spec.name}{places}`", "", "", f"{spec.meaning}{nested}")
        for field in spec.fields:
            must = "**Required.** " if field.required else ""
            yield _row("", f"`{field.name}`", _kind(field), f"{must}{field.meaning}{_choices(field)}")
    yield ""


def _kind(spec: SignalSpec | FieldSpec) -> str:
    if spec.kind is not Kind.NUMBER:
        return _KINDS[spec.kind]
    return "number" if spec.unit in (None, "1") else f"`{spec.unit}`"


def _choices(spec: SignalSpec | FieldSpec) -> str:
    return f" One of {', '.join(f'`{choice}`' for choice in spec.choices)}." if spec.choices else ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
