"""What SQLite complains of: what is on the disk, or the disk."""

from __future__ import annotations

from sqlalchemy.exc import DatabaseError

_CORRUPT, _NOT_A_DATABASE = 11, 26
DAMAGE = (_CORRUPT, _NOT_A_DATABASE)
"""Its primary result codes for what makes no sense."""


def is_damage(error: DatabaseError) -> bool:
    """Whether SQLite says that what it read makes no sense."""
    return error_code(error) in DAMAGE


def error_code(error: DatabaseError) -> int:
    """SQLite's primary result code; 0 when the error is not SQLite's."""
    return int(getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF
