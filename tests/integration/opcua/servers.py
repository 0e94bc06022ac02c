"""An oven with an OPC UA server of asyncua's, in a thread of this process, on a free port of loopback."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from asyncua import Server, ua

from adapters.opcua import OpcUaAdapter
from adapters.opcua_settings import OpcUaConnection
from gateway.core.frame import Delivery, Notice
from gateway.core.observation import Observation
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Machine
from gateway.profile.load import load
from tests.unit.profile.words import vocabulary

T = TypeVar("T")

URI = "http://acme.example/oven"
PROFILE = """
class = "tester"
models = ["T"]
evidence = { level = "example" }
protocol = "opcua"

[subscribe.fast]
publish = "50ms"
sample = "10ms"

[signal.state]
node = "nsu=http://acme.example/oven;s=State"
map = { 0 = "SBY_NoProduct", 1 = "PRD_RegularWork" }
example = "PRD_RegularWork"

[signal.pressure]
node = "ns=2;s=Pressure"
unit = "bar"
example = 2.0

[signal."units.out"]
path = "Objects/2:Oven/2:Count"
modulus = 65536
example = 1042

[signal."zone.temperature"]
node = "ns=2;s=Zones"
array = 3
unit = "Cel"
example = [150.0, 160.0, 170.0]

[signal."recipe.name"]
node = "ns=2;s=Recipe"
example = "P-1"

