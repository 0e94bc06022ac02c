"""The pages of a journal's file, to damage some of them."""

from __future__ import annotations

from pathlib import Path

from gateway.journal.database import reader_engine

PAGE = 4096


def pages_of(path: Path, name: str) -> tuple[list[int], list[int]]:
    """The pages of a table or index: those that lead to others, and those with the rows, in their order."""
    engine = reader_engine(path, connections=1)
    with engine.connect() as connection:
        root = connection.exec_driver_sql("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).scalar_one()
    engine.dispose()
    data = path.read_bytes()
    leading: list[int] = []
    last: list[int] = []

    def walk(number: int) -> None:
        page = data[(number - 1) * PAGE : number * PAGE]
        if page[0] in (10, 13):
            last.append(number)
            return
        leading.append(number)
        for cell in range(int.from_bytes(page[3:5])):
            at = int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell])
            walk(int.from_bytes(page[at : at + 4]))
        walk(int.from_bytes(page[8:12]))

    walk(root)
    return leading, last


def leaves(path: Path, name: str) -> list[int]:
    return pages_of(path, name)[1]


def spoil(path: Path, *pages: int, with_: bytes = b"\xff" * PAGE) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(with_)
