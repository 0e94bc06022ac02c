"""MQTT topic filters (MQTT 3.1.1 and 5.0, clause 4.7)."""

from __future__ import annotations

from collections.abc import Sequence


def check_filter(text: str) -> None:
    """Raises ValueError saying what is wrong with a topic filter."""
    if not text:
        raise ValueError("must not be empty; allowed: a topic filter such as 'SMTPlus/#'")
    if len(text.encode("utf-8", "surrogatepass")) > 65_535:
        raise ValueError("must not be longer than 65,535 bytes")
    if "\0" in text or any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise ValueError("must not have the character U+0000 or half of a surrogate pair in it")
    levels = text.split("/")
    if levels[0] == "$share":
        if len(levels) < 3 or not levels[1] or set(levels[1]) & {"+", "#"} or not "/".join(levels[2:]):
            raise ValueError(f"{text!r}: a shared subscription is written $share/GROUP/FILTER")
        levels = levels[2:]
    for number, level in enumerate(levels):
        if "#" in level and (level != "#" or number != len(levels) - 1):
            raise ValueError(f"{text!r}: '#' may only be the whole last level")
        if "+" in level and level != "+":
            raise ValueError(f"{text!r}: '+' may only be a whole level")


def overlap(one: str, other: str) -> bool:
    """Whether there is a topic that both filters take. Filters must be valid and not shared."""
    if one.startswith("$") != other.startswith("$") and (one[:1] in "#+" or other[:1] in "#+"):
        return False  # clause 4.7.2: a wildcard at the beginning takes no topic that begins with $
    return _overlap(one.split("/"), other.split("/"))


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        if left == "#" or right == "#":
            return True
        if left != right and "+" not in (left, right):
            return False
        if number == min(len(one), len(other)) - 1:
            break
    longer = one if len(one) > len(other) else other
    shorter = min(len(one), len(other))
    return len(one) == len(other) or (len(longer) == shorter + 1 and longer[shorter] == "#")
