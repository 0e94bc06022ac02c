"""The AMQP 1.0 half of `load`: a machine that sends point to point, over proton's engine and a plain socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import proton
from cproton import PN_DELIVERY, ffi, lib

from tests.benchmarks.load import HOST, envelopes

Follow = Callable[[int, socket.socket, Callable[[int, int], int], Callable[[], int]], None]
_TURN = 64


class _Machine:
    """One link of one session; what the listener gives as credit decides how many messages are on their way."""

    def __init__(self, port: int) -> None:
        self.peer = socket.create_connection((HOST, port))
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted = 0
        self._engine = proton.Transport()
        self._connection = proton.Connection()
        self._collector = proton.Collector()
        self._connection.collect(self._collector)
        self._connection.container = "SMTPlus.Model_21232.SN00000"
        self._engine.sasl().allowed_mechs("ANONYMOUS")
        self._engine.bind(self._connection)
        self._connection.open()
        session = self._connection.session()
        session.open()
        link: Any = session.sender("bench")
        link.target.address = "cfx"
        link.open()
        self._link = link
        self.write()
        while link.credit == 0:
            self.read()

    def read(self) -> int:
        data = self.peer.recv(1 << 16)
        if not data:
            raise ConnectionError("the listener has closed")
        while data:
            taken = min(self._engine.capacity(), len(data))
            self._engine.push(data[:taken])
            data = data[taken:]
        collector = self._collector._impl
        while (event := lib.pn_collector_peek(collector)) != ffi.NULL:
            if lib.pn_event_type(event) == PN_DELIVERY:
                delivery = lib.pn_event_delivery(event)
                if lib.pn_delivery_updated(delivery):
                    self.accepted += int(lib.pn_delivery_remote_state(delivery) == proton.Delivery.ACCEPTED)
                    lib.pn_delivery_settle(delivery)
            lib.pn_collector_pop(collector)
        self.write()
        return self.accepted

    def write(self) -> None:
        while (size := self._engine.pending()) > 0:
            self.peer.setblocking(True)
            self.peer.sendall(self._engine.peek(size) or b"")
            self._engine.pop(size)
        self.peer.setblocking(True)

    def post(self, number: int, message: bytes) -> bool:
        if self._link.credit <= 0:
            return False
        self._link.delivery(b"%d" % number)
        self._link.send(message)
        self._link.advance()
        return True


def send(port: int, count: int, follow: Follow) -> None:
    """Every envelope as an SDK sends it, but not compressed: a data section, subject, message id."""
    message = proton.Message()
    encoded: list[bytes] = []
    for number, envelope in enumerate(envelopes(count)):
        message.clear()
        message.inferred = True
        message.subject, message.id, message.body = "cfx", f"{number:032x}", envelope
        encoded.append(message.encode())
    machine = _Machine(port)

    def post(first: int, stop: int) -> int:
        number = first
        while number < min(stop, first + _TURN) and machine.post(number, encoded[number]):
            number += 1
        machine.write()
        machine.peer.setblocking(False)
        return number

    def receive() -> int:
        accepted = machine.read()
        machine.peer.setblocking(False)
        return accepted

    follow(count, machine.peer, post, receive)
