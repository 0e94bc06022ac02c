"""Magazine loader and unloader, conveyor: units pass, nothing is done to them.

A loader takes units out of a magazine, and they go into the line; to an unloader they come, and it puts them into a
magazine. Only Hermes tells of the way between the magazine and the line, as arrival at a loader and departure from an
unloader.
"""

from __future__ import annotations

import msgspec

from gateway.classes import common, magazines
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.profile.vocabulary import Kind, RecordSpec, SignalSpec, Vocabulary

_MAGAZINES = (magazines.MAGAZINE_ARRIVED, magazines.MAGAZINE_DEPARTED)
_SPEED = SignalSpec(name="conveyor.speed", kind=Kind.NUMBER, unit="cm/min", lane=True, meaning="Speed of the conveyor.")
_WIDTH = SignalSpec(name="conveyor.width", kind=Kind.NUMBER, unit="mm", lane=True, meaning="Width of the conveyor.")

_NO_WORK = tuple(each for each in common.REQUIREMENTS if not each.capability.startswith("WIP"))


def _moving(name: str, moved: str, counted: str, happened: str) -> Vocabulary:
    """The words of a machine with magazines, `moved` being what it does to units."""
    return common.vocabulary(
        name,
        (
            SignalSpec(name=f"units.{moved}", kind=Kind.COUNTER, lane=True, meaning=counted),
            magazines.MAGAZINE_ID,
            magazines.MAGAZINE_SLOT,
        ),
        (
            RecordSpec(
                name=f"unit.{moved}",
                lane=True,
                fields=(common.UNIT, common.UNITS, magazines.MAGAZINE, magazines.SLOT),
                meaning=happened,
            ),
            *magazines.RECORDS,
        ),
        works=False,
    )


def _without(vocabulary: Vocabulary, *words: str) -> Vocabulary:
    """Without common words that mean nothing here."""
    return msgspec.structs.replace(
        vocabulary,
        signals={name: spec for name, spec in vocabulary.signals.items() if name not in words},
        records={name: spec for name, spec in vocabulary.records.items() if name not in words},
    )


def _requirements(moved: str, message: str, wip: Requirement) -> tuple[Requirement, ...]:
    return (
        *_NO_WORK,
        wip,
        Requirement(
            capability=f"Handling: units {moved}", messages=(message,), needs=(f"units.{moved}", f"unit.{moved}")
        ),
        Requirement(
            capability="Handling: magazines (optional)",
            messages=_MAGAZINES,
            needs=("magazine.id", "magazine.arrived + magazine.departed"),
            note="what is in a magazine, only where records tell it",
        ),
    )


LOADER = MachineClass(
    name="magazine_loader",
    title="Magazine loader",
    vocabulary=_without(
        _moving(
            "magazine_loader",
            "loaded",
            "Counts units that were taken out of a magazine. With that, they go out into the line.",
            "A unit was taken out of a magazine, and has gone out.",
        ),
        *("units.in", "unit.in.id", "units.out", "work.result", "unit.arrived", "unit.departed"),
    ),
    messages=(*common.PASSING, magazines.UNITS_LOADED, *_MAGAZINES),
    requirements=_requirements(
        "loaded",
        magazines.UNITS_LOADED,
        Requirement(
            capability="WIP tracking",
            messages=(common.UNITS_DEPARTED,),
            needs=("units.loaded", "unit.loaded"),
            note="units arrive in magazines, and no work is done on them",
        ),
    ),
    works=False,
    records={**magazines.FOLLOWED, "unit.loaded": magazines.moved},
    looked=magazines.looked,
    watched=frozenset(("units.loaded", "magazine.id")),
)

UNLOADER = MachineClass(
    name="magazine_unloader",
    title="Magazine unloader",
    vocabulary=_without(
        _moving(
            "magazine_unloader",
            "unloaded",
            "Counts units that were put into a magazine. Without `units.in`, they came in with that.",
            "A unit was put into a magazine.",
        ),
        *("units.out", "unit.out.id", "work.result", "unit.departed"),
    ),
    messages=(*common.PASSING, magazines.UNITS_UNLOADED, *_MAGAZINES),
    requirements=_requirements(
        "unloaded",
        magazines.UNITS_UNLOADED,
        Requirement(
            capability="WIP tracking",
            messages=(common.UNITS_ARRIVED,),
            needs=("units.in", "units.unloaded", "unit.arrived", "unit.unloaded"),
            note="units depart in magazines, and no work is done on them",
        ),
    ),
    works=False,
    records={**magazines.FOLLOWED, "unit.unloaded": magazines.moved},
    looked=magazines.looked,
    watched=frozenset(("units.unloaded", "magazine.id")),
)

CONVEYOR = MachineClass(
    name="conveyor",
    title="Conveyor, buffer",
    vocabulary=_without(common.vocabulary("conveyor", (_SPEED, _WIDTH), works=False), "work.result"),
    messages=common.PASSING,
    requirements=(
        *_NO_WORK,
        Requirement(
            capability="WIP tracking",
            messages=(common.UNITS_ARRIVED, common.UNITS_DEPARTED),
            needs=("units.in + units.out", "unit.arrived + unit.departed"),
            note="no work is done on units",
        ),
    ),
    works=False,
)
