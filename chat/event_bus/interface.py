"""What Veche asks of an event bus, whatever it is made of.

The bus carries stored events to the rest of the world: at least once, and the first time in the
order of each room. Kafka is one, a Redis Stream on the log server the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from chat.errors import RetryableError, VecheError
from chat.events.envelope import TOPIC as TOPIC


class Record(msgspec.Struct, frozen=True):
    """An event on its way to the bus. All records of a room keep their order."""

    room: int
    seq: int
    value: bytes


class Delivered(msgspec.Struct, frozen=True):
    """A record as it was read back. `position` is where reading its partition goes on after it.

    `value` is None for a record without one, which is not ours.
    """

    partition: int
    position: str
    key: bytes
    value: bytes | None


class HeldBack(RetryableError):
    """Not sent, because an earlier record of its room was not taken."""


class BusMisconfigured(RetryableError):
    """The bus is not what the settings say. A person must mend it; nothing is lost meanwhile."""


class Reader(Protocol):
    """Reads the whole topic, each partition in order. For one thread; close it after use."""

    def read(self, limit: int, wait_seconds: float) -> list[Delivered]:
        """At most `limit` records, [] when none comes within `wait_seconds`.

        Raises: RetryableError.
        """

    def close(self) -> None: ...


class Checked(msgspec.Struct, frozen=True):
    """What the bus is at the moment. `weaknesses`: settings that let it lose what it has."""

    id: str
    weaknesses: list[str]


class EventBus(Protocol):
    name: str

    def prepare(self) -> str:
        """Connects, makes the topic when it is missing and checks it; says which bus that is.

        The answer is asked for anew each time. The same one before and after publishing means
        that what was acknowledged in between is on that bus; another one, that the bus was lost
        or deleted and made again. Bounded in time.

        Raises: RetryableError when the bus is away; BusMisconfigured.
        """

    def holds(self, known: str) -> bool:
        """Whether what was published on the bus that `prepare` called `known` is on this one.

        "" is one of which only the kind is known. Raises: RetryableError; BusMisconfigured when
        it is there, but the events of a room would go on in another partition.
        """

    def check(self) -> Checked:
        """As `prepare`, but keeps nothing open: for a process that is about to fork."""

    def publish(self, records: Sequence[Record], within_seconds: float) -> list[VecheError | None]:
        """Sends `records` and waits for every acknowledgement; one outcome for each record.

        None: the bus has it, as durably as it keeps anything. PermanentError: it is refused and
        always will be. RetryableError: it may be there or not. What follows a record of the same
        room that is not there is not sent (`HeldBack`), so publishing again from there on keeps
        the room's order. Never raises for what the bus does; never waits much longer than
        `within_seconds`.
        """

    def reader(self, after: Mapping[int, str] | None = None) -> Reader:
        """A reader that goes on after the given positions, from the start where there is none.

        Raises: RetryableError.
        """

    def starts(self) -> dict[int, str]:
        """The position before the oldest record that is left, of every partition.

        "0" or "0-0" where nothing was ever removed. Raises: RetryableError.
        """

    def positions_at(self, moment: datetime) -> dict[int, str]:
        """Positions from which on a reader meets everything that came after `moment`.

        Raises: RetryableError.
        """

    def ends(self) -> dict[int, str]:
        """The position after the last record of every partition. Raises: RetryableError."""

    def empty_unless_restored(self) -> bool:
        """After a backup was put back: makes the bus hold nothing that the backup does not.

        A bus that came back with the log stays as it is, and the answer is False. Any other loses
        every record, for good, and the answer is True: all has to be published again. Positions go
        on from where they were, so a reader that stands anywhere meets all of that.

        Raises: RetryableError.
        """

    def close(self) -> None:
        """Lets the connections of this process go. The bus can be used again afterwards."""
