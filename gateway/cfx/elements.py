"""The elements of an array that is no valid JSON as a whole."""

from __future__ import annotations

import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)|[\[\]{},]', re.DOTALL)
_SPACE = b" \t\r\n"


def split(text: bytes) -> list[bytes]:
    """Cuts at the commas that are outside of strings and inside of no other bracket than the first.

    Text inside is not looked at; the bytes of all elements, in order, and what stands between them are all of `text`.
    When brackets do not match, the cut comes too late and the rest is one element: nothing is lost, nothing invented.
    """
    elements: list[bytes] = []
    depth = 0
    start = 0
    end = len(text)
    for match in _TOKEN.finditer(text):
        mark = match[0]
        if mark in (b"[", b"{"):
            depth += 1
            if depth == 1:
                start = match.end()
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                end = match.start()
                break
        elif mark == b"," and depth == 1:
            elements.append(text[start : match.start()].strip(_SPACE))
            start = match.end()
    elements.append(text[start:end].strip(_SPACE))
    if rest := text[end + 1 :].strip(_SPACE):
        elements.append(rest)
    return [element for element in elements if element]
