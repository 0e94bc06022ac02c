"""Settings of `hermes-vertical`: the port must be said, and what is hardly meant is warned about."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.hermes_settings import HermesConnection

GIVEN = {"protocol": "hermes-vertical", "name": "printer", "host": "10.0.0.30", "port": 50_100}


def settings(**more: Any) -> HermesConnection:
    return HermesConnection.model_validate(GIVEN | more)


def test_what_is_left_out() -> None:
    made = settings()
    assert (made.system_id, made.first_transfer, made.alive_s, made.handshake_timeout_s) == (None, 1, 20.0, 20.0)
    assert made.warnings() == []


@pytest.mark.parametrize("missing", ["host", "port"])
def test_what_must_be_said(missing: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        HermesConnection.model_validate({key: value for key, value in GIVEN.items() if key != missing})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 0), ("port", 65_536), ("port", "svc"), ("host", ""), ("first_transfer", 2), ("alive_s", 0), ("unit", 1),
        ("system_id", "a\nb"), ("system_id", "x" * 81), ("buffer_bytes", 1_000),
    ],
)  # fmt: skip
def test_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        settings(**{key: value})


def test_a_supervisor_that_is_silent_may_be_dropped() -> None:
    (only,) = settings(alive_s=30).warnings()
    assert only.startswith("printer: alive_s = 30: machines may drop")
