"""How `lineside serve` does, for `/readyz`."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.api import answers
from gateway.core.times import Micros, rfc3339
from gateway.serve.history import Follow


class HistoryHealth:
    """`gateway.api.watch.Watched`."""

    def __init__(self, follow: Follow, *, started: Micros) -> None:
        self._follow = follow
        self._started = rfc3339(started)

    def components(self) -> Sequence[answers.Component]:
        follow = self._follow
        database = answers.Component(
            name="database",
            kind="database",
            ready=follow.ready,
            state="reading" if follow.ready else "down",
            since=rfc3339(follow.since),
            reason=follow.reason or None,
        )
        http = answers.Component(
            name="http", kind="http", ready=True, state="serving", since=self._started, reason=None
        )
        return [database, http]

    def refresh(self) -> None:
        """Nothing has to be looked up."""
