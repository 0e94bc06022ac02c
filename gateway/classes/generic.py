"""Any machine: states, faults, program, and units that come, are worked on and go."""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.machine_class import MachineClass

CLASS = MachineClass(
    name="generic",
    title="Any machine",
    vocabulary=common.vocabulary("generic"),
    messages=common.WORKING,
    requirements=common.REQUIREMENTS,
)
