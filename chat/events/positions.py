"""Positions in a stream of Redis and on the event bus, as numbers that can be compared."""

from __future__ import annotations


def as_pair(position: str) -> tuple[int, int]:
    """The two numbers of a stream id; an offset of Kafka and 0 for an offset.

    Pairs compare in the order of the stream or partition. "" stands before everything.
    """
    first, _, second = position.partition("-")
    return int(first or 0), int(second or 0)
