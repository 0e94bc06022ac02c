"""What a machine class is: its words, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from gateway.core.observation import Record
from gateway.profile.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gateway.classes.state import Work
    from gateway.classes.turn import Turn


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """What IPC-2591 asks of this kind of equipment (V2.0, Table 6-1), and what it takes to meet it.

    needs: signals and records of the vocabulary, all of an entry (`a + b`), any of the entries; empty: it cannot be met
    from what such machines tell, `note` says why.
    """

    capability: str
    messages: tuple[str, ...]
    needs: tuple[str, ...] = ()
    note: str = ""


class MachineClass(msgspec.Struct, frozen=True, kw_only=True):
    """name: as in the configuration. title: for people. messages: every CFX message that it can make.

    works: whether units are worked on here: arrivals open work and departures complete it; else they only pass.
    completed: makes the data messages of a unit's work, inside its transaction, just before it is completed.
    records: what to do with each record beside the common ones. looked: called after signals changed that are named in
    `watched`, with their keys.
    fault_type: structure of its faults, below CFX.Structures.
    """

    name: str
    title: str
    vocabulary: Vocabulary
    messages: tuple[str, ...]
    requirements: tuple[Requirement, ...] = ()
    works: bool = True
    completed: Callable[[Turn, Work], None] | None = None
    records: Mapping[str, Callable[[Turn, Record], None]] = {}
    looked: Callable[[Turn, Mapping[str, object]], None] | None = None
    watched: frozenset[str] = frozenset()
    fault_type: str | None = None
