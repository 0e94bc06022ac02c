"""Who may connect to a listener: a file of names with hashed passwords and the CFX handles bound to each.

One line per user: `NAME:HASH[:HANDLE[,HANDLE…]]`; empty lines and lines that begin with `#` are left out. HASH is
`scrypt$N$R$P$SALT$KEY` (RFC 7914; salt and key in base64), as `hash_password` writes it, or `certificate` for a name
that is only ever proven by a client certificate. Without handles the user may speak for any.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping

import msgspec

from gateway.core.errors import ConfigError

_N, _R, _P = 1 << 14, 8, 1
_MEMORY = 64 * 1024 * 1024
"""Bound for OpenSSL: a file that asks for more is refused where it is read."""

CERTIFICATE = "certificate"


class _Scrypt(msgspec.Struct, frozen=True):
    n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    def matches(self, password: str) -> bool:
        return hmac.compare_digest(_derive(password, self.salt, self.n, self.r, self.p), self.key)


class User(msgspec.Struct, frozen=True):
    """A name that may connect. `handles` empty: any."""

    name: str
    handles: frozenset[str]
    secret: _Scrypt | None


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def hash_password(password: str, *, salt: bytes | None = None) -> str:
    """The HASH of a users file. Takes some 50 ms by intent."""
    salt = os.urandom(16) if salt is None else salt
    key = _derive(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


# Against this an unknown name is checked, so that it takes as long as a wrong password.
_NOBODY = _Scrypt(_N, _R, _P, b"\x00" * 16, b"\x00" * 32)


class Users:
    """The names of one users file."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = dict(users)

    def check(self, name: str, password: str) -> User | None:
        """The user, if that is the password. Slow by intent; safe to call on another thread."""
        user = self._users.get(name)
        secret = user.secret if user is not None and user.secret is not None else _NOBODY
        matches = secret.matches(password)
        return user if matches and secret is not _NOBODY else None

    def get(self, name: str) -> User | None:
        """By name alone, for a peer that proved it with a certificate."""
        return self._users.get(name)

    @property
    def any_password(self) -> bool:
        """Whether anybody could log in by password, so that PLAIN is worth offering."""
        return any(user.secret is not None for user in self._users.values())


def parse_users(text: str, *, where: str) -> Users:
    """Raises ConfigError with every defect, each as `where:line: …`. Hashes are never quoted."""
    users: dict[str, User] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, _, rest = entry.partition(":")
        hashed, _, handles = rest.partition(":")
        problem = "no name" if not name else "name given twice" if name in users else None
        secret = None
        try:
            secret = None if hashed == CERTIFICATE else _parse_hash(hashed)
        except ValueError as error:
            problem = problem or str(error)
        if problem is not None:
            problems.append(f"{where}:{number}: user {name!r}: {problem}; a line is NAME:HASH[:HANDLE,HANDLE]")
            continue
        bound = frozenset(handle.strip() for handle in handles.split(",") if handle.strip())
        users[name] = User(name, bound, secret)
    if problems:
        raise ConfigError(problems)
    return Users(users)


def _parse_hash(text: str) -> _Scrypt:
    fields = text.split("$")
    if len(fields) != 6 or fields[0] != "scrypt":
        raise ValueError(f"hash is neither scrypt$… nor {CERTIFICATE!r}")
    try:
        n, r, p = (int(field) for field in fields[1:4])
        salt, key = (base64.b64decode(field, validate=True) for field in fields[4:])
    except (ValueError, binascii.Error) as error:
        raise ValueError("hash cannot be read") from error
    if n < 2 or n & (n - 1) or r < 1 or p < 1 or 128 * r * (n + p + 2) > _MEMORY or len(key) != 32 or p > 16:
        raise ValueError("hash has parameters out of range")
    return _Scrypt(n, r, p, salt, key)
