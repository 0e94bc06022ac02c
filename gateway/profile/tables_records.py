"""How a machine's text is read: lines, and the records they make."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.profile.tables import Duration, Lane, Scalar, Stage, Table, Unit

Pattern = Annotated[str, Field(min_length=1, max_length=4_096)]
Path = Annotated[str, Field(min_length=1, max_length=255)]
Group = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class FrameChecksum(Table):
    """What stands behind the ETX of a frame, so that a garbled one is noticed."""

    kind: Literal["xor", "sum", "crc16-modbus", "crc16-ccitt", "crc16-xmodem"] = Field(
        description="`xor` and `sum` of the bytes are one byte. CRC-16: with polynomial 8005 from FFFF, as Modbus has it; "
        "with 1021 from FFFF (`ccitt`) or from 0 (`xmodem`)."
    )
    form: Literal["hex", "byte"] = Field(
        default="hex",
        description="`hex`: as digits. `byte`: as it is; `crc16-modbus` with its low byte first, the others with the high one.",
    )
    marks: Literal["none", "etx", "both"] = Field(
        default="etx", description="Which of STX and ETX are summed up with the text."
    )


class Frame(Table):
    """How bytes become lines, and which of them mean nothing."""

    kind: Literal["lines", "document", "stx-etx", "length", "pause"] = Field(
        default="lines",
        description="`lines`: they come one by one, and a record may go on in the next frame. "
        "`document`: a frame is a whole file, and what is open at its end is closed. Of streams: `stx-etx`: a text "
        "stands between these two; `length`: every text has as many bytes; `pause`: it ends where nothing comes for a while.",
    )
    format: Literal["text", "csv", "xml", "json"] = Field(
        default="text",
        description="Of files: what is in them. `text` is read by patterns, the others by `path`. XML is read in the "
        "encoding that it declares, if `encoding` is left out, and refused with a DTD.",
    )
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="Of CSV: what stands between two columns. Left out: a comma."
    )
    columns: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Of CSV: the names of the columns, where the file does not begin with them."
    )
    encoding: Literal["ascii", "latin-1", "utf-8", "cp1252", "utf-16"] = Field(
        default="utf-8",
        description="Encoding of the text. What is not in it goes to quarantine. `utf-16` only of documents.",
    )
    delimiter: Annotated[str, Field(min_length=1, max_length=8)] = Field(
        default="\n", description="What ends a line. With the default, a carriage return before it is taken away too."
    )
    length: Annotated[int, Field(ge=1, le=65_536)] | None = Field(
        default=None, description="Bytes of each text, of kind `length`."
    )
    checksum: FrameChecksum | None = Field(default=None, description="Of kind `stx-etx`: what follows the ETX.")
    pause: Duration | None = Field(
        default=None,
        description="Of streams: a silence of this length ends a text of kind `pause`; one of another kind that is not "
        "complete by then goes to quarantine, and the next is read.",
    )
    ask: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        description="What the machine is asked with, line end included, where it does not speak by itself.",
    )
    every: Duration | None = Field(default=None, description="How often it is asked.")
    ignore: tuple[Pattern, ...] = Field(
        default=(),
        description="Patterns of lines that mean nothing. Blank lines never do. Any other line that fits "
        "no record goes to quarantine.",
    )


class RecordField(Table):
    """A field of a record: from which group of the patterns, and how its text is read."""

    group: Group | None = Field(
        default=None, description="Named group of the record's patterns. Left out: the field's name, `_` for its dots."
    )
    path: Path | None = Field(
        default=None,
        description="Of XML and JSON: where it is below the record, `head/program`, `@serial` (an attribute), `.` (the record "
        "itself). Of CSV: its column. Left out: the field's name.",
    )
    missing: tuple[str, ...] = Field(default=(), description="Texts that mean that there is no value.")
    map: dict[str, Scalar] = Field(default={}, description="What each text means. What is not in it is no value.")
    decimal: Literal[".", ","] = Field(default=".", description="Decimal sign of numbers.")
    scale: float | None = Field(default=None, description="Factor of numbers.")
    offset: float | None = Field(default=None, description="Added after scaling.")
    unit: Unit | None = Field(
        default=None,
        description="The machine's unit, in UCUM. Converted into the class's. Makes a vendor's own field a number.",
    )
    format: str | None = Field(
        default=None,
        description="Of a time, as for strptime: `%d.%m.%Y %H:%M:%S`. Left out: ISO 8601. A time without zone is in the station's.",
    )


class RecordExample(Table):
    """A text, and what must come out of it."""

    text: str = Field(description="The line, or all lines from the one that begins the record to the one that ends it.")
    fields: dict[str, Scalar] = Field(
        default={},
        description="The fields, numbers in the machine's unit, times as RFC 3339 in UTC (the station being there).",
    )
    time: str | None = Field(default=None, description="When it happened, as RFC 3339 in UTC, if it says so.")
    children: dict[str, int] = Field(default={}, description="How many records of each name must be nested in it.")


class TextRecord(Table):
    """Something that happened: one line (`pattern`), or several from `begin` to `end`. Patterns are in RE2's syntax and
    must fit a whole line; their named groups are what fields are taken from."""

    name: str = Field(description="What it is, in the class's words.")
    pattern: Pattern | None = Field(default=None, description="The line that is the record.")
    begin: Pattern | None = Field(default=None, description="Or the line that it begins with,")
    end: Pattern | None = Field(
        default=None,
        description="and the line that it ends with. Left out: it ends where another one begins beside it, or its parent ends.",
    )
    lines: tuple[Pattern, ...] = Field(default=(), description="Lines between them that say more about it.")
    path: Path | None = Field(
        default=None,
        description="Of XML and JSON: where it is, `/result/panel`; of one that is nested, below what it is nested in.",
    )
    key: tuple[Path, ...] = Field(
        default=(),
        description="Of CSV: columns that are the same in all rows of it. Left out: it is one row.",
    )
    parent: str | None = Field(default=None, description="Name of the record that it is nested in.")
    time: RecordField | None = Field(default=None, description="When it happened, if it says so.")
    fields: dict[str, RecordField] = Field(default={}, description="Its fields, by the class's words.")
    constants: dict[str, Scalar] = Field(default={}, description="Fields that are always the same.")
    lane: Lane | None = Field(default=None, description="The lane it concerns, if always the same,")
    lane_group: Path | None = Field(default=None, description="or the named group, or path, that says it, in digits.")
    stage: Stage | None = Field(default=None, description="The stage it concerns, if always the same,")
    stage_group: Path | None = Field(default=None, description="or the named group, or path, that says it.")
    example: RecordExample = Field(description="A text to try it with; it is read whenever the profile is.")
