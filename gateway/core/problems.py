"""Collecting everything that is wrong with a file of settings, each with its line and in words for who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.core.document import KeyPath, Place
from gateway.core.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


class Located(Protocol):
    """Anything that knows where its parts are written: a Document, or several laid over each other."""

    def place(self, path: KeyPath) -> Place: ...


def suggestion(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'topics'?` or nothing."""
    by_folded = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), by_folded, 1, 0.6)
    return f", did you mean {by_folded[close[0]]!r}?" if close else ""


def allowed(known: Iterable[str]) -> str:
    """`; allowed: full, normal`."""
    return f"; allowed: {', '.join(sorted(set(known))) or 'none'}"


def unknown(word: str, what: str, known: Iterable[str]) -> str:
    """`'cfx-mqt' is no protocol, did you mean 'cfx-mqtt'?; allowed: cfx-amqp, cfx-mqtt`."""
    listed = list(known)
    return f"{word!r} is no {what}{suggestion(word, listed)}{allowed(listed)}"


class Problems:
    """Of one document. Values are not repeated in messages unless they are names: one of them may be a secret.

    later: keys that are not known yet, and what to say about them instead of asking whether they are misspelt.
    """

    def __init__(self, document: Located, *, later: Mapping[str, str] | None = None) -> None:
        self._document = document
        self._later = later or {}
        self._found: list[tuple[str, int, str]] = []

    def add(self, path: KeyPath, message: str, *, missing: str | None = None) -> None:
        """`missing`: a key of the table at `path` that is not there."""
        file, line, key = self._document.place(path)
        if missing is not None:
            key = f"{key}.{missing}" if key else missing
        self._found.append((file, line, f"{file}:{line}: {key + ': ' if key else ''}{message}"))

    def read(
        self,
        model: type[M],
        table: object,
        path: KeyPath,
        folder: Path | None = None,
        *,
        keys: Iterable[str] | None = None,
    ) -> M | None:
        """The table as `model`; None, and what is wrong is noted, when it is not one.

        `folder`: where its relative paths start. `keys`: what may stand in this table, where that is not just what the model has.
        """
        try:
            return model.model_validate(_tuples(table), context={"folder": folder})
        except ValidationError as error:
            details = error.errors(include_url=False)
            for detail in details:
                if not _follows(detail, details):
                    self._detail(model, detail, path, keys)
            return None

    def raise_any(self) -> None:
        """Raises ConfigError with everything noted, in the order of the file."""
        if self._found:
            # One mistake may be found twice, as by each branch of a union.
            raise ConfigError(
                list(dict.fromkeys(text for _, _, text in sorted(self._found, key=lambda item: item[:2])))
            )

    def _detail(self, model: type[BaseModel], detail: ErrorDetails, path: KeyPath, keys: Iterable[str] | None) -> None:
        kind, place = detail["type"], tuple(detail["loc"])
        if kind == "missing":
            self.add((*path, *place[:-1]), "is missing", missing=str(place[-1]))
        elif kind == "extra_forbidden":
            word = str(place[-1])
            if keys is not None and len(place) == 1:
                known = set(keys)
            else:
                known = {key for each in _at(model, place[:-1]) for key in fields(each)}
            message = self._later.get(word) or f"unknown key{suggestion(word, known)}{allowed(known)}"
            self.add((*path, *place), message)
        else:
            self.add((*path, *place), _words(detail))


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """Key as written in the file, and its field."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _follows(detail: ErrorDetails, others: list[ErrorDetails]) -> bool:
    """Whether it is only a consequence of another: a default made from a field, a list without its wrong elements."""
    if detail["type"] == "default_factory_not_called":
        return True
    depth = len(detail["loc"])
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > depth and other["loc"][:depth] == detail["loc"] for other in others
    )


def _tuples(value: object) -> object:
    """Lists as tuples, which is what strict and frozen models hold."""
    if isinstance(value, dict):
        return {key: _tuples(each) for key, each in value.items()}
    return tuple(_tuples(each) for each in value) if isinstance(value, list | tuple) else value


def _at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """The models that a table at `place` within `model` may be."""
    found = [model]
    for step in place:
        inner = [each for one in found if step in fields(one) for each in _models(fields(one)[str(step)].annotation)]
        found = inner or found  # a list position, or pydantic's name for a branch of a union
    return found


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)


_TYPES = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list, in brackets",
    "list_type": "must be a list, in brackets",
    "frozen_set_type": "must be a list, in brackets",
    "set_type": "must be a list, in brackets",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "from"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "up to"),
}


def _words(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        key, word = _BOUNDS[kind]
        return f"is out of range; allowed: {word} {_plain(context[key])}"
    if kind in ("literal_error", "enum"):
        return _choice(detail["input"], str(context["expected"]))
    if kind == "string_pattern_mismatch":
        return f"has characters that do not belong here, or too many; allowed: {context['pattern'].strip('^$')}"
    if kind == "too_short":
        return f"has too few entries; allowed: {context['min_length']} or more"
    if kind == "value_error":  # a plain ValueError of a validator
        return str(context["error"])
    return detail["msg"]


def _plain(bound: object) -> str:
    return f"{bound:g}" if isinstance(bound, float) and abs(bound) < 1e6 else str(bound)


def _choice(value: object, expected: str) -> str:
    """`expected` is pydantic's list, `'full' or 'normal'`."""
    known = [part.strip("'\"") for part in expected.replace(" or ", ", ").split(", ")]
    hint = suggestion(value, known) if isinstance(value, str) else ""
    return f"is not one of the choices{hint}{allowed(known)}"
