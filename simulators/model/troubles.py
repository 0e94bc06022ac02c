"""What goes wrong with each kind of machine, in the words of its own list. Codes and texts are made up."""

from __future__ import annotations

from typing import NamedTuple

from simulators.model.scenario import Kind


class Trouble(NamedTuple):
    """severity: of CFX. picking: it happens to a component."""

    code: str
    text: str
    severity: str = "Error"
    picking: bool = False


EXHAUSTED = Trouble("E2011", "Reel is empty", picking=True)

TROUBLES: dict[Kind, tuple[Trouble, ...]] = {
    Kind.LOADER: (Trouble("L110", "Pusher overload"), Trouble("L204", "Magazine not in position")),
    Kind.READER: (),
    Kind.PRINTER: (
        Trouble("P301", "Fiducial was not found"),
        Trouble("P212", "Cleaning paper has run out"),
        Trouble("P120", "Board clamp did not close"),
    ),
    Kind.SPI: (Trouble("S040", "Board warpage out of range"), Trouble("S112", "Board stuck at the inlet")),
    Kind.PLACER: (
        Trouble("E3101", "Component was not picked up", picking=True),
        Trouble("E3204", "Component not recognised", picking=True),
        Trouble("E3307", "Nozzle is clogged", picking=True),
        Trouble("E3402", "Fiducial was not found"),
    ),
    Kind.OVEN: (
        Trouble("W104", "zone 4 below its window", "Warning"),
        Trouble("W200", "oxygen above its limit", "Warning"),
        Trouble("E101", "conveyor does not move", "Alarm"),
    ),
    Kind.AOI: (Trouble("A015", "Board stuck at the outlet"), Trouble("A231", "Camera does not answer")),
    Kind.REVIEW: (),
    Kind.SELECTIVE: (
        Trouble("F012", "Solder level low"),
        Trouble("F033", "Wave height out of range"),
        Trouble("F101", "Flux nozzle blocked"),
    ),
    Kind.XRAY: (Trouble("X007", "Tube warm-up needed"), Trouble("X120", "Door interlock open", "Alarm")),
    Kind.TEST: (Trouble("T404", "Probe needle bent"), Trouble("T110", "Board not clamped")),
}