[[alarm]]
node = "ns=2;s=Word"
bit = 3
code = "E3"
text = "too hot"
severity = "Alarm"
"""


_KINDS: dict[str, tuple[Any, ua.VariantType]] = {
    "State": (1, ua.VariantType.Int32),
    "Pressure": (2.0, ua.VariantType.Double),
    "Count": (7, ua.VariantType.UInt16),
    "Zones": ([150.0, 160.0, 170.0], ua.VariantType.Float),
    "Recipe": ("P-0", ua.VariantType.String),
    "Word": (0, ua.VariantType.UInt16),
}


class Oven:
    """On an event loop of its own, for it takes seconds to make one: several tests share it.

    nodes: by name. port: of the server.
    """

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.index = 0
        self.nodes: dict[str, Any] = {}
        self.kinds = {name: kind for name, (_, kind) in _KINDS.items()}
        self.tested: Any = None
        self._loop = loop

    async def there(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs on the server's loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    @property
    def port(self) -> int:
        return int(self.server.bserver._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def make(self) -> None:
        await self.server.init()
        # A server may change a node's type; this one would refuse it.
        self.server.iserver.aspace._is_expected_variant_type = lambda *value: True
        self.server.set_endpoint("opc.tcp://127.0.0.1:0")
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self.index = await self.server.register_namespace(URI)
        folder = await self.server.nodes.objects.add_object(self.index, "Oven")
        for name, (value, kind) in _KINDS.items():
            self.nodes[name] = await folder.add_variable(
                ua.NodeId(name, self.index), ua.QualifiedName(name, self.index), value, varianttype=kind
            )
        self.tested = await self.server.create_custom_event_type(
            self.index,
            "BoardTested",
            properties=[("BoardId", ua.VariantType.String), ("Good", ua.VariantType.Boolean)],
        )
        await self.server.start()

    async def add(self, name: str, value: Any) -> None:
        await self.there(self._add(name, value))

    async def _add(self, name: str, value: Any) -> None:
        folder = await self.server.nodes.objects.get_child([f"{self.index}:Oven"])
        await folder.add_variable(ua.NodeId(name, self.index), ua.QualifiedName(name, self.index), value)

    async def variable(self, name: str, value: Any, kind: ua.VariantType) -> None:
        """One more node, which `say` knows."""

        async def work() -> None:
            folder = await self.server.nodes.objects.get_child([f"{self.index}:Oven"])
            self.nodes[name] = await folder.add_variable(
                ua.NodeId(name, self.index), ua.QualifiedName(name, self.index), value, varianttype=kind
            )
            self.kinds[name] = kind

        await self.there(work())

    async def say(self, name: str, *values: Any, at: datetime | None = None, status: int = 0) -> list[datetime]:
        """Writes values of the node's type, or others as variants, with a source time stamp: a millisecond apart from `at`
        on, or now. Returns these."""
        return await self.there(self._say(name, values, at, status))

    async def _say(self, name: str, values: Sequence[Any], at: datetime | None, status: int) -> list[datetime]:
        stamps = []
        for number, value in enumerate(values):
            variant = value if isinstance(value, ua.Variant) else ua.Variant(value, self.kinds[name])
            now = datetime.now(UTC)
            stamp = now if at is None else at + timedelta(milliseconds=number)
            stamps.append(stamp)
            node = self.nodes[name].nodeid
            await self.server.write_attribute_value(
                node, ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=stamp, ServerTimestamp=now)
            )
        return stamps

    async def test(self, board: str, *, good: bool, at: datetime | None = None) -> None:
        """Tells of a board with an event."""
        await self.there(self._test(board, good, at or datetime.now(UTC)))

    async def _test(self, board: str, good: bool, at: datetime) -> None:
        events = await self.server.get_event_generator(self.tested)
        events.event.BoardId, events.event.Good = board, good
        await events.trigger(time_attr=at)

    def subscriptions(self) -> int:
        return len(self.server.iserver.subscription_service.subscriptions)

    async def forget(self) -> None:
        """All subscriptions, without a word to anybody."""
        service = self.server.iserver.subscription_service

        async def work() -> None:
            for each in list(service.subscriptions.values()):
                await each.stop()
            service.subscriptions.clear()

        await self.there(work())

    async def fall_silent(self) -> None:
        """Subscriptions go on, and have no items any more."""

        async def work() -> None:
            for each in self.server.iserver.subscription_service.subscriptions.values():
                each.monitored_item_srv.delete_all_monitored_items()

        await self.there(work())

    async def as_before(self) -> None:
        """The values that it began with."""
        await self.there(self._again())

    async def _again(self) -> None:
        for name, (value, _) in _KINDS.items():
            await self._say(name, (value,), None, 0)


@contextmanager
def oven() -> Iterator[Oven]:
    """Runs while the block does."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="oven", daemon=True)
    thread.start()

    async def begin() -> Oven:
        made = Oven(Server(), loop)
        await made.make()
        return made

    made = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(_end(made.server), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: Server) -> None:
    await server.stop()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def profile(folder: Path, text: str = PROFILE, name: str = "oven") -> Bound:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    loaded = load(str(path), ())
    return bind(loaded.profile, vocabulary(), loaded.name, written=loaded.written)


def adapter(url: str, *machines: Machine, positions: dict[str, bytes] | None = None, **more: Any) -> OpcUaAdapter:
    settings = {
        "protocol": "opcua",
        "name": "oven",
        "url": url,
        "keepalive_s": 0.5,
        "answer_timeout_s": 2.0,
        "connect_timeout_s": 5.0,
        "session_timeout_s": 10.0,
        **more,
    }
    return OpcUaAdapter(OpcUaConnection.model_validate(settings), machines, positions)


class Ear:
    """Reads an adapter's connection, acknowledging everything at once."""

    def __init__(self, adapter: OpcUaAdapter) -> None:
        self.adapter = adapter
        self.deliveries: list[Delivery] = []
        self.notices: list[Notice] = []
        self.observations: list[Observation] = []

    async def hear(self, items: AsyncIterator[Delivery | Notice], until: Callable[[], bool]) -> None:
        """Until that is so."""
        async with asyncio.timeout(10):
            while not until():
                self.take(await anext(items))

    def take(self, item: Delivery | Notice) -> None:
        if isinstance(item, Notice):
            self.notices.append(item)
            return
        self.deliveries.append(item)
        self.observations += self.adapter.decode(item.frame)
        item.ack()
