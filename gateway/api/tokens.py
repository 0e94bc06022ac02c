"""Tokens: how they are made, and the file that says which are valid.

The file is TOML. It holds digests, never tokens; a token has 256 random bits, so a plain digest cannot be reversed:

    [[token]]
    name = "mes"
    hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    scopes = ["read", "consume"]
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.api.scopes import Scope
from gateway.core import times
from gateway.core.errors import ConfigError
from gateway.core.times import Micros

log = logging.getLogger("lineside.api")

SCOPES: tuple[str, ...] = tuple(Scope)
"""What a token can be good for."""

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KEYS = frozenset({"name", "hash", "scopes"})


class Caller(msgspec.Struct, frozen=True):
    """Whoever asks: the token's name (None: none was needed) and what it may do."""

    name: str | None
    scopes: frozenset[Scope]


class Token(msgspec.Struct, frozen=True):
    """One entry of the file."""

    name: str
    hash: str
    scopes: frozenset[Scope]


def make_token() -> str:
    """A new token. It is shown once and kept nowhere."""
    return f"lst_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """What the token file keeps of it: `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def add(path: Path, name: str, scopes: Sequence[str]) -> str:
    """Make a token and put its entry into the file, which is made (for its owner alone) when there is none.

    The file is replaced at once, so that a running gateway never reads half of it. Raises ConfigError when the file or
    the entry cannot be used.
    """
    try:
        before = path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: the token file cannot be read: {error}"]) from error
    token = make_token()
    listed = ", ".join(f'"{scope}"' for scope in dict.fromkeys(scopes))
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    entry = f'[[token]]\nname = "{quoted}"\nhash = "{hash_token(token)}"\nscopes = [{listed}]\n'
    text = f"{before.rstrip()}\n\n{entry}" if before.strip() else entry
    parse_tokens(text, where=str(path))
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        if path.exists():
            shutil.copymode(path, fresh)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ConfigError([f"{path}: the token file cannot be written: {error.strerror}"]) from error
    return token


def parse_tokens(text: str, *, where: str) -> tuple[Token, ...]:
    """Raises ConfigError with every defect, each as `where: …`. Hashes are never quoted."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{where}: no TOML: {error}"]) from error
    problems = [f"{where}: unknown key {key!r}; allowed: token" for key in document if key != "token"]
    entries = document.get("token", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.append(f"{where}: write each token as a table [[token]]")
        entries = []
    tokens: dict[str, Token] = {}
    for number, entry in enumerate(entries, 1):
        found = _defects(entry)
        if not found and entry["name"] in tokens:
            found = ["its name is given twice"]
        if found:
            problems += [f"{where}: token {number} ({entry.get('name')!r}): {defect}" for defect in found]
        else:
            scopes = frozenset(Scope(scope) for scope in entry["scopes"])
            tokens[entry["name"]] = Token(entry["name"], entry["hash"], scopes)
    if problems:
        raise ConfigError(problems)
    return tuple(tokens.values())


def _defects(entry: dict[str, object]) -> list[str]:
    found = [f"unknown key {key!r}; allowed: {', '.join(sorted(_KEYS))}" for key in entry if key not in _KEYS]
    name, hashed, scopes = entry.get("name"), entry.get("hash"), entry.get("scopes")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        found.append("name: letters, digits, '_', '.' and '-', at most 64")
    if not isinstance(hashed, str) or _HASH.fullmatch(hashed) is None:
        found.append("hash: sha256: and 64 lower-case hexadecimal digits, as `lineside token` writes it")
    if not isinstance(scopes, list) or not scopes or any(scope not in tuple(Scope) for scope in scopes):
        found.append(f"scopes: one or more of {', '.join(Scope)}")
    return found


class Tokens:
    """The file's tokens, read again when it changes. A change that cannot be read leaves the last good ones valid, and
    `/readyz` and the log say so."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when the file cannot be used."""
        self._path = path
        self.problem = ""
        self.since: Micros = times.now()
        self._seen = self._stamp()
        self._tokens = self._load()

    def find(self, token: str) -> Token | None:
        """The entry of a token that somebody presents."""
        return self.with_hash(hash_token(token))

    def with_hash(self, hashed: str) -> Token | None:
        """The entry with this hash. Takes as long for the first as for the last."""
        self._refresh()
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.hash, hashed):
                found = token
        return found

    def _refresh(self) -> None:
        seen = self._stamp()
        if seen == self._seen:
            return
        self._seen = seen
        self.since = times.now()
        try:
            self._tokens = self._load()
        except ConfigError as error:
            self.problem = str(error)
            log.warning("the changed token file is not used: %s", error)
            return
        self.problem = ""
        log.info("%s: %d tokens read", self._path.name, len(self._tokens))

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _load(self) -> tuple[Token, ...]:
        try:
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([f"{self._path}: the token file cannot be read: {error}"]) from error
        return parse_tokens(text, where=str(self._path))
