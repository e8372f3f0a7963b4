"""When dead letters mean that the fault is not in the data.

A bad deploy or a schema that is behind refuses everything. Then the shard stops and a person
looks, instead of the log or the outbox being emptied into the dead letters.
"""

from __future__ import annotations

MAX_IN_A_ROW = 50
MAX_SHARE = 0.05
# Below this many the share says nothing: one bad entry among five is not a bad deploy.
MIN_FOR_SHARE = 20


class DeadLetterLimitReached(Exception):
    """What is under way is to be rolled back and the shard stopped."""


class LetterLimit:
    """Counts new dead letters of one run over a shard; `count` is all of them."""

    def __init__(self) -> None:
        self.count = 0
        self._in_a_row = 0
        self._entries = 0

    def add(self, letters: int, entries: int) -> None:
        """Counts a batch of `entries` of which `letters` became dead letters.

        Raises: TooManyLetters.
        """
        self.count += letters
        self._entries += entries
        self._in_a_row = self._in_a_row + letters if letters == entries else letters
        share = self.count / max(self._entries, 1)
        if self._in_a_row > MAX_IN_A_ROW or (self.count >= MIN_FOR_SHARE and share > MAX_SHARE):
            raise DeadLetterLimitReached
