"""Events at chosen times, counted the way the consumer does, and queries about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.test import AsyncClient

from analytics.counting import rollups
from analytics.counting.records import Record, read
from chat.events import EventType, RoomEvent, encode_data, envelope
from chat.models import User


class Story:
    """Events of rooms, in the order in which they are told and at the given times."""

    def __init__(self) -> None:
        self.events: list[RoomEvent] = []
        self._counted = 0
        self._seqs: dict[int, int] = {}

    def tell(
        self, room: int, at: datetime, data: Any, kind: EventType, actor: int | None = 1
    ) -> int:
        """Add an event; returns its seq."""
        seq = self._seqs[room] = self._seqs.get(room, 0) + 1
        self.events.append(
            RoomEvent(
                room=room,
                epoch=1,
                seq=seq,
                n=seq,
                type=kind,
                key=None,
                actor=actor,
                at=at.astimezone(UTC),
                data=msgspec.Raw(encode_data(data)),
            )
        )
        return seq

    def count(self) -> None:
        """Count the new events into the rollups."""
        new = self.events[self._counted :]
        now = datetime.now(UTC)
        records = [
            Record(str(self._counted + number), b"%d" % one.room, envelope.encode(one))
            for number, one in enumerate(new, start=1)
        ]
        begin = rollups.positions("test", [0])[0]
        batch = rollups.Batch(0, begin, [read(record, now) for record in records], waiting=0)
        counted = rollups.count("test", [batch])
        assert counted.events == len(new), counted
        self._counted = len(self.events)


@dataclass(frozen=True)
class Said:
    """An answer of the API."""

    status: int
    body: Any
    text: str
    headers: dict[str, str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.body["rows"]
        return rows


class Asker:
    """A person, or a stranger, who queries the analytics."""

    def __init__(self, user: User | None = None) -> None:
        self._client = AsyncClient()
        self._user = user

    async def ask(
        self,
        operation: str,
        query: dict[str, Any] | Sequence[tuple[str, Any]] = (),
        **headers: str,
    ) -> Said:
        if self._user is not None:
            await self._client.aforce_login(self._user)
            self._user = None
        address = f"/api/v1/analytics/{operation}?{urlencode(query)}"
        response = await self._client.get(address, headers=headers)
        text = response.content.decode("utf-8-sig")
        is_json = "json" in response.headers.get("Content-Type", "") and text
        return Said(
            response.status_code,
            json.loads(text) if is_json else None,
            text,
            dict(response.headers),
        )

    async def page(self, query: str = "") -> Said:
        if self._user is not None:
            await self._client.aforce_login(self._user)
            self._user = None
        response = await self._client.get(f"/analytics/{query}")
        return Said(response.status_code, None, response.content.decode(), dict(response.headers))


def between(events: Iterable[RoomEvent], begin: datetime, end: datetime) -> list[RoomEvent]:
    return [one for one in events if begin <= one.at < end]
