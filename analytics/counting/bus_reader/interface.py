"""What the consumer needs of an event bus. Positions belong to the consumer, not to the bus."""

from __future__ import annotations

from typing import Protocol

from analytics.counting.records import Record


class EventBusReader(Protocol):
    """Reads the partitions assigned to this process. For one thread; close it after use.

    A partition returns nothing before the consumer has said where to begin (`seek`): if it is
    new here, or came back, it is in `unplaced`.
    """

    name: str
    """Names the bus and the topic in `ConsumedPartition.bus`."""

    standby_seconds: float
    """How long a process whose work another one has done leaves it to it."""

    def unplaced(self) -> set[int]:
        """Partitions of this process that wait for `seek`."""

    def seek(self, partition: int, position: str) -> None:
        """Continues after `position`; "" is the beginning. The same holds for what is left of a
        bus that has lost its content and begun again.

        Raises: Unavailable.
        """

    def pause(self, partition: int) -> None:
        """Returns nothing more of the partition until the next `seek`."""

    def read(self, limit: int, wait_seconds: float) -> dict[int, list[Record]]:
        """At most `limit` records, in order within each partition; {} if none comes in time.

        Raises: Unavailable.
        """

    def waiting(self, partition: int) -> int | None:
        """How many records on the bus follow the last one that was read; None: unknown."""

    def passed(self, partition: int, position: str) -> None:
        """Tells the bus that everything up to `position` has been processed. Never raises."""

    def ends(self) -> dict[int, str]:
        """The position after the newest record of every partition of the topic, ours or not.

        An empty partition may have none. Raises: Unavailable.
        """

    def forget(self) -> None:
        """Like `close`, and makes the bus forget the group, which nobody will use any more.

        Raises: Unavailable.
        """

    def close(self) -> None:
        """Gives up the partitions, so that others need not wait for them. Never raises."""
