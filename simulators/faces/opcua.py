"""The OPC UA face of a simulated machine: a server with the nodes, events and alarms that its profile names.

It is a server like any other: whatever speaks OPC UA can talk to it. Nothing can be written to it. Values have the times
of the machine's clock, and so does the server.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from asyncua import ua
from asyncua.common.event_objects import AlarmCondition, BaseEvent
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.core import times
from gateway.core.times import Micros, to_datetime
from gateway.profile.bound import Bound
from simulators.faces.opcua_faults import Fault, Trouble
from simulators.faces.opcua_server import MachineServer
from simulators.faces.opcua_space import Space, examples, said, variant
from simulators.faces.switches import Failing
from simulators.voices.opcua_nodes import Alarmed, Output, Raised, Shown
from simulators.voices.voice import When

_SEVERITIES = {"Information": 100, "Warning": 400, "Error": 700, "Alarm": 900}
"""OPC 10000-5, 6.4.2: 1 to 1000; the four words of CFX in equal steps, an assumption."""
_URI = "urn:lineside:simulated-machine"


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """port: 0 takes a free one. pki: folder of the server's certificate, which is made there when it is not; it has
    secured endpoints then (Basic256Sha256), beside the open one, and trusts every client."""

    host: str = "127.0.0.1"
    port: int = 0
    pki: Path | None = None


@asynccontextmanager
async def serve(place: Listen, bound: Bound, beginning: Mapping[str, Any] | None = None) -> AsyncIterator[OpcUaFace]:
    """Serves until the block is left. beginning: what nodes show at first, by node; left out: the profile's examples.

    Raises LinesideError when it cannot listen there, ValueError for a profile without nodes.
    """
    server = await machine_server(place, bound.models[0])
    space = Space(server, bound)
    first = examples(bound) if beginning is None else beginning
    await space.build(first)
    face = OpcUaFace(server, space, bound, first)
    try:
        await server.start()
        yield face
    finally:
        await face.close()


async def machine_server(place: Listen, name: str) -> MachineServer:
    """With nothing in it yet, and not yet listening."""
    server = MachineServer()
    await server.init()
    # A machine may change a node's type; the library's server would refuse that.
    server.iserver.aspace._is_expected_variant_type = lambda *value: True
    server.set_endpoint(f"opc.tcp://{place.host}:{place.port}")
    server.set_server_name(name)
    await server.set_application_uri(_URI)
    policies = [ua.SecurityPolicyType.NoSecurity]
    if place.pki is not None:
        await _certified(server, place.pki, place.host)
        policies += [ua.SecurityPolicyType.Basic256Sha256_Sign, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
    server.set_security_policy(policies)
    return server


async def _certified(server: MachineServer, pki: Path, host: str) -> None:
    certificate, key = pki / "certificate.der", pki / "private-key.pem"
    await asyncio.to_thread(pki.mkdir, parents=True, exist_ok=True)
    await setup_self_signed_certificate(
        key, certificate, _URI, host, [ExtendedKeyUsageOID.SERVER_AUTH], {"commonName": "Simulated machine"}
    )
    await server.load_certificate(certificate)
    await server.load_private_key(key)


class OpcUaFace(Failing[Fault]):
    """Shows and raises what a voice says (simulators.voices.voice.Face), and can be made to fail
    (simulators.script.Switchboard)."""

    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self, server: MachineServer, space: Space, bound: Bound, beginning: Mapping[str, Any]) -> None:
        self._server = server
        self._space = space
        self._bound = bound
        self._faults: list[Fault] = []
        self._values = dict(beginning)
        self._late: deque[tuple[float, Output, When]] = deque()
        self._catching_up: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        listener = self._server.listener
        assert listener is not None
        return listener.hostname, listener.port

    @property
    def url(self) -> str:
        host, port = self.address
        return f"opc.tcp://[{host}]:{port}" if ":" in host else f"opc.tcp://{host}:{port}"

    @property
    def subscriptions(self) -> int:
        """How many clients' subscriptions there are."""
        return len(self._server.iserver.subscription_service.subscriptions)

    async def put(self, output: Output, when: When) -> None:
        late = self._met(Trouble.LATE)
        if late is None and not self._late:
            await self._now(output, when)
            return
        seconds = 0.0 if late is None else late.seconds
        self._late.append((asyncio.get_running_loop().time() + seconds, output, when))
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._catch_up(), name=f"late at {self.url}")

    async def close(self) -> None:
        """Ends the server, its sessions, and what is still to come late."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            with suppress(asyncio.CancelledError):
                await self._catching_up
        await self._server.stop()

    async def _catch_up(self) -> None:
        """In order, each when it is due."""
        while self._late:
            due, output, when = self._late[0]
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await self._now(output, when)
            self._late.popleft()

    async def _now(self, output: Output, when: When) -> None:
        at = when.instant(output.at)
        if not self._late:
            self._server.clock_offset = at - times.now()
        if isinstance(output, Shown):
            for node, value in output.values.items():
                self._values[node] = value
                await self._show(node, at)
        elif isinstance(output, Raised):
            await self._raise(output, at, when)
        else:
            await self._alarm(output, at)

    # -- values

    async def _show(self, node: str, at: Micros) -> None:
        """As the lasting faults have it."""
        fault = next((each for each in self._faults if each.code is not None and self._concerns(each, node)), None)
        value = ua.DataValue(
            variant(self._values[node], self._space.kinds[node]),
            ua.StatusCode(0 if fault is None or fault.code is None else fault.code),
            SourceTimestamp=to_datetime(at),
            ServerTimestamp=to_datetime(at),
        )
        await self._server.write_attribute_value(self._space.variables[node], value)

    def _concerns(self, fault: Fault, node: str) -> bool:
        nodes = self._bound.nodes
        assert nodes is not None
        return fault.node in ("", node) or nodes.node(fault.node) == node

    async def _again(self, fault: Fault) -> None:
        """What it concerns, as it is now."""
        at = times.now() + self._server.clock_offset
        for node in [node for node in self._values if self._concerns(fault, node)]:
            await self._show(node, at)

    def _hide(self) -> None:
        """What is rejected now."""
        self._server.hidden = {
            id_: fault.code
            for fault in self._faults
            if fault.trouble is Trouble.REJECT and fault.code is not None
            for node, id_ in self._space.variables.items()
            if self._concerns(fault, node)
        }

    # -- events

    async def _raise(self, output: Raised, at: Micros, when: When) -> None:
        event, ways = self._space.events[output.event]
        made = BaseEvent()
        made.EventType = self._space.types[event.type]
        made.Severity = 1
        for place, value in output.fields.items():
            name = "/".join(step.name for step in ways[place])
            shown = said(event.fields[place], value, when)
            made.add_property(name, shown.Value, shown.VariantType)
        await self._trigger(made, event.notifier, at)

    async def _alarm(self, output: Alarmed, at: Micros) -> None:
        """Its state now. A condition that is over is of no interest any more (Retain)."""
        event, _ = self._space.events[output.event]
        source = output.condition.source or self._bound.models[0]
        made = AlarmCondition(message=output.text, severity=_SEVERITIES[output.severity])
        made.add_property("NodeId", ua.NodeId(f"{source}.{output.condition.name}", 2), ua.VariantType.NodeId)
        made.SourceName, made.ConditionName = source, output.condition.name
        made.BranchId, made.Retain = ua.NodeId(), output.active
        made.EnabledState = ua.LocalizedText("Enabled")
        made.ActiveState = ua.LocalizedText("Active" if output.active else "Inactive")
        setattr(made, "EnabledState/Id", True)
        setattr(made, "ActiveState/Id", output.active)
        await self._trigger(made, event.notifier, at)

    async def _trigger(self, event: BaseEvent, notifier: str, at: Micros) -> None:
        event.emitting_node = event.SourceNode = self._space.notifiers[notifier]
        event.SourceName = event.SourceName or self._bound.models[0]
        event.EventId = uuid.uuid4().bytes
        event.Time = event.ReceiveTime = to_datetime(at)
        await self._server.iserver.subscription_service.trigger_event(event)

    # -- what goes wrong

    def _met(self, trouble: Trouble) -> Fault | None:
        return next((each for each in self._faults if each.trouble is trouble), None)

    async def begin(self, fault: Fault) -> None:
        """From now on."""
        server, listener = self._server, self._server.listener
        assert listener is not None
        self._faults.append(fault)
        match fault.trouble:
            case Trouble.REFUSE:
                await listener.listen(False)
            case Trouble.DROP:
                await listener.cut()
            case Trouble.STALL:
                listener.hold(True)
            case Trouble.RESTART:
                await listener.listen(False)
                await server.forget_clients()
            case Trouble.FORGET:
                await server.forget_subscriptions()
            case Trouble.SILENT:
                for each in server.iserver.subscription_service.subscriptions.values():
                    each.monitored_item_srv.delete_all_monitored_items()
            case Trouble.REJECT | Trouble.BAD | Trouble.UNCERTAIN:
                self._hide()
                await self._again(fault)

    async def end(self, fault: Fault | None = None) -> None:
        """That one is over; without one, all are."""
        for each in [each for each in self._faults if fault is None or each == fault][: None if fault is None else 1]:
            self._faults.remove(each)
            await self._over(each)

    async def _over(self, fault: Fault) -> None:
        listener = self._server.listener
        assert listener is not None
        closed = self._met(Trouble.REFUSE) or self._met(Trouble.RESTART)
        if fault.trouble is Trouble.RESTART and not closed:
            await self._server.turn_on()
        elif fault.trouble is Trouble.REFUSE and not closed:
            await listener.listen(True)
        elif fault.trouble is Trouble.STALL and self._met(Trouble.STALL) is None:
            listener.hold(False)
        elif fault.code is not None:
            self._hide()
            await self._again(fault)
