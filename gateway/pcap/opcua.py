"""OPC UA out of a network capture, without encryption: what a server published or was asked for, of nodes of the profiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from adapters.opcua_frame import change, happening, micros
from gateway.capture.form import Wire
from gateway.core.times import Micros
from gateway.pcap.opcua_chunks import Chunks, Message
from gateway.pcap.opcua_nodes import Known, Meant
from gateway.pcap.opcua_watch import Told, Watch
from gateway.pcap.reader import Context, Role
from gateway.profile.bound_nodes import Change
from gateway.profile.node_frame import Payload, encode

_NOW, _NAMESPACES = ua.NodeId(2258), ua.NodeId(2255)
_VALUE, _NOTIFIER = int(ua.AttributeIds.Value), int(ua.AttributeIds.EventNotifier)


def _type(name: str) -> int:
    number: int = getattr(ua.ObjectIds, f"{name}_Encoding_DefaultBinary")
    return number


_ASKING: Mapping[int, Any] = {
    _type(each.__name__): each
    for each in (
        ua.CreateMonitoredItemsRequest,
        ua.ReadRequest,
        ua.RepublishRequest,
        ua.TranslateBrowsePathsToNodeIdsRequest,
    )
}
_HISTORY = _type("HistoryReadResponse")
_FAULT = _type("ServiceFault")


class OpcUaReader:
    """Of one TCP connection. What was subscribed to is known to all of the same server: a session may go on over another."""

    role = Role.OTHER
    client = ""

    def __init__(self, context: Context) -> None:
        self.told: Counter[str] = Counter()
        self._emit = context.emit
        self._known: Known = context.shared.setdefault("known", Known(context.machines))
        self._watches: dict[int, Watch] = context.shared.setdefault("watches", {})
        self._taken: set[str] = context.shared.setdefault("taken", set())
        self._read_before: set[Meant] = context.shared.setdefault("read", set())
        self._asked: dict[int, Any] = {}
        self._sides = {each: Chunks(self.told, joined=context.joined) for each in (True, False)}
        self._answers: Mapping[int, tuple[Any, Callable[[Any, Any, Micros], None]]] = {
            _type("CreateMonitoredItemsResponse"): (ua.CreateMonitoredItemsResponse, self._created),
            _type("PublishResponse"): (ua.PublishResponse, self._published),
            _type("ReadResponse"): (ua.ReadResponse, self._read),
            _type("RepublishResponse"): (ua.RepublishResponse, self._republished),
            _type("TranslateBrowsePathsToNodeIdsResponse"): (ua.TranslateBrowsePathsToNodeIdsResponse, self._led),
        }

    def feed(self, data: bytes, at: Micros, *, of_client: bool) -> None:
        for message in self._sides[of_client].feed(data):
            try:
                self._take(message, at, of_client=of_client)
            except Exception as error:  # noqa: BLE001  the library's, for whatever a peer has written
                self.told[f"messages that make no sense: {type(error).__name__}"] += 1

    def missing(self, count: int, *, of_client: bool) -> None:
        self._sides[of_client].missing()

    def _take(self, message: Message, at: Micros, *, of_client: bool) -> None:
        if of_client:
            if message.type in _ASKING:
                asked = struct_from_binary(_ASKING[message.type], Buffer(message.body))
                self._asked[message.request] = asked
        elif message.type == _HISTORY:
            self.told["answers with what a server has recorded (history)"] += 1
        elif message.type in self._answers:
            type_, take = self._answers[message.type]
            take(self._asked.pop(message.request, None), struct_from_binary(type_, Buffer(message.body)), at)
        elif message.type == _FAULT:
            self._asked.pop(message.request, None)

    # Answers

    def _led(self, asked: Any, answer: Any, at: Micros) -> None:
        if asked is not None:
            for path, result in zip(asked.Parameters.BrowsePaths, answer.Results, strict=False):
                self._known.learn_path(path, result)

    def _created(self, asked: Any, answer: Any, at: Micros) -> None:
        if asked is None:
            self.told["subscriptions whose beginning is not in the recording"] += 1
            return
        parameters = asked.Parameters
        watch = self._watches.setdefault(parameters.SubscriptionId, Watch())
        for item, result in zip(parameters.ItemsToCreate, answer.Results, strict=False):
            handle, what = item.RequestedParameters.ClientHandle, item.ItemToMonitor
            attribute = int(what.AttributeId)
            if attribute == _NOTIFIER:
                watch.events[handle] = self._known.events(what.NodeId, item.RequestedParameters.Filter)
                self.told["event filters with nothing of a profile"] += not watch.events[handle]
            elif attribute == _VALUE and what.NodeId == _NOW:
                watch.beats.add(handle)
            elif attribute == _VALUE and (meant := self._known.nodes(what.NodeId)):
                if result.StatusCode.is_bad():
                    watch.refused += [(each, result.StatusCode.value) for each in meant]
                else:
                    watch.nodes[handle] = list(meant)
            else:
                self.told["monitored items that no profile names"] += 1

    def _published(self, asked: Any, answer: Any, at: Micros) -> None:
        result = answer.Parameters
        watch = self._watches.get(result.SubscriptionId)
        message = result.NotificationMessage
        if watch is None:
            if message.NotificationData:
                self.told["notifications of subscriptions that were made before the recording"] += 1
            return
        if not watch.channels:
            watch.settle(self._taken)
            self._tell_refused(watch, at)
        number = message.SequenceNumber
        if watch.expected is not None and number > watch.expected:
            self.told["notifications that are not in the recording"] += number - watch.expected
        if not message.NotificationData:
            watch.expected = number
        elif watch.expected is None or number >= watch.expected:
            watch.expected = number + 1
            self._deliver(watch, message, at, redelivered=False)

    def _republished(self, asked: Any, answer: Any, at: Micros) -> None:
        watch = None if asked is None else self._watches.get(asked.Parameters.SubscriptionId)
        if watch is not None and answer.NotificationMessage.NotificationData:
            number = answer.NotificationMessage.SequenceNumber
            if watch.expected == number:
                watch.expected = number + 1
            self._deliver(watch, answer.NotificationMessage, at, redelivered=True)

    def _read(self, asked: Any, answer: Any, at: Micros) -> None:
        """The namespaces; and of nodes that nobody has subscribed to what somebody who polls was told."""
        if asked is None:
            return
        found: dict[tuple[str, str], list[Change]] = {}
        subscribed = {each for watch in self._watches.values() for one in watch.nodes.values() for each in one}
        for what, value in zip(asked.Parameters.NodesToRead, answer.Results, strict=False):
            if int(what.AttributeId) != _VALUE:
                continue
            if what.NodeId == _NAMESPACES and value.Value is not None and value.Value.Value:
                self._known.learn_namespaces(value.Value.Value)
                continue
            for meant in self._known.nodes(what.NodeId):
                if meant not in subscribed:
                    old = meant not in self._read_before
                    self._read_before.add(meant)
                    said = change(meant.text, value, old=old)
                    found.setdefault((meant.station, meant.channel), []).append(said)
        for (station, channel), changes in found.items():
            self._frame(station, channel, Payload(v=tuple(changes)), at)

    # Frames

    def _tell_refused(self, watch: Watch, at: Micros) -> None:
        found: dict[tuple[str, str], list[Change]] = {}
        for meant, code in watch.refused:
            if meant.channel in watch.channels:
                found.setdefault((meant.station, meant.channel), []).append(Change(k=meant.text, s=code))
        for (station, channel), changes in found.items():
            self._frame(station, channel, Payload(v=tuple(changes)), at)

    def _deliver(self, watch: Watch, message: Any, at: Micros, *, redelivered: bool) -> None:
        told: dict[str, Told] = {channel: Told(station) for channel, station in watch.channels.items()}
        beat: Micros | None = None
        for data in message.NotificationData:
            if isinstance(data, ua.DataChangeNotification):
                for item in data.MonitoredItems:
                    handle, value = item.ClientHandle, item.Value
                    if handle in watch.beats:
                        now = None if value.Value is None else value.Value.Value
                        beat = micros(now) if isinstance(now, datetime) else beat
                        continue
                    old = handle not in watch.begun
                    watch.begun.add(handle)
                    for meant in watch.nodes.get(handle, ()):
                        if meant.channel in told:
                            told[meant.channel].changes.append(change(meant.text, value, old=old))
            elif isinstance(data, ua.EventNotificationList):
                for item in data.Events:
                    self._happened(watch, item, told)
        for channel, each in told.items():
            if each.changes or each.happenings or beat is not None:
                payload = Payload(h=beat, v=tuple(each.changes), e=tuple(each.happenings))
                self._frame(each.station, channel, payload, at, redelivered=redelivered)

    def _happened(self, watch: Watch, item: Any, told: Mapping[str, Told]) -> None:
        for selected in watch.events.get(item.ClientHandle, ()):
            fields = item.EventFields
            kind = None if selected.kind is None else fields[selected.kind].Value
            other = selected.type is not None and not self._known.is_type(selected.type, kind)
            if other or selected.channel not in told:
                continue
            chosen = [ua.Variant() if place is None else fields[place] for place in selected.places]
            said = happening(selected.event.key, chosen)
            told[selected.channel].happenings += watch.held(selected, said)

    def _frame(self, station: str, channel: str, payload: Payload, at: Micros, *, redelivered: bool = False) -> None:
        self._emit(at, Wire(channel, encode(payload), redelivered, peer=station))
