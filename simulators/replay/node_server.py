"""An OPC UA server that shows what was captured of another one: its nodes as they were, its events and alarms again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncua import ua

from gateway.core import times
from gateway.core.times import Micros, to_datetime
from gateway.profile.bound_nodes import Change, Event, Happening
from gateway.profile.happenings import REFRESH_END, REFRESH_START
from simulators.faces.opcua import Listen, machine_server
from simulators.faces.opcua_server import Listener, MachineServer
from simulators.faces.opcua_space import Space
from simulators.replay.actor import Seat, Unplayable
from simulators.replay.node_values import Told, data_value, refused, together

_TYPE = 1
"""Place of EventType in gateway.profile.happenings.CONDITION_FIELDS."""


class NodeServer:
    """Made by `begun`. wanted: things that a gateway with the captured profiles watches, as far as they can be seen."""

    def __init__(self, server: MachineServer, spaces: Mapping[str, Space], seats: Sequence[Seat]) -> None:
        self._server = server
        self._spaces = spaces
        self._events: dict[str, dict[str, Event]] = {}
        self._shown: dict[ua.NodeId, Change] = {}
        self._queues: dict[tuple[str, str], int] = {}
        self._ours: set[ua.NodeId] = set()
        for seat in seats:
            assert seat.bound is not None
            assert seat.bound.nodes is not None
            subscriptions = seat.bound.nodes.subscriptions
            self._events[seat.station] = {event.key: event for each in subscriptions for event in each.events}
            self._queues |= {(seat.station, node): max(each.queue, 1) for each in subscriptions for node in each.nodes}
            space = spaces[seat.station]
            self._ours |= {*space.variables.values(), *space.notifiers.values()}

    @property
    def wanted(self) -> int:
        nodes = [self._node(station, node) for station, node in self._queues]
        return sum(node not in self._server.hidden for node in nodes) + sum(map(len, self._events.values()))

    @property
    def address(self) -> tuple[str, int]:
        return self._listener.hostname, self._listener.port

    @property
    def _listener(self) -> Listener:
        assert self._server.listener is not None
        return self._server.listener

    async def open(self) -> None:
        """Raises LinesideError."""
        await self._server.start()

    async def close(self) -> None:
        await self._server.stop()

    # -- who watches

    @property
    def watched(self) -> int:
        """How many things clients watch."""
        return sum(
            item.read_value_id.NodeId in self._ours
            for each in self._server.iserver.subscription_service.subscriptions.values()
            for item in each.monitored_item_srv._monitored_items.values()
        )

    @property
    def owed(self) -> bool:
        """A client has not been told yet of something that has happened."""
        for each in self._server.iserver.subscription_service.subscriptions.values():
            items = each.monitored_item_srv._monitored_items
            for number in (*each._triggered_datachanges, *each._triggered_events):
                if number in items and items[number].read_value_id.NodeId in self._ours:
                    return True
        return False

    async def cut(self) -> None:
        """Nobody can connect any more. Sessions stay."""
        await self._listener.listen(False)
        await self._listener.cut()

    async def come_back(self, *, forgetting: bool) -> None:
        """forgetting: like a server that was started again, without the sessions of before."""
        if forgetting:
            await self._server.forget_clients()
            await self._server.turn_on()
        else:
            await self._listener.listen(True)

    # -- what is said

    def date(self, at: Micros) -> None:
        """The server's clock says so now."""
        self._server.clock_offset = at - times.now()

    def news(self, station: str, changes: Iterable[Change]) -> list[Change]:
        """Without what is shown already: a client is told of that when he comes, and what two stations were told of happened
        once. Raises Unplayable for nodes that there are not."""
        found = []
        for each in changes:
            shown = self._shown.get(self._node(station, each.k))
            if shown is None or _said(shown) != _said(each) or (each.t is None and not each.o):
                found.append(each)
        return found

    def portions(self, station: str, changes: Iterable[Change]) -> Iterator[list[Change]]:
        """As many as a client's queues take."""
        portion: list[Change] = []
        counts: dict[str, int] = {}
        for each in changes:
            if counts.get(each.k, 0) >= self._queues[station, each.k]:
                yield portion
                portion, counts = [], {}
            portion.append(each)
            counts[each.k] = counts.get(each.k, 0) + 1
        if portion:
            yield portion

    async def show(self, station: str, changes: Iterable[Change]) -> None:
        """All at once: nothing is published in between."""
        for each in changes:
            node = self._node(station, each.k)
            if refused(each):
                self._server.hidden[node] = each.s
            else:
                self._server.hidden.pop(node, None)
            before = self._shown.get(node)
            self._shown[node] = each
            if each.y and (before is None or before.y != each.y):
                type_ = ua.DataValue(ua.Variant(ua.NodeId(each.y), ua.VariantType.NodeId))
                await self._server.write_attribute_value(node, type_, ua.AttributeIds.DataType)
            await self._server.write_attribute_value(node, data_value(each))

    async def happen(self, station: str, happenings: Sequence[Happening], *, unseen: bool = False) -> None:
        """unseen: nobody is told; only which alarms there are is known to who asks for them."""
        events = self._events[station]
        unknown = [each.k for each in happenings if each.k not in events]
        if unknown:
            raise Unplayable(f"{unknown[0]!r} is no event of {station}")
        told: dict[Any, Told] | None = None
        for group in together(happenings, events):
            first = group[0]
            made = self._told(station, group)
            if not events[first.k].conditions:
                if not unseen:
                    await self._trigger(made)
                continue
            type_ = _part(first, _TYPE)
            if type_ == REFRESH_START:
                told = {}
            elif type_ == REFRESH_END:
                if told is not None:
                    await self._present(told, unseen=unseen)
                told = None
            elif told is not None:
                told[made.alarm] = made
            else:
                self._keep(made)
                if not unseen:
                    await self._trigger(made)

    async def _present(self, told: Mapping[Any, Told], *, unseen: bool) -> None:
        """These are all the alarms that there are. A client that asks is told so; others of what is news to them."""
        kept: dict[Any, Told] = self._server.iserver.subscription_service._conditions
        before = {**kept}
        kept.clear()
        kept.update(told)
        if unseen:
            return
        for alarm, made in told.items():
            was = before.get(alarm)
            if was is None or was.active is not made.active:
                await self._trigger(made)
        for alarm in before.keys() - told.keys():
            await self._trigger(before[alarm].over())

    def _keep(self, made: Told) -> None:
        kept = self._server.iserver.subscription_service._conditions
        if made.active:
            kept[made.alarm] = made
        else:
            kept.pop(made.alarm, None)

    def _told(self, station: str, group: Sequence[Happening]) -> Told:
        space = self._spaces[station]
        event, _ = space.events[group[0].k]
        said: dict[str, tuple[int, Any]] = {}
        for each in group:
            _, ways = space.events[each.k]
            said |= {"/".join(step.name for step in way): part for way, part in zip(ways, each.v, strict=False)}
        at = self._server.now() if group[0].t is None else to_datetime(group[0].t)
        return Told(space.notifiers[event.notifier], space.types[event.type], said, at)

    async def _trigger(self, event: Told) -> None:
        for each in self._server.iserver.subscription_service.subscriptions.values():
            await each.monitored_item_srv.trigger_event(event)

    def _node(self, station: str, text: str) -> ua.NodeId:
        try:
            return self._spaces[station].variables[text]
        except KeyError:
            raise Unplayable(f"{text!r} is no node of {station}") from None


async def begun(host: str, port: int, seats: Sequence[Seat]) -> NodeServer:
    """With all nodes, which wait for their first values."""
    names = [seat.bound.models[0] for seat in seats if seat.bound is not None]
    server = await machine_server(Listen(host=host, port=port), names[0])
    spaces: dict[str, Space] = {}
    for seat in seats:
        assert seat.bound is not None
        spaces[seat.station] = Space(server, seat.bound)
        await spaces[seat.station].build({})
    return NodeServer(server, spaces, seats)


def _said(change: Change) -> tuple[Any, ...]:
    return change.v, change.y, change.s, change.t


def _part(happening: Happening, place: int) -> Any:
    return happening.v[place][1] if place < len(happening.v) else None
