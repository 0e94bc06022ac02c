"""Columns of whole numbers and of floats as few bytes, and back, exactly.

What is the same everywhere, or grows by the same step, is written as such; everything else goes through pcodec, with or
without differences, whichever is shorter. Floats that are decimal fractions become whole numbers first: a machine's
`171.3` is 1713 tenths, and takes a fifth of the bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, standalone

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]
Packed = list[Any]
"""What msgpack carries: a `_Form`, then what belongs to it."""

_CONFIGS = tuple(ChunkConfig(delta_spec=spec) for spec in (DeltaSpec.no_op(), DeltaSpec.try_consecutive(1)))
_MOST_EXACT = 2.0**53
_DIGITS = 6
"""Most decimal places that are tried."""
_PLAIN = -1


class _Form(IntEnum):
    SAME = 0  # value, count
    STEPS = 1  # first, step, count
    PCO = 2  # bytes


def pack(values: Whole) -> Packed:
    """Whole numbers, in this order."""
    count = len(values)
    if count == 0:
        return [_Form.SAME, 0, 0]
    first = int(values[0])
    if (values == first).all():
        return [_Form.SAME, first, count]
    steps = np.diff(values)  # may wrap around, and then does so again on the way back
    if count > 2 and (steps == steps[0]).all():
        return [_Form.STEPS, first, int(steps[0]), count]
    return [_Form.PCO, _shortest(values)]


def _shortest(values: Whole | Floats) -> bytes:
    ready = np.ascontiguousarray(values)
    tried: list[bytes] = [standalone.simple_compress(ready, config) for config in _CONFIGS]
    return min(tried, key=len)


def unpack(packed: Packed) -> Whole:
    """The inverse of `pack`. Raises ValueError for a form of a later version."""
    match packed:
        case [_Form.SAME, value, count]:
            return np.full(count, value, np.int64)
        case [_Form.STEPS, first, step, count]:
            return np.int64(first) + np.int64(step) * np.arange(count, dtype=np.int64)
        case [_Form.PCO, data]:
            return _whole(data)
    raise ValueError(f"a column of form {packed[:1]} is not known in this version")


def _whole(data: bytes) -> Whole:
    found = standalone.simple_decompress(data)
    assert found is not None
    return np.asarray(found, np.int64)


def pack_floats(values: Floats) -> Packed:
    """Finite floats, bit by bit what they were."""
    digits, scaled = scale(values)
    if scaled is not None:
        return [digits, pack(scaled)]
    return [_PLAIN, _shortest(values)]


def unpack_floats(packed: Packed) -> Floats:
    """The inverse of `pack_floats`."""
    digits, data = packed
    if digits == _PLAIN:
        found = standalone.simple_decompress(data)
        assert found is not None
        return np.asarray(found, np.float64)
    return np.asarray(unpack(data) / 10.0**digits, np.float64)


def scale(values: Floats) -> tuple[int, Whole | None]:
    """How many decimal places all of them have at most, and the values as whole numbers of the last one.

    None where that would not be exact: more places than we try, numbers too large, or a minus zero.
    """
    if (np.signbit(values) & (values == 0.0)).any():
        return _PLAIN, None
    with np.errstate(over="ignore", invalid="ignore"):
        for digits in range(_DIGITS + 1):
            scaled = np.rint(values * 10.0**digits)
            if not (np.abs(scaled) < _MOST_EXACT).all():
                break
            if (scaled / 10.0**digits == values).all():
                return digits, scaled.astype(np.int64)
    return _PLAIN, None
