"""A damaged first page made anew: SQLite opens nothing without it.

Everything in the journal's file is found from its first page: the header, and the root of the list of tables. What the list
says is the same in every journal of one version, down to the pages on which tables begin: a file with `auto_vacuum` keeps
those together at its front, in the order in which the tables were made, and none is ever dropped. So the first page and
the list of a new journal fit (SQLite, "Database File Format", 1.3 and 1.6).
"""

from __future__ import annotations

from pathlib import Path

_PAGE = 4096
_HEADER = 100
_INTERIOR, _LEAF = 5, 13
_CHANGED, _PAGES, _FREE, _VALID_FOR = 24, 28, 32, 92


def replace_schema(damaged: Path, fresh: Path) -> None:
    """Put the first page of `fresh`, a new journal, in front, and the rest of its list of tables behind the last page.

    Raises OSError.
    """
    with fresh.open("rb") as source, damaged.open("r+b") as file:
        pages = -(-damaged.stat().st_size // _PAGE)

        def page(number: int) -> bytearray:
            source.seek((number - 1) * _PAGE)
            return bytearray(source.read(_PAGE))

        first = page(1)
        for at in _children(first, _HEADER):
            child = page(int.from_bytes(first[at : at + 4]))
            pages += 1
            first[at : at + 4] = pages.to_bytes(4)
            file.seek((pages - 1) * _PAGE)
            file.write(child)
        first[_PAGES : _PAGES + 4] = pages.to_bytes(4)
        first[_FREE : _FREE + 8] = bytes(8)  # the free pages are of no interest to who only reads
        first[_VALID_FOR : _VALID_FOR + 4] = first[_CHANGED : _CHANGED + 4]
        file.seek(0)
        file.write(first)


def fold_wal(wal: Path, damaged: Path) -> None:
    """Write what the WAL's complete transactions hold into the file itself, as SQLite would if it could open it
    ("WAL-mode File Format", 4.1 to 4.4). Raises OSError."""
    pending: dict[int, int] = {}
    with wal.open("rb") as source, damaged.open("r+b") as file:
        salt = source.read(32)[16:24]
        while len(frame := source.read(24)) == 24 and frame[8:16] == salt:
            pending[int.from_bytes(frame[:4])] = source.tell()
            source.seek(_PAGE, 1)
            if not int.from_bytes(frame[4:8]):
                continue  # more of this transaction follows
            behind = source.tell()
            for number, at in pending.items():
                source.seek(at)
                file.seek((number - 1) * _PAGE)
                file.write(source.read(_PAGE))
            pending.clear()
            source.seek(behind)


def _children(page: bytearray, header: int) -> list[int]:
    """Where on an interior page the numbers of its children are; none on a leaf."""
    kind = page[header]
    if kind == _LEAF:
        return []
    assert kind == _INTERIOR, "a list of tables that is two levels deep at most"
    count = int.from_bytes(page[header + 3 : header + 5])
    cells = [header + 12 + 2 * number for number in range(count)]
    return [int.from_bytes(page[at : at + 2]) for at in cells] + [header + 8]
