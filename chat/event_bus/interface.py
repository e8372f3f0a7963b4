"""What Veche requires of an event bus, whatever implements it.

The event bus carries stored events to the rest of the world: at least once, and the first time in
order in each room. There are two implementations: Kafka, and a Redis Stream on the log server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from chat.errors import RetryableError, VecheError
from chat.events.envelope import TOPIC as TOPIC


class Record(msgspec.Struct, frozen=True):
    """An event on its way to the event bus. All records of a room keep their order."""

    room: int
    seq: int
    value: bytes


class Delivered(msgspec.Struct, frozen=True):
    """A record that was read back. Reading its partition continues after it at `position`.

    `value` is None for a record without a value; Veche writes no such record.
    """

    partition: int
    position: str
    key: bytes
    value: bytes | None


class HeldBack(RetryableError):
    """Not sent, because an earlier record of its room is not on the event bus."""


class EventBusMisconfigured(RetryableError):
    """The event bus differs from the settings. A person must fix it; nothing is lost meanwhile."""


class Reader(Protocol):
    """Reads the whole topic, each partition in order. For one thread; close it after use."""

    def read(self, limit: int, wait_seconds: float) -> list[Delivered]:
        """At most `limit` records, [] when none comes within `wait_seconds`.

        Raises: RetryableError.
        """

    def close(self) -> None: ...


class Checked(msgspec.Struct, frozen=True):
    """The event bus as found. `weaknesses`: settings with which it may lose what it has."""

    id: str
    weaknesses: list[str]


class EventBus(Protocol):
    name: str

    def prepare(self) -> str:
        """Connects, creates the topic if it is missing, and checks it; the id of the event bus.

        The id is asked for anew each time. The same id before and after publishing means that what
        was acknowledged in between is on that event bus. Another id means that the event bus was
        lost, or deleted and created again. Bounded in time.

        Raises: RetryableError when the event bus is down; EventBusMisconfigured.
        """

    def holds(self, known: str) -> bool:
        """Whether what was published on the event bus with the id `known` is on this one.

        "" stands for an event bus of which only the kind is known. Raises: RetryableError;
        EventBusMisconfigured when the events are there, but those of a room would continue in
        another partition.
        """

    def check(self) -> Checked:
        """Like `prepare`, but leaves nothing open: for a process that is about to fork."""

    def publish(self, records: Sequence[Record], within_seconds: float) -> list[VecheError | None]:
        """Sends `records` and waits for every acknowledgement; returns one outcome per record.

        None: the event bus has the record, as durably as it keeps anything. PermanentError: it is
        refused and always will be. RetryableError: it may be there or not. Once a record is not
        there, later records of its room are not sent (`HeldBack`), so publishing again from there
        on keeps the room's order. Never raises for what the event bus does; never waits much longer
        than `within_seconds`.
        """

    def reader(self, after: Mapping[int, str] | None = None) -> Reader:
        """A reader that continues at the given positions, and at the start where there is none.

        Raises: RetryableError.
        """

    def starts(self) -> dict[int, str]:
        """The position before the oldest remaining record of each partition.

        "0" or "0-0" if nothing was ever removed. Raises: RetryableError.
        """

    def positions_at(self, moment: datetime) -> dict[int, str]:
        """Positions from which a reader gets everything that arrived after `moment`.

        Raises: RetryableError.
        """

    def ends(self) -> dict[int, str]:
        """The position after the last record of each partition. Raises: RetryableError."""

    def empty_unless_restored(self) -> bool:
        """After a restore: makes the event bus hold nothing that the backup does not.

        An event bus that was restored with the log stays as it is, and the answer is False. Any
        other permanently loses every record, and the answer is True: everything must be published
        again. Positions continue from where they were, so a reader at any position gets all of it.

        Raises: RetryableError.
        """

    def close(self) -> None:
        """Closes the connections of this process. The event bus can be used again afterwards."""
