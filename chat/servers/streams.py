"""Stream entries, with the types that a client without response decoding really returns."""

from __future__ import annotations

from typing import cast

from redis import Redis

Fields = dict[bytes, bytes]
Entries = list[tuple[bytes, Fields]]


def entries(
    client: Redis, key: str, first: str = "-", last: str = "+", count: int | None = None
) -> Entries:
    """Entries of a stream from id `first` to `last`, in order; [] when there is no such stream.

    redis-py's annotations cover both protocol versions, decoded or not, so they are of no help.
    """
    return cast(Entries, client.xrange(key, min=first, max=last, count=count))
