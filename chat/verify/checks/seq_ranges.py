"""A set of seqs as ranges: seqs that come in order take no additional memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator


class SeqRanges:
    """Seqs seen so far, as disjoint ranges in ascending order, none adjacent to another."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    @property
    def highest(self) -> int:
        """The highest seq; 0 when there is none."""
        return self._lasts[-1] if self._lasts else 0

    def __contains__(self, seq: int) -> bool:
        place = bisect_right(self._firsts, seq) - 1
        return place >= 0 and seq <= self._lasts[place]

    def add(self, seq: int) -> bool:
        """Add `seq`; True when it is new."""
        place = bisect_right(self._firsts, seq)
        before = place - 1
        if before >= 0 and seq <= self._lasts[before]:
            return False
        joins_before = before >= 0 and seq == self._lasts[before] + 1
        joins_after = place < len(self._firsts) and seq == self._firsts[place] - 1
        if joins_before and joins_after:
            self._lasts[before] = self._lasts.pop(place)
            del self._firsts[place]
        elif joins_before:
            self._lasts[before] = seq
        elif joins_after:
            self._firsts[place] = seq
        else:
            self._firsts.insert(place, seq)
            self._lasts.insert(place, seq)
        return True

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The gaps between `first` and `last`, both included, as (first, last) pairs."""
        wanted = first
        for low, high in zip(self._firsts, self._lasts, strict=True):
            if wanted > last:
                return
            if low > wanted:
                yield wanted, min(low - 1, last)
            wanted = max(wanted, high + 1)
        if wanted <= last:
            yield wanted, last
