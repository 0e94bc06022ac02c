"""The Modbus adapter without a schedule: decoding, what it is made of, and looking once at each poll."""

from __future__ import annotations

import pytest

from adapters.modbus import Look, ModbusAdapter, look
from adapters.modbus_settings import ModbusTcpConnection
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Frame
from gateway.core.observation import Readings
from gateway.profile.bound import Block, Machine, Table
from gateway.profile.register_frame import encode
from tests.build import until
from tests.integration.modbus.peers import Echo, contents, listening
from tests.integration.modbus.profiles import device, poll
from tests.servers import free_port

POLLS = (
    poll("inputs", (0, 1), (65, 60), table=Table.INPUT),
    poll("coils", (7, 1), (1_000, 9), table=Table.COIL),
)
SETTINGS = ModbusTcpConnection(protocol="modbus-tcp", name="oven", host="127.0.0.1", port=1)


def test_decoding_is_pure_and_says_what_is_wrong() -> None:
    adapter = ModbusAdapter(SETTINGS, [device("L1.oven", 1, poll("p", (0, 2)))])

    def decoded(channel: str, payload: bytes) -> Readings:
        (only,) = adapter.decode(Frame(connection="oven", received=1, channel=channel, payload=payload))
        assert isinstance(only, Readings)
        return only

    payload = encode([Block(Table.HOLDING, 0, 2, b"\0\1\0\2")])
    assert decoded("L1.oven/p", payload) == decoded("L1.oven/p", payload)
    assert decoded("L1.oven/p", payload).values == (1, 2)
    assert decoded("L1.oven/p", b"").values == (None, None)
    for channel in ("L1.oven/q", "L1.other/p", "", "L1.oven"):
        with pytest.raises(DecodeError) as caught:
            decoded(channel, payload)
        assert caught.value.reason == "unknown-channel"
    with pytest.raises(DecodeError) as caught:
        decoded("L1.oven/p", payload[:-1])
    assert caught.value.reason == "bad-blocks"


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ([], "oven: no station is on it"),
        ([device("L1.oven", 1)], "oven: L1.oven: profile 'test/addresses' has nothing to poll"),
        (
            [device("L1.oven", 1, poll("p", (0, 1))), device("L1.oven", 2, poll("p", (0, 1)))],
            "a station is on it twice",
        ),
        ([device("L1.oven", 1, poll("p", (0, 1), every_s=0.0))], "L1.oven: poll 'p': every is 0; allowed: any time"),
        ([device("L1.oven", 1, poll("p", (0, 126)))], "poll 'p': the value at 0 is 126 long; allowed at once: 125"),
    ],
)
def test_what_does_not_go_together(devices: list[Machine], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ModbusAdapter(SETTINGS, devices)
    (problem,) = caught.value.problems
    assert words in problem


async def test_look_reads_every_poll_once() -> None:
    async with listening(echo := Echo(units=(3,), illegal={101})) as listener:
        settings = SETTINGS.model_copy(update={"port": listener.port})
        found = [each async for each in look(settings, device("L1.oven", 3, poll("p", (100, 1), (101, 1)), *POLLS))]
        assert [each.poll.name for each in found] == ["p", "inputs", "coils"]
        assert found[0].blocks == (
            Block(Table.HOLDING, 100, 1, contents(3, 100, 1)),
            Block(Table.HOLDING, 101, 1, exception=2),
        )
        assert found[1] == Look(POLLS[0], (Block(Table.INPUT, 0, 125, contents(4, 0, 125)),))
        await until(lambda: not echo.open)


async def test_look_at_what_is_silent_or_absent() -> None:
    async with listening(Echo(units=())) as listener:
        settings = SETTINGS.model_copy(update={"port": listener.port, "answer_timeout_s": 0.05})
        found = [each async for each in look(settings, device("L1.oven", 3, *POLLS))]
        assert [(each.blocks, each.problem) for each in found] == [((), "unit 3: no answer within 0.05 s")] * 2
    with pytest.raises(NotConnected):
        await anext(look(SETTINGS.model_copy(update={"port": free_port()}), device("L1.oven", 3, *POLLS)))
