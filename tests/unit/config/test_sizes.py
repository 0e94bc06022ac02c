"""Sizes as people write them."""

from __future__ import annotations

import random

import pytest

from gateway.core.sizes import LARGEST, read_size, write_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("40GB", 40_000_000_000),
        ("40 gb", 40_000_000_000),
        ("1.5GiB", 3 << 29),
        ("64MiB", 64 << 20),
        ("0.001kB", 1),
        (" 7 B ", 7),
        ("2TiB", 2 << 40),
        (0, 0),
        (LARGEST, LARGEST),
    ],
)
def test_reading(text: object, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize(
    "value",
    [
        "",
        "GB",
        "-1GB",
        "1",
        "1e3B",
        "1,5GB",
        "0.0001kB",
        "40 parsecs",
        "9999999999999TB",
        "1GB\n2",
        -1,
        LARGEST + 1,
        True,
        1.5,
        None,
    ],
)
def test_no_size(value: object) -> None:
    with pytest.raises(ValueError, match=r"allowed|whole bytes"):
        read_size(value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1, "1B"),
        (1000, "1kB"),
        (1024, "1KiB"),
        (40_000_000_000, "40GB"),
        (32 << 20, "32MiB"),
        (1 << 30, "1GiB"),
        (1536, "1536B"),
    ],
)
def test_writing(size: int, text: str) -> None:
    assert write_size(size) == text


def test_round_trip() -> None:
    numbers = random.Random(1)
    for _ in range(5_000):
        size = numbers.randrange(1 << numbers.randrange(1, 63)) * numbers.choice((1, 1000, 1024, 10**6, 1 << 20))
        if size <= LARGEST:
            assert read_size(write_size(size)) == size
