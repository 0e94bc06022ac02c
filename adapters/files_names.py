"""Which names in a folder are files to be read, and which belong to them. Names are relative, with `/` between."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_DEPTH = 16
"""Folders within folders that are looked into for `**/`."""


class Names:
    """As the settings of one connection say it."""

    def __init__(
        self,
        patterns: Sequence[str],
        *,
        parts: Sequence[str] = (),
        beside: Sequence[str] = (),
        trigger: str | None = None,
    ) -> None:
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self._parts = tuple(parts)
        self._beside = tuple(beside)
        self.trigger_of = trigger
        self.depth = max(MOST_DEPTH if "**/" in pattern else pattern.count("/") for pattern in patterns)
        """Folders below the first that may hold any."""

    def wanted(self, name: str) -> bool:
        """Whether it is a file to be read by itself."""
        return any(pattern.fullmatch(name) for pattern in self._patterns)

    def parts(self, name: str) -> list[str]:
        """The names of what is read behind it."""
        return [self._filled(name, template) for template in self._parts]

    def trigger(self, name: str) -> str | None:
        """The name of what says that it is whole."""
        return None if self.trigger_of is None else self._filled(name, self.trigger_of)

    def beside(self, name: str) -> list[re.Pattern[str]]:
        """Patterns of what goes with it and is not read."""
        return [_compiled(self._filled(name, template, literal=True)) for template in self._beside]

    def belongs(self, name: str) -> bool:
        """Whether it may be a part, a trigger, or beside: what of the others has to be looked at."""
        templates = (*self._parts, *self._beside, *((self.trigger_of,) if self.trigger_of is not None else ()))
        base = name.rpartition("/")[2]
        return any(_compiled(template.replace("{}", "*")).fullmatch(base) for template in templates)

    def _filled(self, name: str, template: str, *, literal: bool = False) -> str:
        folder, slash, base = name.rpartition("/")
        match = next(match for pattern in self._patterns if (match := pattern.fullmatch(name)))
        stem = match["stem"] or base
        if literal:
            stem, folder = _escaped(stem), _escaped(folder)
        return f"{folder}{slash}{template.replace('{}', stem)}"


def _escaped(text: str) -> str:
    """For a pattern that means just this text."""
    return re.sub(r"([*?\[\]])", r"[\1]", text)


def _compiled(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay within one name; `[x]` is one of these; the last `*` is the group `stem`."""
    last = pattern.rfind("*") if not pattern.endswith("**/") else -1
    found = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            found.append("(?:[^/]+/)*")
            at += 3
            continue
        sign = pattern[at]
        end = pattern.find("]", at + 2)
        if sign == "*":
            found.append("(?P<stem>[^/]*)" if at == last else "[^/]*")
        elif sign == "?":
            found.append("[^/]")
        elif sign == "[" and end > 0:
            found.append(f"[{re.escape(pattern[at + 1 : end])}]")
            at = end
        else:
            found.append(re.escape(sign))
        at += 1
    text = "".join(found)
    return re.compile(text if "(?P<stem>" in text else f"{text}(?P<stem>)", re.DOTALL)
