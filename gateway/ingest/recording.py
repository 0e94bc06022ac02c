"""Who keeps what was committed, to step it again elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.core.event import Event
from gateway.ingest.apply import Stepper
from gateway.ingest.queues import Item, Queue
from gateway.journal.transaction import Recalled


class Recording(Protocol):
    """Told by ingest; must not wait, as everything else does meanwhile, and must not raise."""

    def committed(
        self, items: Sequence[tuple[Queue, Item]], events: Sequence[Event], recalled: Recalled, stepper: Stepper
    ) -> None:
        """These were stepped in this order, and it is on disk. On the writer's thread, so that `stepper.remembered()`
        is what the next items are stepped with."""
