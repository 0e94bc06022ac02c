"""Text that PostgreSQL refuses, and text that it cannot index.

Its `text` holds neither U+0000 nor half a surrogate pair, and an index entry may have some 2,700 bytes. Almost no text of
a machine is touched by either rule; one that is can be told by its U+241B (the symbol for escape):

- U+0000 is stored as U+241B `0`, half a surrogate pair as U+241B `u` and four hexadecimal digits, U+241B itself twice.
- In indexed columns (line, station, message, units, and the names of series) a text of more than 200 characters is
  stored as its first 150, U+241B `#` and the MD5 of all of it. The event keeps the whole one beside it.
"""

from __future__ import annotations

import hashlib
import re

ESCAPE = "\u241b"
LONGEST = 200
HEAD = 150
"""Characters that a long text shares with its key: what a prefix may be compared with."""

_ODD = re.compile(f"[\0\ud800-\udfff{ESCAPE}]")
_ESCAPED = re.compile(f"{ESCAPE}(?:(0)|u([0-9a-f]{{4}})|({ESCAPE}))")


def escaped(text: str) -> str:
    """As it can be stored; the inverse is `restored`."""
    if _ODD.search(text) is None:
        return text
    return _ODD.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character == "\0":
        return f"{ESCAPE}0"
    return ESCAPE * 2 if character == ESCAPE else f"{ESCAPE}u{ord(character):04x}"


def restored(text: str) -> str:
    """What `escaped` was given."""
    return text if ESCAPE not in text else _ESCAPED.sub(_restore, text)


def _restore(found: re.Match[str]) -> str:
    if found[1]:
        return "\0"
    return chr(int(found[2], 16)) if found[2] else ESCAPE


def key(text: str) -> str:
    """As it stands in an indexed column: the same for equal texts, different for others."""
    found = escaped(text)
    return found if len(found) <= LONGEST else cut(found)


def cut(stored: str) -> str:
    """Of an escaped text that is too long for an index."""
    digest = hashlib.md5(stored.encode(), usedforsecurity=False).hexdigest()
    return f"{stored[:HEAD]}{ESCAPE}#{digest}"
