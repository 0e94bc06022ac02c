"""Review station: a person looks at what a machine has called a defect, and says what is true of it."""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.inspection import UNITS_INSPECTED, Inspection, requirement
from gateway.classes.inspection_words import SIGNALS, records
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.scrap import SCRAPPED, UNITS_DISQUALIFIED, disqualified

_REVIEW = Inspection(method="Human", human=True)

CLASS = MachineClass(
    name="review_station",
    title="Review station",
    vocabulary=common.vocabulary("review_station", SIGNALS, (*records(), SCRAPPED)),
    messages=(*common.WORKING, UNITS_INSPECTED, UNITS_DISQUALIFIED),
    requirements=(
        *common.REQUIREMENTS,
        requirement("Review", note="a verdict on each defect (Verification) only from records `defect`"),
        Requirement(capability="Scrapping", messages=(UNITS_DISQUALIFIED,), needs=("unit.scrapped",)),
        Requirement(
            capability="Operator tracking",
            messages=(common.OPERATOR_ACTIVATED,),
            needs=("operator.id",),
            note="OperatorDeactivated is not made",
        ),
    ),
    completed=_REVIEW.completed,
    records={"inspection": _REVIEW.inspected, "verdict": _REVIEW.judged, "unit.scrapped": disqualified},
)
