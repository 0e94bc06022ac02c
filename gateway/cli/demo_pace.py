"""A profile for a machine that is played faster than life."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from gateway.config import profiles
from gateway.core.document import Document
from gateway.profile.bound import Bound
from gateway.profile.load import assembled

LOOKS = ("every", "debounce")
"""Times of a profile: how often it is looked, and how long something must last."""
SUBSCRIPTIONS = ("publish", "sample")
"""And those that the machine is asked to keep."""
_SHORTEST_S = 0.02
"""Between two looks: no machine is asked more often, however fast it is played."""
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def quicker(profile: str, speed: float, keys: Iterable[str]) -> str:
    """A profile's text with its times of these keys divided by `speed`. At 1 or below, and without a speed, as it was: a
    machine that is played slowly is not looked at more seldom."""
    if speed <= 1.0 or math.isinf(speed):
        return profile

    def divided(found: re.Match[str]) -> str:
        key, equals, number, unit = found.groups()
        seconds = float(number) * _SECONDS[unit]
        least = 0.0 if key in ("debounce", "sample") else min(seconds, _SHORTEST_S)
        return f'{key}{equals}"{max(seconds / speed, least):.6f}s"'

    return re.sub(rf'\b({"|".join(keys)})(\s*=\s*)"([0-9]+(?:\.[0-9]+)?) ?(ms|s|min|h)"', divided, profile)


def looked_at(bound: Bound, speed: float) -> Bound:
    """The same profile with its looks made quicker, in what it is read from too: a capture has it as it was used."""
    if speed <= 1.0 or not bound.texts:
        return bound
    documents = {name: Document(name, quicker(text, speed, LOOKS)) for name, text in bound.texts.items()}
    name = next(iter(documents))
    return profiles.joined(assembled(name, Path(name), documents[name], documents.__getitem__), bound.name)
