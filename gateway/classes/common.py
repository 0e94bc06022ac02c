"""The words that all machine classes have in common, and the requirements that IPC-2591 makes of every endpoint."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.cfx.catalogue import enum
from gateway.classes.machine_class import Requirement
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec, Vocabulary

STATE = "CFX.ResourcePerformance.StationStateChanged"
STAGE_STATE = "CFX.ResourcePerformance.StageStateChanged"
FAULT_OCCURRED = "CFX.ResourcePerformance.FaultOccurred"
FAULT_CLEARED = "CFX.ResourcePerformance.FaultCleared"
RECIPE_ACTIVATED = "CFX.Production.RecipeActivated"
UNITS_ARRIVED = "CFX.Production.UnitsArrived"
UNITS_DEPARTED = "CFX.Production.UnitsDeparted"
WORK_STARTED = "CFX.Production.WorkStarted"
WORK_COMPLETED = "CFX.Production.WorkCompleted"
OPERATOR_ACTIVATED = "CFX.Production.OperatorActivated"

PASSING = (STATE, STAGE_STATE, FAULT_OCCURRED, FAULT_CLEARED, RECIPE_ACTIVATED, OPERATOR_ACTIVATED, UNITS_ARRIVED, UNITS_DEPARTED)  # fmt: skip
"""Messages that every class can make."""
WORKING = (*PASSING, WORK_STARTED, WORK_COMPLETED)
"""The same of classes that work on units."""


def choices(name: str) -> tuple[str, ...]:
    """Names of a CFX enumeration, below CFX.Structures."""
    found = enum(f"CFX.Structures.{name}")
    assert found is not None, name
    return tuple(found.values)


WORK_RESULTS = choices("WorkResult")
TEST_RESULTS = choices("TestResult")
SEVERITIES = choices("FaultSeverity")

SIGNALS = (
    SignalSpec(
        name="state",
        kind=Kind.STATE,
        stage=True,
        meaning="State of the machine, or of one of its stages, as a CFX ResourceState (SEMI E10, E58).",
    ),
    SignalSpec(name="recipe.name", kind=Kind.TEXT, lane=True, meaning="Name of the program that is active."),
    SignalSpec(name="recipe.revision", kind=Kind.TEXT, lane=True, meaning="Its revision."),
    SignalSpec(
        name="units.in",
        kind=Kind.COUNTER,
        lane=True,
        meaning="Counts what comes in: panels, or boards where there are none.",
    ),
    SignalSpec(name="units.out", kind=Kind.COUNTER, lane=True, meaning="Counts what goes out, whatever its result."),
    SignalSpec(name="unit.in.id", kind=Kind.TEXT, lane=True, meaning="What was read from the one that came in last."),
    SignalSpec(name="unit.out.id", kind=Kind.TEXT, lane=True, meaning="What was read from the one that went out last."),
    SignalSpec(name="panel.units", kind=Kind.NUMBER, unit="1", lane=True, meaning="Boards on a panel of what is made."),
    SignalSpec(
        name="work.result",
        kind=Kind.TEXT,
        lane=True,
        choices=WORK_RESULTS,
        meaning="How the work on the one that went out last ended.",
    ),
    SignalSpec(
        name="fault.code",
        kind=Kind.TEXT,
        lane=True,
        stage=True,
        meaning="Code of the fault that is active; an empty text for none.",
    ),
    SignalSpec(name="order.id", kind=Kind.TEXT, meaning="Work order that is being made."),
    SignalSpec(name="order.lot", kind=Kind.TEXT, meaning="Its lot (CFX Batch)."),
    SignalSpec(name="operator.id", kind=Kind.TEXT, meaning="Who is signed in."),
)

UNIT = FieldSpec(name="unit", kind=Kind.TEXT, meaning="Its identifier; of a panel, the panel's.")
RESULT = FieldSpec(name="result", kind=Kind.TEXT, choices=WORK_RESULTS, meaning="How it ended.")
UNITS = FieldSpec(name="units", kind=Kind.NUMBER, unit="1", meaning="Boards on it.")
RECIPE = FieldSpec(name="recipe", kind=Kind.TEXT, meaning="Program that was used.")
REVISION = FieldSpec(name="revision", kind=Kind.TEXT, meaning="Its revision.")
OPERATOR = FieldSpec(name="operator", kind=Kind.TEXT, meaning="Who did it.")

RECORDS = (
    RecordSpec(name="unit.arrived", lane=True, fields=(UNIT, UNITS), meaning="A unit has come in."),
    RecordSpec(name="unit.departed", lane=True, fields=(UNIT, UNITS, RESULT), meaning="A unit has gone out."),
    RecordSpec(
        name="fault.raised",
        lane=True,
        stage=True,
        fields=(
            FieldSpec(name="code", kind=Kind.TEXT, required=True, meaning="Its code."),
            FieldSpec(name="text", kind=Kind.TEXT, meaning="What it says."),
            FieldSpec(name="severity", kind=Kind.TEXT, choices=SEVERITIES, meaning="How bad it is."),
        ),
        meaning="A fault has come up.",
    ),
    RecordSpec(
        name="fault.cleared",
        lane=True,
        stage=True,
        fields=(FieldSpec(name="code", kind=Kind.TEXT, meaning="Its code; left out: all."),),
        meaning="It is over.",
    ),
    RecordSpec(
        name="recipe.activated",
        lane=True,
        fields=(FieldSpec(name="name", kind=Kind.TEXT, required=True, meaning="Name of the program."), REVISION),
        meaning="Another program has been made active.",
    ),
    RecordSpec(
        name="state.changed",
        stage=True,
        fields=(FieldSpec(name="state", kind=Kind.STATE, required=True, meaning="The new state."),),
        meaning="The state has changed.",
    ),
)

WORK_RECORDS = (
    RecordSpec(name="work.started", lane=True, fields=(UNIT, UNITS), meaning="Work on a unit has begun."),
    RecordSpec(name="work.completed", lane=True, fields=(UNIT, RESULT), meaning="Work on a unit has ended."),
)
"""Where a profile has these, arrival and departure are no more than that."""

REQUIREMENTS = (
    Requirement(
        capability="Core",
        messages=("CFX.AreYouThereRequest", "CFX.WhoIsThereRequest", "CFX.GetEndpointInformationRequest"),
        note="the gateway answers as itself; machines without CFX have no handle",
    ),
    Requirement(
        capability="WIP tracking",
        messages=(UNITS_ARRIVED, WORK_STARTED, WORK_COMPLETED, UNITS_DEPARTED),
        needs=("units.in + units.out", "unit.arrived + unit.departed", "work.started + work.completed"),
    ),
    Requirement(
        capability="WIP identification (with a reader)",
        messages=(WORK_STARTED, WORK_COMPLETED),
        needs=("unit.in.id", "unit.out.id", "unit.arrived", "work.started"),
    ),
    Requirement(
        capability="Basic recipe visibility",
        messages=(RECIPE_ACTIVATED,),
        needs=("recipe.name", "recipe.activated"),
        note="RecipeModified and GetActiveRecipe cannot be had from signals",
    ),
    Requirement(
        capability="Station performance: states", messages=(STATE,), needs=("state", "state.changed")
    ),
    Requirement(
        capability="Station performance: faults",
        messages=(FAULT_OCCURRED, FAULT_CLEARED),
        needs=("[[alarm]]", "fault.code", "fault.raised + fault.cleared"),
        note="FaultAcknowledged and HandleFault cannot be had from signals",
    ),
)  # fmt: skip


def vocabulary(
    machine_class: str,
    signals: Iterable[SignalSpec] = (),
    records: Iterable[RecordSpec] = (),
    *,
    works: bool = True,
    required: Iterable[str] = (),
) -> Vocabulary:
    """The common words and a class's own. required: common signals that this class cannot do without."""
    must = frozenset(required)
    all_signals = {spec.name: spec for spec in (*SIGNALS, *signals)}
    assert must <= all_signals.keys(), must - all_signals.keys()
    return Vocabulary(
        machine_class=machine_class,
        signals={
            name: msgspec.structs.replace(spec, required=True) if name in must else spec
            for name, spec in all_signals.items()
        },
        records={spec.name: spec for spec in (*RECORDS, *(WORK_RECORDS if works else ()), *records)},
    )
