"""Other characters in place of an identifier: as many, of the same kinds, and the same ones every time."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping

RUN = re.compile(r"[A-Za-z0-9]+")
_LEAST = 3
_SURE = 4
_ROUNDS = 8
_KINDS = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_KIND: Mapping[str, str] = {character: kind for kind in _KINDS for character in kind}
_REMEMBERED = 100_000


class Aliases:
    """Each run of letters and digits is enciphered for itself, with a key: a digit by a digit, a small letter by a small one,
    two different runs never by the same. Runs of one or two characters stay: position and lane are often written so.

    (A Feistel network over the characters' places in their alphabets, as format-preserving encryption has it; its rounds
    are HMAC-SHA256.)
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._runs: dict[str, str] = {}

    def of(self, identifier: str) -> str:
        return RUN.sub(lambda found: self.run(found[0]), identifier)

    def run(self, text: str) -> str:
        if len(text) < _LEAST:
            return text
        found = self._runs.get(text)
        if found is None:
            if len(self._runs) >= _REMEMBERED:
                self._runs.clear()
            found = self._runs[text] = self._enciphered(text)
        return found

    def _enciphered(self, text: str) -> str:
        kinds = [_KIND[character] for character in text]
        places = [kind.index(character) for kind, character in zip(kinds, text, strict=True)]
        middle = len(places) // 2
        halves = (range(middle), range(middle, len(places)))
        shape = ",".join(str(len(kind)) + kind[0] for kind in kinds)
        for number in range(_ROUNDS):
            read, changed = halves[number % 2], halves[1 - number % 2]
            said = f"{number} {shape} {[places[place] for place in read]}".encode()
            stream = hmac.digest(self._key, said, "sha256") + hmac.digest(self._key, said + b"+", "sha256")
            for at, place in enumerate(changed):
                step = int.from_bytes(stream[2 * at % 62 : 2 * at % 62 + 2], "big") + at // 31
                places[place] = (places[place] + step) % len(kinds[place])
        return "".join(kind[place] for kind, place in zip(kinds, places, strict=True))


def is_sure(identifier: str) -> bool:
    """Whether it can be told from other text, and something of it is replaced."""
    return identifier.isascii() and any(len(run) >= _SURE for run in RUN.findall(identifier))


def telling(identifier: str) -> str | None:
    """The run of it by which it is known where it stands in other text; None where that would be mistaken for a word or a
    number."""
    runs = [run for run in RUN.findall(identifier) if any(character.isdigit() for character in run)]
    run: str = max(runs, key=len, default="")
    return None if len(run) < _SURE or (run.isdigit() and len(run) < 2 * _LEAST) else run


def pattern(identifiers: Iterable[str]) -> re.Pattern[bytes]:
    """What finds those, the longest first, and beside them whatever may be an identifier: runs of letters and digits, joined
    by what joins them in one."""
    found = sorted({each for each in identifiers if each}, key=lambda each: (-len(each), each))
    exact = [rb"(?<![A-Za-z0-9])" + re.escape(each.encode()) + rb"(?![A-Za-z0-9])" for each in found]
    return re.compile(b"|".join([*exact, rb"[A-Za-z0-9]+(?:[-_./+:#][A-Za-z0-9]+)*"]))
