"""Putting a quarantined message through again, after an update or a change of the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sqlalchemy import select

from gateway.core.adapter import Adapter
from gateway.core.errors import DecodeError, RetryRefused
from gateway.core.frame import Delivery, Frame
from gateway.core.observation import CfxMessage
from gateway.ingest.ingest import Ingest
from gateway.journal import schema
from gateway.journal.reader import Reader
from gateway.journal.transaction import Transaction


class Retry:
    """A native CFX message becomes an event without its station's state: that has moved on since."""

    def __init__(self, ingest: Ingest, reader: Reader, adapters: Mapping[str, Adapter]) -> None:
        self._ingest = ingest
        self._reader = reader
        self._adapters = adapters

    async def __call__(self, number: int) -> bool:
        """True when it is in the journal now (or was already) and out of quarantine; False when it stays there.

        Raises RetryRefused when its bytes are incomplete, its connection is gone, or it was refused for who sent it;
        KeyError when there is no such message.
        """
        q = schema.quarantine.c
        row = await asyncio.to_thread(
            self._reader.call,
            lambda connection: connection.execute(select(schema.quarantine).where(q.id == number)).first(),
        )
        if row is None:
            raise KeyError(number)
        adapter = self._adapters.get(row.source)
        if adapter is None:
            raise RetryRefused(f"connection {row.source!r} is no longer configured")
        if row.size > len(row.raw):
            raise RetryRefused("only the beginning of it was kept")
        if row.reason == "source-mismatch":
            raise RetryRefused("who sent it is no longer known, so neither is whether it might")
        frame = Frame(connection=row.source, received=row.first, channel=row.channel, payload=row.raw)
        try:
            observations = await asyncio.to_thread(adapter.decode, frame)
        except DecodeError:
            return False
        if not observations or not all(isinstance(observation, CfxMessage) for observation in observations):
            return False

        def effect(transaction: Transaction) -> None:
            transaction.release(number)

        return await self._ingest.again(adapter, Delivery(frame), observations, effect)
