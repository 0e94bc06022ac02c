"""Files as others have laid them there: links, pipes, lines without end, files that change while they are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters import files_tail
from adapters.files_folder import Changed, Folder, TooLarge
from adapters.files_ledger import REMEMBERED_S, Ledger, Mark
from adapters.files_names import Names


def folder(root: Path, pattern: str = "**/*.txt") -> Folder:
    return Folder(root, Names([pattern]))


def test_links_and_pipes_are_not_read(tmp_path: Path) -> None:
    root, outside = tmp_path / "results", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (root / "sub" / "plain.txt").write_text("plain")
    (root / "link.txt").symlink_to(outside / "secret.txt")
    (root / "inside.txt").symlink_to(root / "sub" / "plain.txt")
    (root / "folder").symlink_to(outside)
    os.mkfifo(root / "pipe.txt")
    made = folder(root)
    seen = made.look()
    assert list(seen.files) == ["sub/plain.txt"]
    assert sorted(seen.links) == ["inside.txt", "link.txt"]
    for name in ("link.txt", "folder/secret.txt", "pipe.txt"):
        with pytest.raises(OSError, match=r"Too many levels|Not a directory|is no file"):
            made.whole([name], 1000)


def test_a_folder_that_becomes_a_link_after_the_look(tmp_path: Path) -> None:
    root, outside = tmp_path / "results", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "a.txt").write_text("secret")
    (root / "sub" / "a.txt").write_text("plain")
    made = folder(root)
    (name,) = made.look().files
    (root / "sub").rename(root / "old")
    (root / "sub").symlink_to(outside)
    with pytest.raises(NotADirectoryError):
        made.whole([name], 1000)


def test_a_file_with_its_parts(tmp_path: Path) -> None:
    (tmp_path / "a.sum").write_bytes(b"one")
    (tmp_path / "a.det").write_bytes(b"two\n")
    whole = folder(tmp_path).whole(["a.sum", "a.det"], 1000)
    assert whole.data == b"one\ntwo\n"
    assert whole.seen.size == 7
    with pytest.raises(TooLarge, match="allowed: 5"):
        folder(tmp_path).whole(["a.sum", "a.det"], 5)


def test_a_file_that_was_written_after_it_was_read_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    made = folder(tmp_path)
    whole = made.whole(["a.txt"], 1000)
    path.write_text("another")
    with pytest.raises(Changed):
        made.tidy("a.txt", whole.seen, made.look(), None)
    assert path.read_text() == "another"
    made.tidy("a.txt", made.whole(["a.txt"], 1000).seen, made.look(), None)
    assert not path.exists()


def test_moving_replaces_nothing(tmp_path: Path) -> None:
    root, done = tmp_path / "results", tmp_path / "done"
    root.mkdir()
    made = Folder(root, Names(["*.sum"], beside=["{}_*.jpg"], trigger="{}.ok"))
    for _ in range(2):
        for name in ("a.sum", "a.ok", "a_1.jpg", "b_1.jpg"):
            (root / name).write_text(name)
        made.tidy("a.sum", made.whole(["a.sum"], 1000).seen, made.look(), done)
    assert sorted(path.name for path in done.iterdir()) == [
        "a.ok",
        "a.ok.1",
        "a.sum",
        "a.sum.1",
        "a_1.jpg",
        "a_1.jpg.1",
    ]
    assert [path.name for path in root.iterdir()] == ["b_1.jpg"]


class Tail:
    """A file that grows, and is read."""

    def __init__(self, root: Path, most_line: int = 1 << 20) -> None:
        self.path = root / "shift.txt"
        self.mark: Mark | None = None
        self._folder = folder(root)
        self._most_line = most_line

    def read(self) -> list[tuple[bytes, bool]]:
        found: list[tuple[bytes, bool]] = []
        while True:
            seen = self._folder.look().files["shift.txt"]
            piece = files_tail.added(
                self._folder, "shift.txt", seen, self.mark, delimiter=b"\r\n", most_line=self._most_line
            )
            if piece is None:
                return found
            self.mark = piece.mark
            found += [(piece.data, piece.too_long)] if piece.data else []

    def write(self, text: bytes, mode: str = "ab") -> None:
        with self.path.open(mode) as file:
            file.write(text)


def test_whole_lines_that_were_added(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    tail.write(b"one\r\ntwo\r\nth")
    assert tail.read() == [(b"one\r\ntwo\r\n", False)]
    assert tail.read() == []
    tail.write(b"ree\r")
    assert tail.read() == []
    tail.write(b"\n")
    assert tail.read() == [(b"three\r\n", False)]


@pytest.mark.parametrize("text", [b"new\r\n", b"one\r\ntwx\r\nmore\r\n", b"ONE\r\ntwo\r\nmore\r\n"])
def test_a_file_that_was_rewritten(tmp_path: Path, text: bytes) -> None:
    tail = Tail(tmp_path)
    tail.write(b"one\r\ntwo\r\n")
    tail.read()
    tail.write(text, "wb")
    assert tail.read() == [(text, False)]
    assert tail.mark is not None
    assert tail.mark.revision == 1


def test_a_line_of_a_hundred_megabytes(tmp_path: Path) -> None:
    tail = Tail(tmp_path, most_line=1000)
    tail.write(b"one\r\n")
    with tail.path.open("r+b") as file:
        file.seek(100 << 20)
        file.write(b"x\r")
    assert [(len(data), long) for data, long in tail.read()] == [(5, False), (1000, True)]
    tail.write(b"\ntwo\r\n")
    assert tail.read() == [(b"two\r\n", False)]


def test_much_at_once_comes_in_pieces(tmp_path: Path) -> None:
    tail = Tail(tmp_path, most_line=300_000)
    lines = [b"%d " % n + b"x" * (n * 37 % 290_000) + b"\r\n" for n in range(40)]
    tail.write(b"".join(lines))
    pieces = tail.read()
    assert b"".join(data for data, _ in pieces) == b"".join(lines)
    assert not any(long for _, long in pieces)
    assert max(len(data) for data, _ in pieces) <= 300_002


def test_the_ledger_goes_on_with_what_was_committed() -> None:
    first = Ledger({})
    position = first.advance("a", Mark(size=1, sha256="x"))
    assert position.startswith("1 ")
    second = Ledger({"a": position.encode(), "b": b"7 of another version"})
    assert second.mark("a") == Mark(size=1, sha256="x")
    assert second.mark("b") is None
    assert second.advance("a", Mark()).startswith("2 ")
    assert second.advance("b", Mark()).startswith("8 ")


def test_a_file_that_is_gone_is_remembered_for_a_while() -> None:
    ledger = Ledger({})
    ledger.note("a", Mark(size=1))
    ledger.note("b", Mark(size=1))
    ledger.removed("b")
    absent, forgotten = ledger.gone(frozenset(), 1000, 10)
    assert (absent, forgotten) == ([("a", Mark(size=1, absent=1000))], ["b"])
    ledger.advance(*absent[0])
    ledger.forget("b")
    assert ledger.gone(frozenset(), 1001 + REMEMBERED_S, 10) == ([], ["a"])
    assert ledger.gone({"a"}, 1001 + REMEMBERED_S, 10) == ([], [])
    assert ledger.mark("a") == Mark(size=1), "it is back"
