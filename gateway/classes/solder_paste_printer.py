"""Solder paste printer: how each board was printed, and when the stencil was cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from gateway.classes import common, counters
from gateway.classes.data import UNITS_PROCESSED, processed
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.records import said_number, said_text, said_time, said_unit
from gateway.classes.state import Work
from gateway.classes.structures import structure, structure_if_known, whole
from gateway.classes.turn import Turn, known
from gateway.classes.words import Word, fields, places, said, seen, signals
from gateway.classes.works import within_work
from gateway.core.observation import Record
from gateway.core.sample import signal_key
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

STENCIL_CLEANED = "CFX.ResourcePerformance.SolderPastePrinting.StencilCleaned"
_KIND = "SolderPastePrinting."
_MODES = common.choices(f"{_KIND}SMTStencilCleanMode")
_SECOND = 1_000_000
_LONGEST = 366 * 86_400.0
_MOST = 10
"""Cleanings between two looks. More is a counter that was set."""

_PRINT = (
    Word("offset.x", "OffsetX", "Correction of the stencil's place, along.", "mm"),
    Word("offset.y", "OffsetY", "Correction of the stencil's place, across.", "mm"),
    Word("offset.theta", "OffsetTheta", "Correction of the stencil's rotation.", "deg"),
    Word("print.direction", "FirstPrintDirection", "Direction of the first stroke.", kind=Kind.TEXT),
    Word("print.time", "CycleTime", "How long the last one took.", "s"),
    Word("stretch.before", "PrePrintStretch", "Stretch of the board, measured before printing.", "1"),
    Word("stretch.after", "PostPrintStretch", "The same after printing.", "1"),
)
_SEPARATION = (
    Word("separation.name", "Name", "How board and stencil part.", kind=Kind.TEXT),
    Word("separation.speed", "SeparationSpeed", "Speed at which they part.", "mm/s"),
    Word("separation.distance", "SeparationDistance", "Over which distance that holds.", "mm"),
    Word("separation.delay", "SeparationDelay", "Wait before it.", "s"),
)
_STROKE = (
    Word("pressure", "PrintPressure", "Force of the squeegee of each stroke.", "N"),
    Word("speed", "PrintSpeed", "Its speed.", "mm/s"),
)
_PERIODIC = (
    Word("clean.every", "CleanFrequency", "Boards from one cleaning to the next, as set.", "1"),
    Word("clean.program", "CleanMode", "How the stencil is cleaned then, such as `WVD`.", kind=Kind.TEXT),
)

SIGNALS = (
    *signals(_PRINT, lane=True),
    *signals(_SEPARATION, lane=True),
    *signals(_STROKE, prefix="stroke.", array=True, lane=True),
    *signals(_PERIODIC, lane=True),
    SignalSpec(name="clean.count", kind=Kind.COUNTER, meaning="Counts cleanings of the stencil."),
    SignalSpec(
        name="clean.mode",
        kind=Kind.TEXT,
        choices=_MODES,
        meaning="How it was cleaned last: `W` wet, `V` vacuum, `D` dry.",
    ),
    SignalSpec(name="clean.time", kind=Kind.NUMBER, unit="s", meaning="How long the last cleaning took."),
    SignalSpec(name="clean.strokes", kind=Kind.NUMBER, unit="1", meaning="Strokes of the wiper in the last cleaning."),
    SignalSpec(name="stencil.id", kind=Kind.TEXT, meaning="Identifier of the stencil in the machine."),
    SignalSpec(name="stencil.name", kind=Kind.TEXT, meaning="Its name."),
)

RECORDS = (
    RecordSpec(
        name="print",
        lane=True,
        fields=(
            common.UNIT,
            common.UNITS,
            FieldSpec(
                name="result",
                kind=Kind.TEXT,
                choices=common.choices("ProcessingResult"),
                meaning="How it ended.",
            ),
            FieldSpec(name="started", kind=Kind.TIME, meaning="When it began."),
            common.RECIPE,
            *fields(_PRINT),
            *fields(_SEPARATION),
        ),
        children=("stroke",),
        meaning="A unit has been printed.",
    ),
    RecordSpec(name="stroke", fields=fields(_STROKE), meaning="One stroke of the squeegee."),
    RecordSpec(
        name="stencil.cleaned",
        fields=(
            FieldSpec(name="mode", kind=Kind.TEXT, choices=_MODES, meaning="How: `W` wet, `V` vacuum, `D` dry."),
            FieldSpec(name="stencil", kind=Kind.TEXT, meaning="Identifier of the stencil."),
            FieldSpec(name="time", kind=Kind.NUMBER, unit="s", meaning="How long it took."),
            FieldSpec(name="strokes", kind=Kind.NUMBER, unit="1", meaning="Strokes of the wiper."),
            FieldSpec(name="prints", kind=Kind.NUMBER, unit="1", meaning="Boards printed since the cleaning before."),
            FieldSpec(name="since", kind=Kind.NUMBER, unit="s", meaning="Time since the cleaning before."),
        ),
        meaning="The stencil has been cleaned.",
    ),
)


def _completed(turn: Turn, work: Work) -> None:
    printed = turn.kept.get("prints")
    if isinstance(printed, int):
        turn.kept["prints"] = printed + 1
    words = [*(word.word for word in (*_PRINT, *_SEPARATION, *_PERIODIC)), *(f"stroke.{word.word}" for word in _STROKE)]
    if turn.setup.tells("print") or not any(map(turn.has, words)):
        return
    strokes = [
        structure(f"{_KIND}Stroke", seen(turn, _STROKE, prefix="stroke.", index=index))
        for index in range(1, places(turn, _STROKE, prefix="stroke.") + 1)
    ]
    periodic = structure_if_known(f"{_KIND}PeriodicCleaning", seen(turn, _PERIODIC))
    name, _ = turn.recipe(turn.lane)
    processed(
        turn,
        work,
        _data(
            {**seen(turn, _PRINT), "RecipeName": name, "PeriodicCleanings": [] if periodic is None else [periodic]},
            strokes,
            seen(turn, _SEPARATION),
        ),
    )


def _data(
    general: Mapping[str, object], strokes: list[dict[str, object]], separation: Mapping[str, object]
) -> dict[str, object]:
    """SolderPastePrintingPCBProcessData."""
    parting = structure_if_known(f"{_KIND}Separation", separation)
    return structure(
        f"{_KIND}SolderPastePrintingPCBProcessData", {**general, "Strokes": strokes, "Separation": parting}
    )


def _printed(turn: Turn, record: Record) -> None:
    count, began = said_number(record, "units"), said_time(record, "started")
    result = said_text(record, "result")
    with within_work(turn, record.lane, said_unit(turn, record), count=count, began=began) as work:
        strokes = [structure(f"{_KIND}Stroke", said(child, _STROKE)) for child in record.children]
        name = said_text(record, "recipe") or turn.recipe(record.lane)[0]
        turn.lane = record.lane
        data = _data({**said(record, _PRINT), "RecipeName": name}, strokes, said(record, _SEPARATION))
        processed(turn, work, data, result)


def _looked(turn: Turn, before: Mapping[str, object]) -> None:
    """Cleanings by their counter. Since when, and after how many boards, is only known if nothing was missed since."""
    for key in before:
        if signal_key(key).name != "clean.count":
            continue
        count = counters.since_last(turn, key)
        if count is None:
            turn.kept.pop("prints", None)
            turn.kept.pop("cleaned", None)
        elif count <= _MOST:
            for _ in range(count):
                _clean(turn, turn.text("clean.mode"), turn.text("stencil.id"), turn.number("clean.time"),
                       turn.number("clean.strokes"), None, None)  # fmt: skip


def _cleaned(turn: Turn, record: Record) -> None:
    _clean(
        turn,
        said_text(record, "mode") or turn.text("clean.mode"),
        said_text(record, "stencil") or turn.text("stencil.id"),
        said_number(record, "time"),
        said_number(record, "strokes"),
        said_number(record, "prints"),
        said_number(record, "since"),
    )


def _clean(
    turn: Turn, mode: str | None, stencil: str | None, time: float | None, strokes: float | None,
    prints: float | None, since: float | None,
) -> None:  # fmt: skip
    last, printed = turn.kept.get("cleaned"), turn.kept.get("prints")
    if since is None and isinstance(last, int) and turn.time >= last:
        since = (turn.time - last) / _SECOND
    if prints is None and isinstance(printed, int):
        prints = printed
    turn.kept["cleaned"], turn.kept["prints"] = turn.time, 0
    name = turn.text("stencil.name")
    body = {
        "Stencil": None if stencil is None and name is None else {"UniqueIdentifier": stencil, "Name": name},
        "StencilCleanMode": known(mode),
        "TimeSinceLastClean": known(_span(since)),
        "CyclesSinceLastClean": known(whole(prints)),
        "StencilCleanCycles": known(whole(strokes)),
        "StencilCleanTime": known(_span(time)),
    }
    turn.emit(STENCIL_CLEANED, body)


def _span(seconds: float | None) -> timedelta | None:
    """None for what is no time between two cleanings."""
    return timedelta(seconds=seconds) if seconds is not None and 0 <= seconds < _LONGEST else None


CLASS = MachineClass(
    name="solder_paste_printer",
    title="Solder paste printer",
    vocabulary=common.vocabulary("solder_paste_printer", SIGNALS, RECORDS),
    messages=(*common.WORKING, UNITS_PROCESSED, STENCIL_CLEANED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Stencil printer: cleaning of the stencil",
            messages=(STENCIL_CLEANED,),
            needs=("clean.count", "stencil.cleaned"),
        ),
        Requirement(
            capability="Stencil printer: print data of each unit (optional)",
            messages=(UNITS_PROCESSED,),
            needs=("print", "stroke.pressure", "stroke.speed", "offset.x", "separation.speed", "print.time"),
        ),
        Requirement(
            capability="Tool trace",
            messages=("CFX.Production.ToolsUsed",),
            note="the stencil is named in StencilCleaned only; ToolsUsed is not made",
        ),
    ),
    completed=_completed,
    records={"print": _printed, "stencil.cleaned": _cleaned},
    looked=_looked,
    watched=frozenset({"clean.count"}),
    fault_type=f"{_KIND}SMTSolderPastePrintingFault",
)
