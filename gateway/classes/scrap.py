"""Units that are given up (UnitsDisqualified)."""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.records import said_number, said_text, said_unit
from gateway.classes.turn import Turn, known
from gateway.core.observation import Record
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec

UNITS_DISQUALIFIED = "CFX.Production.UnitsDisqualified"

SCRAPPED = RecordSpec(
    name="unit.scrapped",
    lane=True,
    fields=(
        common.UNIT,
        common.UNITS,
        FieldSpec(
            name="reason",
            kind=Kind.TEXT,
            choices=common.choices("DisqualificationReason"),
            meaning="Why it is given up.",
        ),
        FieldSpec(name="comments", kind=Kind.TEXT, meaning="Anything else."),
    ),
    meaning="A unit is given up.",
)


def disqualified(turn: Turn, record: Record) -> None:
    """The record `unit.scrapped`."""
    unit = said_unit(turn, record)
    turn.emit(
        UNITS_DISQUALIFIED,
        {
            "PrimaryIdentifier": unit,
            "Reason": known(said_text(record, "reason")),
            "Comments": said_text(record, "comments"),
            "Units": turn.units(unit, turn.boards(record.lane, said_number(record, "units"))),
        },
    )
