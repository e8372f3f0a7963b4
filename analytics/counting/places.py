"""Which places of a room are counted: all up to the highest, except a few open ranges. Pure.

This distinguishes a repeat from a late event, in any order of arrival, with two numbers for most
rooms (docs/decisions/0017).
"""

from __future__ import annotations

from collections.abc import Iterable

from analytics.models import OpenPlaces

MISSING = OpenPlaces.Reason.MISSING.value
PLACEHOLDER = OpenPlaces.Reason.PLACEHOLDER.value
REFUSED = OpenPlaces.Reason.REFUSED.value

Stretch = tuple[int, int, str]  # first, last, reason


class Places:
    """The places of one room. `open` has its open ranges by their first place.

    `changed` and `gone` name the ranges (by their first place) that have to be written and
    deleted at the end.
    """

    def __init__(self, seq: int = 0, stretches: Iterable[Stretch] = ()) -> None:
        self.seq = seq
        self.open: dict[int, tuple[int, str]] = {
            first: (last, reason) for first, last, reason in stretches
        }
        self.changed: set[int] = set()
        self.gone: set[int] = set()

    def take(self, seq: int, instead: str | None = None) -> bool:
        """Notes that an event has come for place `seq`; returns whether it should be counted.

        `instead` is the reason if something else has come for that place, `PLACEHOLDER` or
        `REFUSED`: then the place stays open for the event itself.
        """
        if seq > self.seq:
            if seq > self.seq + 1:
                self._put(self.seq + 1, seq - 1, MISSING)
            self.seq = seq
            if instead is None:
                return True
            self._put(seq, seq, instead)
            return False
        if not self.open:
            return False
        found = self._stretch_of(seq)
        if found is None:
            return False
        first, last, reason = found
        if instead is not None and reason != MISSING:
            return False
        self._split(first, last, reason, seq)
        if instead is None:
            return True
        self._put(seq, seq, instead)
        return False

    def is_open(self, seq: int) -> bool:
        """Whether an event for this place would still be counted although later ones were."""
        return seq <= self.seq and bool(self.open) and self._stretch_of(seq) is not None

    def _stretch_of(self, seq: int) -> Stretch | None:
        known = self.open.get(seq)
        if known is not None:
            return (seq, *known)
        for first, (last, reason) in self.open.items():
            if first <= seq <= last:
                return first, last, reason
        return None

    def _split(self, first: int, last: int, reason: str, seq: int) -> None:
        """Closes place `seq` of a range."""
        del self.open[first]
        self.changed.discard(first)
        self.gone.add(first)
        if first < seq:
            self._put(first, seq - 1, reason)
        if seq < last:
            self._put(seq + 1, last, reason)

    def _put(self, first: int, last: int, reason: str) -> None:
        self.open[first] = (last, reason)
        self.changed.add(first)
        self.gone.discard(first)
