"""Topic filters: examples of the standard (MQTT 3.1.1 and 5, clause 4.7), and overlaps against a search."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.transport.mqtt_topics import check_filter, overlap


@pytest.mark.parametrize(
    "text",
    [
        "sport/tennis/#",
        "#",
        "+",
        "+/tennis/#",
        "sport/+/player1",
        "/",
        "/finance",
        "+/+",
        "$SYS/#",
        "a//b",
        "$share/g/a/#",
    ],
)
def test_filters(text: str) -> None:
    check_filter(text)


@pytest.mark.parametrize(
    "text",
    ["", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "a/+b", "##", "a\0b", "x" * 65_536, "\ud800", "$share/g",
     "$share//a", "$share/g/", "$share/g+/a", "$share/g/a#"],
)  # fmt: skip
def test_no_filters(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|only|written"):
        check_filter(text)


def matches(text: str, topic: str) -> bool:
    """Clause 4.7, as it reads."""
    if topic.startswith("$") and text[0] in "+#":
        return False
    levels, parts = text.split("/"), topic.split("/")
    for number, level in enumerate(levels):
        if level == "#":
            return True
        if number >= len(parts) or level not in ("+", parts[number]):
            return False
    return len(levels) == len(parts)


def test_overlap_is_a_topic_that_both_take() -> None:
    levels = ["a", "b", "+", "$x"]
    filters = ["/".join(each) for count in (1, 2, 3) for each in product(levels, repeat=count)]
    filters += ["#", *(f"{text}/#" for text in filters if text.count("/") < 2)]
    words = ["a", "b", "$x", "other", ""]
    topics = ["/".join(each) for count in (1, 2, 3, 4) for each in product(words, repeat=count)]
    takes = {text: {topic for topic in topics if matches(text, topic)} for text in filters}
    wrong = [
        (one, other) for one in filters for other in filters if overlap(one, other) != bool(takes[one] & takes[other])
    ]
    assert wrong == []
