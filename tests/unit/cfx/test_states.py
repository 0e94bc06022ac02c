"""Equipment states in every form that machines send, and their roll-up."""

from __future__ import annotations

import pytest

from gateway.cfx import states
from gateway.cfx.states import E10


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("1100", 1100),
        (1100, 1100),
        (1100.0, 1100),
        ("1100.0", 1100),
        (" 5000 ", 5000),
        ("22A0", 2201),
        ("22b0", 2202),
        ("SBY_NoProductStarved", 2202),
        ("PRD", 1000),
        (3312, 3312),
        ("3312", 3312),
        (7500, 7500),
        (0, None),
        (-1100, None),
        (10_000, None),
        ("", None),
        ("running", None),
        ("\u0661\u0661\u0660\u0660", None),  # digits, but not those of JSON
        (None, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        ([1100], None),
    ],
)
def test_what_machines_send(sent: object, code: int | None) -> None:
    assert states.parse(sent) == code


@pytest.mark.parametrize(
    ("code", "e10", "e58"),
    [
        (1100, E10.PRODUCTIVE, 1100),
        (2201, E10.STANDBY, 2200),
        (3312, E10.ENGINEERING, 3300),
        (4500, E10.SCHEDULED_DOWN, 4500),
        (5000, E10.UNSCHEDULED_DOWN, 5000),
        (6500, E10.NON_SCHEDULED, 6500),
        (7500, E10.NON_SCHEDULED, 7500),
    ],
)
def test_roll_up(code: int, e10: E10, e58: int) -> None:
    assert states.e10(code) is e10
    assert states.e58(code) == e58


def test_names() -> None:
    assert states.name(2202) == "SBY_NoProductStarved"
    assert states.name(3312) is None
