"""Intervals of the supervisor, in seconds."""

from __future__ import annotations

import msgspec


class SupervisorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """retry_first_s doubles with every failed attempt up to retry_most_s; each pause is drawn evenly from its upper
    half, so that machines do not come back all at once. A connection that lasted settled_s starts over at the first.
    stale_factor: heartbeat intervals without data until a station counts as stale. tick_s: how often that is looked at.
    mark_s: how often a live source is marked alive in the journal, which bounds a gap after a kill."""

    retry_first_s: float = 1.0
    retry_most_s: float = 60.0
    settled_s: float = 10.0
    stale_factor: float = 2.5
    tick_s: float = 1.0
    mark_s: float = 10.0
