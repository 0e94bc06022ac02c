"""An OPC UA server of asyncua's that tests share. It is imported late: that alone takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.opcua.servers import Oven


@pytest.fixture(scope="session")
def oven_server() -> Iterator[Oven]:
    """Runs in a thread for the rest of the session."""
    from tests.integration.opcua.servers import oven

    with oven() as made:
        yield made
