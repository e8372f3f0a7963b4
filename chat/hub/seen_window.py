"""The `seen` window: how much a client may leave unconfirmed before it counts as a slow reader.

Neither Daphne nor the network tells an application that a reader is slow, so clients confirm
`events` frames by their number. Pure: no socket, no clock.
"""

from __future__ import annotations

from collections import deque

# Small frames cost memory beyond their bytes, so their number is limited too.
MAX_UNSEEN_FRAMES = 10_000


class NeverSent(ValueError):
    """The client confirms a frame that was never sent to it."""


class SeenWindow:
    """The `events` frames of one connection that its client has not confirmed yet."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._sizes: deque[int] = deque()  # of the unconfirmed frames, oldest first
        self._last = 0
        self._unseen_bytes = 0

    @property
    def unseen_bytes(self) -> int:
        return self._unseen_bytes

    def is_full(self) -> bool:
        """Whether nothing more may be sent before the client confirms something."""
        return self._unseen_bytes > self._limit_bytes or len(self._sizes) >= MAX_UNSEEN_FRAMES

    def is_half_full(self) -> bool:
        """Whether little room is left, which frames that can wait leave to those that cannot."""
        return (
            self._unseen_bytes > self._limit_bytes // 2
            or len(self._sizes) >= MAX_UNSEEN_FRAMES // 2
        )

    def sent(self, size_bytes: int) -> int:
        """Count a frame that goes out now; returns its number, from 1."""
        self._last += 1
        self._sizes.append(size_bytes)
        self._unseen_bytes += size_bytes
        return self._last

    def seen(self, frame: int) -> bool:
        """Confirm all frames up to and including `frame`; True if any was unconfirmed before.

        Raises: NeverSent for a number that was not given out yet.
        """
        if frame > self._last:
            raise NeverSent(f"Frame {frame} was never sent; the last one is {self._last}.")
        confirmed_before = self._last - len(self._sizes)
        for _ in range(frame - confirmed_before):
            self._unseen_bytes -= self._sizes.popleft()
        return frame > confirmed_before
