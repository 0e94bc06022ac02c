"""What holds for all sides of a comparison alike, and what others measured of these paths."""

from __future__ import annotations

BATCH = 1000
"""Messages of one commit, as in the gateway."""
CREDIT = 1000
"""AMQP deliveries on their way: the same for all, as it decides the rate of each."""

# Messages per second that were reported for these paths, measured once with other messages on a machine like this.
REPORTED = {
    "mqtt": 14_000,
    "mqtt-thread": 14_000,
    "mqtt-faster": 14_000,
    "mqtt-raw": 33_000,
    "amqp-engine": 11_000,
    "amqp-container": 11_000,
    "fanout": 271_000,
    "modbus 1 10": 5_600,  # connections, registers
    "modbus 1 125": 4_600,
    "modbus 10 10": 13_700,
    "modbus 10 125": 10_900,
}
