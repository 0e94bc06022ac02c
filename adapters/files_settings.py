"""Settings of a `files` connection: which files of a folder are read, when, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from adapters.files_names import Names
from gateway.core.files import LocalPath
from gateway.core.sizes import Bytes

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_TEXT = {"type": "string", "minLength": 1}
Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_several),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}),
]
AtLeastOne = Annotated[
    Patterns,
    Field(min_length=1),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}),
]

_KEPT = 32 << 20
"""What quarantine keeps of one frame: a larger file that nobody can read must not be deleted."""


class FilesConnection(BaseModel):
    """A `[[connection]]` with `protocol = "files"`: a folder that a machine writes into."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    profile_protocol: ClassVar[str] = "files"
    """What its machine's profile names as its protocol."""

    protocol: Literal["files"]
    name: str = Field(min_length=1, description="Name of the connection, unique in the gateway.")
    path: LocalPath = Field(description="The folder.")
    pattern: AtLeastOne = Field(
        description="Which files in it, or a list of patterns: `*` and `?` stand for anything in a name, `**/` for any "
        "folders below. Links are never followed."
    )
    parts: Patterns = Field(
        default=(),
        description="Files that belong to each and are read behind it, `{}` standing for what its `*` stands for: with "
        '`pattern = "*.sum"`, `["{}.det"]`. It waits until they are there.',
    )
    beside: Patterns = Field(
        default=(), description='Files that go with it when it is moved or deleted, and are not read: `["{}_*.jpg"]`.'
    )
    trigger: str | None = Field(
        default=None, description='A file is whole when this one is there: `"{}.ok"`. Left out: when it has settled.'
    )
    settle_s: Seconds = Field(default=2.0, description="A file that has not changed for so long is whole.")
    every_s: Seconds = Field(default=1.0, description="How often is looked, should nothing have been noticed before.")
    notify: Literal["auto", "off"] = Field(
        default="auto",
        description="Whether the system is asked to tell of changes, which leads to a look at once. It knows only of those that "
        "are made on this computer: on network drives, and wherever it does not tell, there are the looks of `every_s`.",
    )
    after: Literal["leave", "move", "delete"] = Field(
        default="leave", description="What becomes of a file when all that is in it is stored."
    )
    move_to: LocalPath | None = Field(default=None, description="Where files are moved to. On the same file system.")
    errors: LocalPath = Field(
        default=Path("data/errors"),
        validate_default=True,
        description="Folder of ours for a report on each file that was not wholly understood, below the connection's name. "
        "Of a file that is moved it is beside that, in `error` below `move_to`.",
    )
    most_file_bytes: Bytes = Field(
        default=_KEPT, ge=1024, description="A file that is read as a whole and is larger goes to quarantine unread."
    )
    most_line_bytes: Bytes = Field(
        default=1 << 20, ge=64, description="A longer line goes to quarantine with as many bytes."
    )
    look_timeout_s: Seconds = Field(
        default=30.0, description="A folder, such as one on another computer, that does not answer for so long is lost."
    )

    @field_validator("pattern", "parts", "beside")
    @classmethod
    def _inside(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if each.startswith("/") or ".." in each.split("/") or "\\" in each or "\0" in each:
                raise ValueError(f"{each!r} leaves the folder; allowed: names and folders below it, with `/` between")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        templates = (*self.parts, *self.beside, *((self.trigger,) if self.trigger is not None else ()))
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"{template!r} must have one {{}}, for what the `*` of the pattern stands for")
        for pattern in self.pattern if templates else ():
            if pattern.rpartition("/")[2].count("*") != 1:
                raise ValueError(f"{pattern!r} must have one `*` in its last part, for `{{}}` to stand for it")
        for template in (*self.parts, *((self.trigger,) if self.trigger is not None else ())):
            if "*" in template or "?" in template:
                raise ValueError(f"{template!r} must be one name")
        if (self.after == "move") is (self.move_to is None):
            raise ValueError('`after = "move"` and `move_to` belong together')
        if self.errors.is_relative_to(self.path):
            raise ValueError("`errors` lies in `path`; that is the machine's, and reports go to a folder of ours")
        if self.after == "delete" and self.most_file_bytes > _KEPT:
            raise ValueError(
                '`most_file_bytes` with `after = "delete"`: at most 32MiB, for that is what quarantine keeps'
            )
        return self

    @property
    def names(self) -> Names:
        return Names(self.pattern, parts=self.parts, beside=self.beside, trigger=self.trigger)

    def warnings(self) -> list[str]:
        """What is allowed and hardly meant. Opens nothing."""
        if self.settle_s >= self.every_s or self.trigger is not None:
            return []
        return [f"{self.name}: settle_s = {self.settle_s:g} is below every_s: one look is enough to call a file whole"]
