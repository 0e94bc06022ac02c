"""The report that a tester makes of a panel, as its profile reads it: the same on a serial port and in a folder.

A profile of text has patterns, which `simulators.voices.written` turns round. From the facts comes first what the machine
has to say, as a tree of records in the class's words (`findings`), of which is written what the profile has room for.

    layout = Layout.load("electrical_test/example-flying-probe", folders)   # once; or Layout(loaded.profile)
    known = Known(station)                                                 # once
    known.hear(fact)                                                       # every fact of the line, the last one too
    report = report_of(layout, tested, known)                              # of the station's own Tested
    report.template.render(when, zone)                                     # bytes, lines ended, when it is played
    report.told                                                            # WorkStarted, UnitsTested, WorkCompleted
"""

from __future__ import annotations

from typing import NamedTuple

from simulators.model.facts import Inspected, Tested
from simulators.voices import findings, off_line, written
from simulators.voices.items import Item
from simulators.voices.known import Known
from simulators.voices.layout import Layout
from simulators.voices.template import Template
from simulators.voices.voice import Told


class Report(NamedTuple):
    """template: all of it, with `render(when, zone) -> bytes`. told: what the gateway is to make of it, off line.

    head: what stands in front of the first one in a file, such as the names of columns.
    """

    template: Template
    told: tuple[Told, ...]
    head: Template | None = None


def report_of(layout: Layout, result: Tested | Inspected, known: Known, *, anonymous: bool = False) -> Report:
    """layout: of the machine's profile. known: has heard every fact up to this one. anonymous: it names no panel and no
    board, since the machine has no reader.

    Raises ValueError where the profile cannot be written, or has no room for it: a name with a blank where its pattern
    allows none.
    """
    find = findings.test(layout, result, known) if isinstance(result, Tested) else findings.inspection(layout, result, known)  # fmt: skip
    made = written.write(layout, _nameless(find) if anonymous else find)
    return Report(made.template, off_line.told(result.station, made.item, result.at), made.head)


def _nameless(item: Item) -> Item:
    fields = {name: word for name, word in item.fields.items() if name != "unit"}
    return Item(item.name, fields, tuple(map(_nameless, item.children)))
