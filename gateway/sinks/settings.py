"""What every kind of sink may say beside its own settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.core.sizes import Bytes

BUDGET = 4_000_000_000

Budget = Annotated[
    Bytes,
    Field(
        description="Of what the destination has not taken yet, the newest so many bytes stay in the journal whatever "
        "`retention` says, events first, as they were received; what lies before that may go, and is then recorded as "
        "`Lineside.DeliveryGap`. 0: nothing is kept for it."
    ),
]
"""The field `budget_bytes` of a sink's settings; its default is BUDGET."""
