"""What the messages are called that registers lead to, which classes make them, and states in a machine's own few words.

Classes are known here only by what they make of counters, states and alarms: what more they make of their own signals is
not told, and not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from zlib import crc32

from gateway.cfx import states
from gateway.cfx.catalogue import enum
from gateway.core.sample import signal_key
from gateway.profile.bound import Bound

STATE = "CFX.ResourcePerformance.StationStateChanged"
FAULT_OCCURRED = "CFX.ResourcePerformance.FaultOccurred"
FAULT_CLEARED = "CFX.ResourcePerformance.FaultCleared"
RECIPE_ACTIVATED = "CFX.Production.RecipeActivated"
UNITS_ARRIVED = "CFX.Production.UnitsArrived"
UNITS_DEPARTED = "CFX.Production.UnitsDeparted"
UNITS_PROCESSED = "CFX.Production.Processing.UnitsProcessed"
WORK_STARTED = "CFX.Production.WorkStarted"
WORK_COMPLETED = "CFX.Production.WorkCompleted"

_PASSED_BY = frozenset(("barcode_reader", "conveyor", "magazine_loader", "magazine_unloader"))
"""Classes in which units are not worked on."""
_PROCESSING = frozenset(("reflow_oven", "selective_soldering", "wave_soldering"))
"""Classes that say of every unit what was done to it."""


def works(machine_class: str) -> bool:
    """Whether a unit that comes begins a work, and one that goes ends it."""
    return machine_class not in _PASSED_BY


def tells(bound: Bound) -> frozenset[str]:
    """What a machine with these registers leads to. What its profile tells by rules is left out."""
    names = {signal_key(key).name for key in bound.signals}
    working = works(bound.machine_class)
    wanted = {
        STATE: any(str(key) == "state" for key in bound.signals),
        RECIPE_ACTIVATED: "recipe.name" in names,
        FAULT_OCCURRED: bool(bound.alarms) or "fault.code" in names,
        FAULT_CLEARED: bool(bound.alarms) or "fault.code" in names,
        UNITS_ARRIVED: "units.in" in names and "unit.arrived" not in bound.told,
        UNITS_DEPARTED: "units.out" in names and "unit.departed" not in bound.told,
        WORK_STARTED: working and "units.in" in names and "work.started" not in bound.told,
        WORK_COMPLETED: working and "units.out" in names and "work.completed" not in bound.told,
        UNITS_PROCESSED: working and "units.out" in names and bound.machine_class in _PROCESSING,
    }
    return frozenset(name for name, is_told in wanted.items() if is_told)


@cache
def state_words(state: str) -> tuple[str, ...]:
    """Names for a CFX ResourceState, the best first: its own; its substate's in SEMI E58; its state's in SEMI E10; others
    of these. A machine that has none of them goes on showing what it showed."""
    code = states.parse(state)
    if code is None:
        return ()
    found = enum("CFX.Structures.ResourceState")
    codes = {} if found is None else dict(found.values)
    alike = [name for name, other in codes.items() if other // 1000 == code // 1000]

    def far(name: str) -> tuple[int, int, str]:
        other = codes[name]
        substate = states.e58(code)
        ways = (other == code, other == substate, other == states.e10(code), states.e58(other) == substate)
        return next((number for number, way in enumerate(ways) if way), len(ways)), other, name

    return tuple(sorted(alike, key=far))


def picked(name: str, of: Iterable[str]) -> str | None:
    """One of these that stands for `name`: always the same, whatever else there is a name for. None of none."""
    choices = sorted(of)
    if not choices:
        return None
    return choices[crc32(name.encode()) % len(choices)]
