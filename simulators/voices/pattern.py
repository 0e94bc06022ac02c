"""The patterns of a profile turned round: the shortest line that fits one, with given texts in its named groups.

Only what profiles use of RE2's syntax: literals, escapes, classes, groups, alternatives and greedy repetition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, NoReturn

from simulators.voices.template import Part

Groups = Mapping[str, Part | None]
_DIGITS, _SPACE = "0123456789", " "
_WORD = f"x{_DIGITS}_abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ANY = f"x {_WORD}"
_SHORT = {"d": _DIGITS, "s": _SPACE, "w": _WORD, "D": "x ", "S": "x", "W": " -"}
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}


class One(NamedTuple):
    """One character of these, the first of them when it is free."""

    of: str


class Repeat(NamedTuple):
    """least: how often at least."""

    part: Node
    least: int


class Group(NamedTuple):
    """name: None for one that is not named."""

    name: str | None
    choices: tuple[tuple[Node, ...], ...]


Node = One | Repeat | Group


def line(pattern: str, groups: Groups) -> tuple[Part, ...] | None:
    """None where a group that must be there has no text. Raises ValueError for a pattern that cannot be turned round."""
    return _fill(_parsed(pattern), groups)


def names(pattern: str) -> frozenset[str]:
    """Of its groups."""
    return frozenset(_named(_parsed(pattern)))


@cache
def _parsed(pattern: str) -> Group:
    return _Parser(pattern).whole()


def _named(node: Node) -> set[str]:
    if isinstance(node, One):
        return set()
    if isinstance(node, Repeat):
        return _named(node.part)
    inner = {name for choice in node.choices for each in choice for name in _named(each)}
    return inner | ({node.name} if node.name is not None else set())


def _fill(node: Node, groups: Groups) -> tuple[Part, ...] | None:
    if isinstance(node, One):
        return (node.of[0],)
    if isinstance(node, Repeat):
        return _repeated(node, groups)
    if node.name is not None:
        text = groups.get(node.name)
        if text is not None:
            return (text,)
        empty = _best(node.choices, groups)
        return () if empty is not None and not "".join(map(str, empty)) else None
    return _best(node.choices, groups)


def _repeated(node: Repeat, groups: Groups) -> tuple[Part, ...] | None:
    if node.least == 0:
        wanted = any(groups.get(name) is not None for name in _named(node.part))
        return (_fill(node.part, groups) or ()) if wanted else ()
    once = _fill(node.part, groups)
    return None if once is None else once * node.least


def _best(choices: Sequence[tuple[Node, ...]], groups: Groups) -> tuple[Part, ...] | None:
    """Of those that can be written, the one that says most."""
    best: tuple[Part, ...] | None = None
    most = -1
    for choice in choices:
        filled: list[Part] = []
        for node in choice:
            part = _fill(node, groups)
            if part is None:
                break
            filled += part
        else:
            said = sum(groups.get(name) is not None for node in choice for name in _named(node))
            if said > most:
                best, most = tuple(filled), said
    return best


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def whole(self) -> Group:
        found = Group(None, self._choices())
        if self._at != len(self._pattern):
            self._refuse()
        return found

    def _choices(self) -> tuple[tuple[Node, ...], ...]:
        choices: list[list[Node]] = [[]]
        while self._at < len(self._pattern) and self._peek() != ")":
            if self._take("|"):
                choices.append([])
            else:
                node = self._one()
                choices[-1] += [] if node is None else [self._often(node)]
        return tuple(map(tuple, choices))

    def _one(self) -> Node | None:
        """None for what takes no room."""
        if self._take("(?P<"):
            end = self._pattern.index(">", self._at)
            name, self._at = self._pattern[self._at : end], end + 1
            return self._group(name)
        if self._take("(?:") or self._take("("):
            if self._peek() == "?":
                self._refuse()
            return self._group(None)
        if self._take("["):
            return One(self._class())
        if self._take("."):
            return One(_ANY)
        if self._take("^") or self._take("$"):
            return None
        return One(self._character())

    def _group(self, name: str | None) -> Group:
        found = Group(name, self._choices())
        if not self._take(")"):
            self._refuse()
        return found

    def _often(self, node: Node) -> Node:
        if self._take("*") or self._take("?"):
            node = Repeat(node, 0)
        elif self._take("+"):
            node = Repeat(node, 1)
        elif self._peek() == "{":
            end = self._pattern.index("}", self._at)
            least = self._pattern[self._at + 1 : end].partition(",")[0]
            self._at = end + 1
            node = Repeat(node, int(least))
        self._take("?")  # not greedy: fits the same lines
        return node

    def _class(self) -> str:
        negated = self._take("^")
        members = ""
        while not self._take("]") or not members:
            if self._peek() == "[":
                self._refuse()
            first = self._character()
            if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                first = "".join(map(chr, range(ord(first[0]), ord(self._character()[0]) + 1)))
            members += first
        if negated:
            members = "".join(each for each in _ANY if each not in members)
        elif " " in members:
            members = f" {members}"
        if not members:
            self._refuse()
        return members

    def _character(self) -> str:
        """One, or those that an escape stands for."""
        if not self._take("\\"):
            self._at += 1
            return self._pattern[self._at - 1]
        escaped = self._peek()
        self._at += 1
        if escaped in _SHORT or escaped in _PLAIN:
            return _SHORT.get(escaped) or _PLAIN[escaped]
        if not escaped or escaped.isalnum():
            self._refuse()
        return escaped

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self, text: str) -> bool:
        found = self._pattern.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found

    def _refuse(self) -> NoReturn:
        raise ValueError(f"{self._pattern!r} cannot be turned round at character {self._at}")
