"""Limits dead letters: too many of them mean that the fault is not in the data.

After a bad deploy, or with an outdated schema, every event is refused. Then the shard stops for a
person to look, so that the log or the outbox does not all become dead letters.
"""

from __future__ import annotations

MAX_IN_A_ROW = 50
MAX_SHARE = 0.05
# With fewer dead letters the share means nothing: one bad entry in five is not a bad deploy.
MIN_FOR_SHARE = 20


class DeadLetterLimitReached(Exception):
    """The caller must roll back what is under way and stop the shard."""


class DeadLetterLimit:
    """Counts the new dead letters of one run over a shard; `count` is the total."""

    def __init__(self) -> None:
        self.count = 0
        self._in_a_row = 0
        self._entries = 0

    def add(self, letters: int, entries: int) -> None:
        """Counts a batch of `entries` of which `letters` became dead letters.

        Raises: DeadLetterLimitReached.
        """
        self.count += letters
        self._entries += entries
        self._in_a_row = self._in_a_row + letters if letters == entries else letters
        share = self.count / max(self._entries, 1)
        if self._in_a_row > MAX_IN_A_ROW or (self.count >= MIN_FOR_SHARE and share > MAX_SHARE):
            raise DeadLetterLimitReached
