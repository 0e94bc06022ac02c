"""A signal's answer: its name in parts, and its newest value."""

from __future__ import annotations

from gateway.api import answers
from gateway.core.sample import Quality, SignalKey, Value, signal_key


def signal_of(
    text: str, unit: str | None, value: Value, quality: Quality, time: str | None, received: str | None
) -> answers.Signal:
    try:
        key = signal_key(text)
    except ValueError:  # stored by a version that named it otherwise
        key = SignalKey(text)
    return answers.Signal(
        signal=text,
        name=key.name,
        index=key.index,
        lane=key.lane,
        stage=key.stage,
        unit=unit,
        value=value,
        quality=quality,
        time=time,
        received=received,
    )


def unheard(text: str, unit: str | None) -> answers.Signal:
    """One of which no value is known."""
    return signal_of(text, unit, None, Quality.UNAVAILABLE, None, None)
