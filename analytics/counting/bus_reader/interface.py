"""What the consumer asks of an event bus. The positions belong to the consumer, not to the bus."""

from __future__ import annotations

from typing import Protocol

from analytics.counting.records import Record


class BusReader(Protocol):
    """Reads the partitions that this process has. For one thread; close it after use.

    A partition gives nothing before the consumer has said where to begin (`seek`): when it is
    new here, or came back, it is in `unplaced`.
    """

    name: str
    """Names the bus and the topic in `ConsumedPartition.bus`."""

    standby_seconds: float
    """How long a process whose work another one has done leaves it to it."""

    def unplaced(self) -> set[int]:
        """Partitions that are ours and wait for `seek`."""

    def seek(self, partition: int, position: str) -> None:
        """Goes on after `position`, "" is the beginning; so it does with what is left of a bus
        that has lost what it had and begun anew.

        Raises: Away.
        """

    def pause(self, partition: int) -> None:
        """Gives nothing more of it until the next `seek`."""

    def read(self, limit: int, wait_seconds: float) -> dict[int, list[Record]]:
        """At most `limit` records, in order within each partition; {} when none comes in time.

        Raises: Away.
        """

    def waiting(self, partition: int) -> int | None:
        """Records that are on the bus behind the last one that was read; None: not known."""

    def passed(self, partition: int, position: str) -> None:
        """Tells the bus that everything up to `position` is done with. Never raises."""

    def ends(self) -> dict[int, str]:
        """The position behind the newest record of every partition of the topic, ours or not.

        Where nothing is left there may be none. Raises: Away.
        """

    def forget(self) -> None:
        """As `close`, and lets the bus forget the group, which nobody will read for any more.

        Raises: Away.
        """

    def close(self) -> None:
        """Gives the partitions up, so that others need not wait for them. Never raises."""
