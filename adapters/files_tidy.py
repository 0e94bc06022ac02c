"""What is done about a file once all that came of it is stored: it is moved or deleted, and what of it could not be
understood is reported."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from adapters.files_desk import Desk, Found, shown
from adapters.files_folder import Changed, Look, TooLarge
from adapters.files_report import Report, Reports
from gateway.core.frame import Frame, Refused
from gateway.transport.serial_port import words

_ERROR = "error"
"""Below the folder of moved files: those that were not wholly understood."""
Judge = Callable[[Frame], list[Refused]]


class Tidying:
    """Of one connection. judge: what of a whole file cannot be understood.

    stuck: what is to be told of files that stay although they should not, and of reports that cannot be written.
    """

    def __init__(self, desk: Desk, reports: Reports, judge: Judge) -> None:
        self._desk = desk
        self._reports = reports
        self._judge = judge
        self.stuck: list[Found] = []

    def stored(self, found: Found) -> bool:
        """What came of it is. Returns whether there is something to be done about that."""
        due = found.tidies or bool(found.refused) or "revision" in found.frame.meta
        if due:
            self._desk.progress.stored.append(found)
        return due

    async def run(self, look: Look) -> None:
        """All that is due. Raises NotConnected; what is left then is done when the folder is there again."""
        stored = self._desk.progress.stored
        while stored:
            found = stored[0]
            moved = await self._away(found, look) if found.tidies else None
            try:
                if found.refused:
                    report = Report(shown(found.name), found.frame, found.refused, found.start)
                    await self._desk.aside(self._reports.write, report, moved)
                elif "sha256" in found.frame.meta and "revision" in found.frame.meta:
                    await self._desk.aside(self._reports.drop, shown(found.name))
            except OSError as error:
                if all(problem != "no-report" for _, problem in self._desk.progress.told):
                    self.stuck += self._desk.problem(found.name, "no-report", words(error))
            stored.popleft()

    async def left(self, names: list[str]) -> None:
        """Files that are stored, and still there although another process, or an earlier connection, should have tidied
        them up. What of them was understood, nobody remembers. Raises NotConnected."""
        progress = self._desk.progress
        known = {found.name for found in (*progress.unacknowledged.values(), *progress.stored)}
        known |= {name for name, problem in progress.told if problem == "left-behind"}
        for name in names:
            mark = self._desk.mark(name)
            if name in known or mark is None:
                continue
            try:
                whole = await self._desk.aside(self._desk.whole, name)
                if whole.sha256 == mark.sha256:
                    found = self._desk.read_again(name, whole.data, mark)
                    found.refused.extend(await self._desk.aside(self._judge, found.frame))
                    progress.stored.append(found)
            except (Changed, TooLarge):
                continue  # it is to be read again
            except OSError as error:
                self.stuck += self._desk.problem(name, "left-behind", words(error))

    async def _away(self, found: Found, look: Look) -> Path | None:
        """Where the file was moved to; None when it was deleted, or is still where it was."""
        mark, settings, name = self._desk.mark(found.name), self._desk.settings, found.name
        if mark is None:
            return None
        target = settings.move_to / _ERROR if settings.move_to is not None and found.refused else settings.move_to
        try:
            moved = await self._desk.aside(self._desk.folder.tidy, name, mark.seen, look, target)
        except (Changed, FileNotFoundError):
            return None  # it is to be read again; or it is gone, perhaps with the whole folder
        except OSError as error:
            self.stuck += self._desk.problem(name, "left-behind", words(error))
            return None
        self._desk.progress.ledger.removed(shown(name))
        return moved


def refused(raw: bytes, reason: str, detail: str) -> Refused:
    """As quarantine has it."""
    return Refused(raw, reason, detail, blake2b(raw, digest_size=16).hexdigest())
