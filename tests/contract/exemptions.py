"""What a rig need not prove, and what its adapter does not keep yet, each with the reason.

The reasons are shown by pytest, and the table in docs/adapters.md is compared with this one. An exemption says that a
promise has no meaning for a protocol. A defect says that it has, and that it is broken: its test runs, must fail, and
has to be taken from this list once it does not.
"""

from __future__ import annotations

from typing import NamedTuple


class Exemption(NamedTuple):
    """rigs, tests: by name; every one of these tests for every one of these rigs."""

    rigs: tuple[str, ...]
    tests: tuple[str, ...]
    reason: str


EXEMPT: tuple[Exemption, ...] = (
    Exemption(
        ("cfx-mqtt", "cfx-mqtt-qos0", "cfx-amqp-broker"),
        ("test_a_silent_unit_does_not_delay_the_others",),
        "the broker hands on what machines have said; none of them has a turn that others would wait for",
    ),
    Exemption(
        ("cfx-mqtt-qos0",),
        (
            "test_nothing_is_acknowledged_before_the_commit",
            "test_what_is_committed_is_acknowledged",
            "test_a_crash_before_the_commit_brings_it_again",
            "test_an_acknowledgement_of_a_closed_connection_means_nothing",
            "test_what_nobody_can_read_is_acknowledged",
            "test_replaying_acknowledges_nothing",
            "test_a_lost_acknowledgement_stores_nothing_twice",
        ),
        "QoS 0 has no acknowledgement, and the broker sends nothing again",
    ),
    Exemption(
        ("tcp-text", "tcp-text-asked", "serial-text"),
        (
            "test_nothing_is_acknowledged_before_the_commit",
            "test_what_is_committed_is_acknowledged",
            "test_a_crash_before_the_commit_brings_it_again",
            "test_an_acknowledgement_of_a_closed_connection_means_nothing",
            "test_what_nobody_can_read_is_acknowledged",
            "test_replaying_acknowledges_nothing",
            "test_a_lost_acknowledgement_stores_nothing_twice",
        ),
        "text has no acknowledgement, and the machine says nothing again",
    ),
    Exemption(
        ("tcp-text", "tcp-text-asked", "serial-text"),
        ("test_a_silent_unit_does_not_delay_the_others",),
        "each connection has one machine, for nothing in its text says whose it is",
    ),
    Exemption(
        ("tcp-text", "serial-text"),
        ("test_a_mute_peer_is_given_up", "test_a_peer_that_hangs"),
        "a machine that is not asked may say nothing for hours: one that hangs cannot be told from it",
    ),
    Exemption(
        ("tcp-text-asked",),
        ("test_a_slow_reader_bounds_what_is_read",),
        "while nobody takes what it has said it is not asked, and says nothing; one answer is bounded as on tcp-text",
    ),
    Exemption(
        ("hermes-vertical",),
        (
            "test_nothing_is_acknowledged_before_the_commit",
            "test_what_is_committed_is_acknowledged",
            "test_a_crash_before_the_commit_brings_it_again",
            "test_an_acknowledgement_of_a_closed_connection_means_nothing",
            "test_what_nobody_can_read_is_acknowledged",
            "test_replaying_acknowledges_nothing",
            "test_a_lost_acknowledgement_stores_nothing_twice",
        ),
        "Hermes has no acknowledgement, and machines keep nothing for supervisors that are away",
    ),
    Exemption(
        ("hermes-vertical",),
        ("test_a_silent_unit_does_not_delay_the_others",),
        "each connection has one machine, which describes itself at its beginning",
    ),
    Exemption(
        ("modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"),
        (
            "test_nothing_is_acknowledged_before_the_commit",
            "test_what_is_committed_is_acknowledged",
            "test_a_crash_before_the_commit_brings_it_again",
            "test_an_acknowledgement_of_a_closed_connection_means_nothing",
            "test_what_nobody_can_read_is_acknowledged",
            "test_replaying_acknowledges_nothing",
            "test_a_lost_acknowledgement_stores_nothing_twice",
        ),
        "registers have no acknowledgement, and hold only what is so now",
    ),
    Exemption(
        ("modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"),
        ("test_what_nobody_can_read_stops_nothing", "test_what_nobody_can_read_goes_to_quarantine"),
        "an answer that does not fit its request is never a frame, and a register that makes no sense is a value that is "
        "not known (tests/integration/modbus)",
    ),
    Exemption(
        ("modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"),
        ("test_a_slow_reader_bounds_what_is_read",),
        "nothing is asked for while nobody takes the last answer, and none is larger than 260 bytes",
    ),
    Exemption(
        ("opcua",),
        (
            "test_nothing_is_acknowledged_before_the_commit",
            "test_what_is_committed_is_acknowledged",
            "test_a_crash_before_the_commit_brings_it_again",
            "test_an_acknowledgement_of_a_closed_connection_means_nothing",
            "test_what_nobody_can_read_is_acknowledged",
            "test_replaying_acknowledges_nothing",
            "test_a_lost_acknowledgement_stores_nothing_twice",
        ),
        "a server sends again within one session only, and another process has another, which begins with what is so now "
        "(tests/integration/opcua has the session that is taken up again)",
    ),
    Exemption(
        ("opcua",),
        ("test_a_silent_unit_does_not_delay_the_others",),
        "the server speaks for all machines behind it: that one is silent is the status of its values",
    ),
    Exemption(
        ("files", "files-growing"),
        ("test_closes_in_time_while_connecting", "test_a_mute_peer_is_given_up", "test_a_peer_that_hangs"),
        "a local folder cannot be made to hang; tests/integration/files has one whose look does not end",
    ),
    Exemption(
        ("files", "files-growing"),
        ("test_a_silent_unit_does_not_delay_the_others",),
        "each connection has one machine: a folder with the files of two is two connections with two patterns",
    ),
    Exemption(
        ("files-growing",),
        (
            "test_a_lost_acknowledgement_stores_nothing_twice",
            "test_replaying_acknowledges_nothing",
        ),
        "its acknowledgement is the position in the journal, which is committed with the events and cannot be lost",
    ),
)

DEFECTS: tuple[Exemption, ...] = ()

UNPROVEN: dict[str, str] = {}
"""Protocols in the registry that the suite does not run with. A rig takes its protocol off this list."""
