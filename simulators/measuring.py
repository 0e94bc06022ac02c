"""Measured values of a simulated machine: each varies a little around the profile's example."""

from __future__ import annotations

import random
from collections.abc import Mapping

from gateway.core.sample import signal_key
from gateway.profile.vocabulary import Kind
from simulators.display import Display
from simulators.kernel import Process

_INERTIA = 0.9
_MOST_DEVIATIONS = 4.0


def measured_signals(display: Display, noise: float) -> dict[str, float]:
    """Those that vary, with the value that they vary around: numbers, unless somebody sets them.

    noise: standard deviation as a share of the value.
    """
    found = {}
    for key in display.of_kind(Kind.NUMBER):
        example = display.values[key]
        name = signal_key(key).name
        if name.endswith("setpoint") or name == "panel.units" or not isinstance(example, int | float) or not noise:
            continue
        most = noise * _MOST_DEVIATIONS
        if all(display.can_say(key, example * (1 + share)) for share in (-most, most)):
            found[key] = float(example)
    return found


def measure(display: Display, examples: Mapping[str, float], noise: float, scan: float, rng: random.Random) -> Process:
    """New values every `scan` seconds: noise with some inertia, as a controlled temperature has it."""
    deviation = dict.fromkeys(examples, 0.0)
    spread = (1 - _INERTIA**2) ** 0.5  # keeps the standard deviation at 1
    while True:
        for key, example in examples.items():
            drawn = _INERTIA * deviation[key] + rng.gauss(0.0, spread)
            deviation[key] = max(-_MOST_DEVIATIONS, min(_MOST_DEVIATIONS, drawn))
            display.values[key] = example * (1 + noise * deviation[key])
        yield scan
