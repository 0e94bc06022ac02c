"""Files that grow all shift: read from where reading stopped, in whole lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from adapters import files_tail
from adapters.files_desk import Desk, Found
from adapters.files_folder import Look, Seen
from gateway.transport.serial_port import words


class GrownFiles:
    """Of one connection. delimiter: of lines."""

    def __init__(self, desk: Desk, delimiter: bytes) -> None:
        self._desk = desk
        self._delimiter = delimiter
        self._exhausted: dict[str, Seen] = {}  # as they were when there was no more to read in them

    async def read(self, look: Look) -> AsyncGenerator[Found]:
        """What was added to each, the file first that was written first."""
        for name in self._exhausted.keys() - look.files.keys():
            del self._exhausted[name]
        for name, seen in sorted(look.files.items(), key=lambda item: (item[1].mtime, item[0])):
            while self._exhausted.get(name) != seen:
                try:
                    piece = await self._added(name, seen)
                except OSError as error:
                    if not isinstance(error, FileNotFoundError):  # a file that is gone has no more lines
                        for found in self._desk.problem(name, "unreadable-file", words(error)):
                            yield found
                    break
                if piece is None:
                    self._exhausted[name] = seen
                elif piece.too_long:
                    detail = f"a line is longer than {self._desk.settings.most_line_bytes} bytes; its beginning is kept"
                    yield self._desk.found(name, piece.data, piece.mark, problem="too-long", detail=detail)
                elif piece.data:
                    yield self._desk.found(name, piece.data, piece.mark)
                else:
                    self._desk.note(name, piece.mark)

    async def _added(self, name: str, seen: Seen) -> files_tail.Piece | None:
        return await self._desk.aside(
            files_tail.added,
            self._desk.folder,
            name,
            seen,
            self._desk.mark(name),
            delimiter=self._delimiter,
            most_line=self._desk.settings.most_line_bytes,
        )
