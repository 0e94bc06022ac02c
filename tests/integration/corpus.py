"""Payloads of machines for tests: the official files beside the repository, and samples of our own."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

EXAMPLES_SOURCE = "Example.Documentation.1"
_WHITE = re.compile(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
_BODY = re.compile(r'"messagebody":', re.IGNORECASE)
_MARK = b"\xef\xbb\xbf"


class Payload(NamedTuple):
    """What a machine sends. id: of the envelope in it, as the file (not our code) has it; None when it is unreadable."""

    name: str
    data: bytes
    id: str | None


def wrapped(name: str, message: str, body: bytes, source: str = EXAMPLES_SOURCE) -> tuple[str, bytes]:
    """UniqueID and text of an envelope around a bare body. By text alone: what is wrong with the body stays wrong."""
    unique_id = str(uuid5(NAMESPACE_URL, name))
    head = (
        f'{{"MessageName":"{message}","Version":"2.1","TimeStamp":"2026-11-20T12:44:33.5+01:00","UniqueID":"{unique_id}",'
        f'"Source":"{source}","Target":null,"RequestID":null,"MessageBody":'
    )
    return unique_id, head.encode() + body + b"}"


def official(shared: Path) -> list[Payload]:
    """The SDK's envelopes and the examples of its documentation: a payload per file, in the order of their names."""
    return [*_wire(shared / "cfx" / "wire"), *_examples(shared / "cfx" / "examples")]


def _wire(folder: Path) -> Iterator[Payload]:
    for path in sorted(folder.glob("*.json")):
        data = path.read_bytes()
        yield Payload(path.name, data, json.loads(data)["UniqueID"])


def _examples(folder: Path) -> Iterator[Payload]:
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            data = (folder / row["file"]).read_bytes()
            if row["kind"] == "envelope":
                unique_id = json.loads(data)["UniqueID"]
            else:
                unique_id, data = wrapped(row["file"], row["MessageName"], data)
            yield Payload(row["file"], data, unique_id if row["parse"] == "ok" else None)


def minified(text: bytes) -> bytes:
    """Without the white space between tokens; the tokens as they are."""
    return _WHITE.sub(lambda match: match[1] or b"", text.removeprefix(_MARK))


def body_of(envelope: bytes) -> bytes:
    """The MessageBody of an envelope, minified."""
    text = minified(envelope).decode()
    match = _BODY.search(text)
    if match is None:
        return b"null"
    _, end = json.JSONDecoder().raw_decode(text, match.end())
    return text[match.end() : end].encode()


def elements(array: bytes) -> list[bytes]:
    """The elements of a JSON array, as they are written."""
    text = array.decode()
    found: list[bytes] = []
    at = text.index("[") + 1
    while True:
        while text[at] in ", \t\r\n":
            at += 1
        if text[at] == "]":
            return found
        _, end = json.JSONDecoder().raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end


def packed_in(message: bytes) -> list[bytes]:
    """The envelopes in a `wire-amqp` file. Its only section after the header part is the body, compressed or not."""
    at = message.find(b"\x1f\x8b")
    if at < 0:
        return [message[message.index(b"{") :]]
    return elements(zlib.decompress(message[at:], zlib.MAX_WBITS | 16))


def unpacked(data: bytes, form: str) -> bytes:
    """What a sample holds, by the ends of its name: `.gz` is gzip, `.b64` base64."""
    for end in reversed(form.split(".")[1:]):
        if end == "gz":
            data = gzip.decompress(data)
        elif end == "b64":
            data = base64.b64decode(data.removeprefix(_MARK))
    return data
