"""The beginning of a new profile: everything that the class needs, to be filled in, and everything that it can use."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from gateway.profile.models import PROTOCOLS, NodeProfile, RegisterProfile
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec, Vocabulary


def skeleton(vocabulary: Vocabulary, protocol: str) -> str:
    """TOML with comments. `lineside profile test` then says what is still missing.

    Raises KeyError for a protocol that has no profiles.
    """
    model = PROTOCOLS[protocol]
    parts = _registers if model is RegisterProfile else _nodes if model is NodeProfile else _texts
    return "\n".join([*_head(vocabulary, protocol), *parts(vocabulary)]) + "\n"


def _head(vocabulary: Vocabulary, protocol: str) -> Iterator[str]:
    yield "# Fill in what stands empty, delete what the machine does not have, and try it: lineside profile test FILE"
    yield f'class = "{vocabulary.machine_class}"'
    yield f'protocol = "{protocol}"'
    yield "models = []                              # maker and model, of every machine that it fits"
    yield 'evidence = { level = "datasheet", source = "" } # the document and page; capture or site once that is so'
    yield ""


def _registers(vocabulary: Vocabulary) -> Iterator[str]:
    yield '# word_order = "little"                  # where the low register of 32 bits comes first'
    yield ""
    yield "[poll.fast]"
    yield 'every = "1s"'
    yield 'table = "input"                          # coil, discrete, input or holding'
    yield "# start =                                # first address, from 0: register 30001 of a manual is input 0"
    yield "# count ="
    yield ""
    needed = [spec for spec in vocabulary.signals.values() if spec.required]
    for spec in needed:
        yield from _signal(spec, "")
    yield "# What else the class can use:"
    yield ""
    for spec in vocabulary.signals.values():
        if not spec.required:
            yield from _signal(spec, "# ")
    yield "# [[alarm]]"
    yield "# at ="
    yield "# bit ="
    yield '# code = ""'
    yield '# text = ""'
    yield '# severity = "Error"                     # Information, Warning, Error, Alarm'


def _nodes(vocabulary: Vocabulary) -> Iterator[str]:
    yield "# lineside browse opc.tcp://HOST:4840 shows what the server has, and proposes a profile."
    yield "[subscribe.fast]"
    yield 'publish = "200ms"'
    yield ""
    needed = [spec for spec in vocabulary.signals.values() if spec.required]
    for spec in needed:
        yield from _signal(spec, "", nodes=True)
    yield "# What else the class can use:"
    yield ""
    for spec in vocabulary.signals.values():
        if not spec.required:
            yield from _signal(spec, "# ", nodes=True)
    yield "# [[alarm]]"
    yield '# node = ""                              # or condition = "", for an alarm of the server\'s own'
    yield '# code = ""'
    yield '# text = ""'
    yield '# severity = "Error"                     # Information, Warning, Error, Alarm'


_OF_REGISTERS = ("length =", "scale =")


def _signal(spec: SignalSpec, mark: str, *, nodes: bool = False) -> Iterator[str]:
    yield from _comment(_meaning(spec))
    name = f'"{spec.name}"' if "." in spec.name else spec.name
    yield f"{mark}[signal.{name}]"
    lines = [line for line in _by_kind(spec) if not nodes or line not in _OF_REGISTERS]
    for line in (*(('node = ""',) if nodes else ("at =", 'type = ""')), *lines, "example ="):
        yield f"{mark or '# '}{line}"
    yield ""


def _meaning(spec: SignalSpec) -> str:
    also = [part for part, has in (("lane", spec.lane), ("stage", spec.stage)) if has]
    signs = {"lane": f"{spec.name}@1", "stage": f"{spec.name}:NAME"}
    places = (
        f" One for each {' and '.join(also)} if they differ: {', '.join(signs[part] for part in also)}." if also else ""
    )
    return spec.meaning + places


def _by_kind(spec: SignalSpec) -> Iterator[str]:
    if spec.array:
        yield "array ="
    if spec.kind is Kind.NUMBER:
        yield "scale ="
        if spec.unit not in (None, "1"):
            yield f'unit = "{spec.unit}"'
    if spec.kind is Kind.COUNTER:
        yield "modulus = 65536"
        yield 'reset = ["power"]'
    if spec.kind is Kind.STATE:
        yield 'map = { 0 = "SBY", 1 = "PRD", 2 = "USD" }'
    elif spec.choices:
        yield f'map = {{ 0 = "{spec.choices[0]}" }} # {", ".join(spec.choices)}'
    elif spec.kind is Kind.TEXT:
        yield "length ="


def _texts(vocabulary: Vocabulary) -> Iterator[str]:
    yield "[frame]"
    yield 'kind = "lines"                           # or document: a frame is a whole file'
    yield 'encoding = "utf-8"'
    yield ""
    yield "# One [[record]] for each kind of line, or of group of lines, that says something."
    yield "# Of what this class understands, keep what the machine tells:"
    yield ""
    for record in vocabulary.records.values():
        yield from _record(record)


def _record(record: RecordSpec) -> Iterator[str]:
    nested = f" In it may be: {', '.join(record.children)}." if record.children else ""
    yield from _comment(record.meaning + nested)
    yield "# [[record]]"
    yield f'# name = "{record.name}"'
    yield "# pattern = '''...(?P<name>...)...'''    # or begin and end"
    for field in record.fields:
        yield f'# fields.{_key(field.name)} = {{ group = "{field.name.replace(".", "_")}"{_unit(field)} }} # {_what(field)}'
    yield "# example = { text = '', fields = {} }"
    yield ""


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _unit(field: FieldSpec) -> str:
    return f', unit = "{field.unit}"' if field.unit not in (None, "1") else ""


def _what(field: FieldSpec) -> str:
    choices = f" ({', '.join(field.choices)})" if field.choices else ""
    return f"{field.kind.value}{', required' if field.required else ''}: {field.meaning}{choices}"


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in wrap(text, 110))
