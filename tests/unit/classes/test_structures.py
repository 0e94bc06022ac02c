"""Structures of which only what is known is written."""

from __future__ import annotations

import pytest

from gateway.cfx.complete import LeftOut, complete
from gateway.classes.structures import structure, structure_if_known, whole

ROUTER = "Depaneling.RouterToolProcessData"


def written(made: dict[str, object]) -> dict[str, object]:
    """As it goes out."""
    body = complete(
        "CFX.Production.Processing.UnitsProcessed",
        {"TransactionId": "0e223e33-230e-4bf4-859d-2b4b5953147f", "CommonProcessData": made},
    )
    found = body["CommonProcessData"]
    assert isinstance(found, dict)
    del found["$type"]
    return found


def test_what_may_not_be_null_and_is_not_known_is_left_out() -> None:
    assert written(structure(ROUTER, {"ActualMachinePower": 900.0, "FeedRate_SetPoint": None})) == {
        "ActualMachinePower": 900.0,
        "AxisDetails": [],
    }
    assert structure(ROUTER, {})["NumberOfBoardsRouted"] is LeftOut.UNKNOWN


def test_values_take_the_form_that_cfx_wants() -> None:
    fields = {"NumberOfBoardsRouted": 12.0, "ToolBitStartTime": 1_000_000, "ToolDataVersion": 2}
    made = written(structure(ROUTER, fields))
    assert made["NumberOfBoardsRouted"] == 12
    assert isinstance(made["NumberOfBoardsRouted"], int)
    assert made["ToolBitStartTime"] == "1970-01-01T00:00:01Z"
    assert made["ToolDataVersion"] == 2.0
    laser = written(structure("LaserMarking.LaserMarkingProcessData", {"LaserProcessingTime": 6.5}))
    assert laser == {"LaserProcessingTime": "00:00:06.5000000", "RecipeName": None}


def test_a_structure_of_which_nothing_is_known_is_none() -> None:
    assert structure_if_known(ROUTER, {"ActualMachinePower": None, "AxisDetails": []}) is None
    assert structure_if_known(ROUTER, {"ActualMachinePower": 0.0}) is not None


def test_a_field_that_there_is_not() -> None:
    with pytest.raises(KeyError):
        structure(ROUTER, {"ToolDiameter": 1.5})


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 1e300])
def test_a_number_that_cfx_has_no_room_for_is_not_known(value: float) -> None:
    assert "NumberOfBoardsRouted" not in written(structure(ROUTER, {"NumberOfBoardsRouted": value}))
    assert whole(value) is None
    assert whole(2**31 - 1) == 2**31 - 1


def test_a_decimal_and_a_duration_have_limits_of_their_own() -> None:
    assert "ToolDataVersion" not in written(structure(ROUTER, {"ToolDataVersion": 1e29}))
    laser = structure("LaserMarking.LaserMarkingProcessData", {"LaserProcessingTime": 1e12})
    assert written(laser) == {"RecipeName": None}
