"""What a text profile says about frames, and what is wrong with that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.core.errors import ConfigError, DecodeError
from gateway.core.observation import Unreadable
from gateway.profile.bound import Records
from gateway.profile.grammar import Ask
from gateway.transport.checksums import Checksum
from gateway.transport.framing import Framing
from tests.unit.profile.words import TEXT, bound

RECORD = """
[[record]]
name = "unit.departed"
pattern = "OUT (?P<unit>.+)"
fields.unit = {}
example = { text = "OUT 1", fields = { unit = "1" } }
"""


def records(tmp_path: Path, frame: str) -> Records:
    found = bound(tmp_path, f"{TEXT}[frame]\n{frame}\n{RECORD}").records
    assert found is not None
    return found


def test_a_machine_that_is_asked_for_marked_frames(tmp_path: Path) -> None:
    found = records(
        tmp_path,
        'kind = "stx-etx"\nencoding = "latin-1"\nchecksum = { kind = "crc16-modbus", form = "byte", marks = "none" }\n'
        'ask = "Ü?\\r"\nevery = "500ms"\npause = "50ms"',
    )
    assert found.framing == Framing(
        kind="stx-etx",
        checksum=Checksum(kind="crc16-modbus", form="byte", marks="none"),
        pause_s=0.05,
    )
    assert found.ask == Ask(b"\xdc?\r", 0.5)
    assert found.each(b"\x02OUT 1\x03" + Checksum(kind="crc16-modbus", form="byte").of(b"OUT 1")) == ["OUT 1"]


def test_lines_apart_from_each_other(tmp_path: Path) -> None:
    found = records(tmp_path, 'delimiter = "\\r"')
    assert found.each(b"\xef\xbb\xbfOUT 1\rO\xffT 2\rOUT 3\r") == [
        "OUT 1",
        Unreadable(raw=b"O\xffT 2", reason="bad-text", detail="is not utf-8: invalid start byte at byte 1"),
        "OUT 3",
        "",
    ]
    with pytest.raises(DecodeError, match="is not utf-8"):
        found.each(b"O\xffT 2\r")


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (
            'kind = "document"',
            "kind: 'document' does not belong to serial-text; allowed: lines, stx-etx, length, pause",
        ),
        ('kind = "length"\npause = "1s"', "length: is missing"),
        ('kind = "length"\nlength = 5', "pause: is missing"),
        ('kind = "pause"', "pause: is missing"),
        ("length = 5", "length: does not belong to kind 'lines'"),
        ('checksum = { kind = "xor" }', "checksum: does not belong to kind 'lines'; allowed with: stx-etx"),
        ('checksum = { kind = "md5" }', "checksum.kind"),
        ('ask = "?"', "every: is missing; ask and every belong together"),
        ('every = "1s"', "ask: is missing"),
        ('encoding = "utf-16"', "'utf-16' has no line ends to be found by themselves"),
        ('encoding = "ascii"\nask = "Ü"\nevery = "1s"', "ask: cannot be written in ascii"),
        ('encoding = "ascii"\ndelimiter = "§"', "delimiter: cannot be written in ascii"),
    ],
)
def test_what_is_wrong(tmp_path: Path, frame: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        records(tmp_path, frame)


@pytest.mark.parametrize("key", ['pause = "1s"', 'ask = "?"\nevery = "1s"'])
def test_files_are_not_asked(tmp_path: Path, key: str) -> None:
    text = f"{TEXT}[frame]\n{key}\n{RECORD}".replace("serial-text", "files")
    with pytest.raises(ConfigError, match="does not belong to files"):
        bound(tmp_path, text)
