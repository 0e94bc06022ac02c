"""The exception tree. Adapters and sinks translate their libraries' errors into these at their edge."""

from __future__ import annotations


class LinesideError(Exception):
    """Root of everything that Lineside raises on purpose."""


class ConfigError(LinesideError):
    """The configuration cannot be used. Fatal at start, never retried.

    `problems` holds one line per defect, each with file, line or key, and what is allowed.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(LinesideError):
    """Something between us and a machine. Only the supervisor catches it."""


class NotConnected(SourceError):
    """The peer cannot be reached or has gone. The supervisor backs off and connects again.

    `retry_after_s`: the peer asked for this pause in seconds, if it did.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceEnded(SourceError):
    """A finite source (a replay) has no more to give. The supervisor stops it without complaint."""


class DecodeError(SourceError):
    """A frame, or a part of one, cannot be understood: it goes to quarantine and is acknowledged.

    `reason` is a stable code for counters and the API (`bad-json`, `too-large`, ...); the message explains.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidMessage(LinesideError):
    """A CFX message that we were about to emit does not fit the catalogue. A defect on our side."""


class JournalError(LinesideError):
    """The journal cannot be opened, read or written."""


class JournalBusy(JournalError):
    """Another process owns the data folder. `owner` is what its lock file says."""

    def __init__(self, message: str, *, owner: dict[str, object]) -> None:
        super().__init__(message)
        self.owner = owner


class CursorGone(JournalError):
    """A position that this journal does not have: expired, of another journal, or in the future.

    `reason` is one of `expired`, `foreign`, `future`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RetryRefused(LinesideError):
    """A quarantined message cannot be put through again, whatever has changed since."""
