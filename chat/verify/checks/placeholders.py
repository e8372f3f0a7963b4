"""Placeholders: the event of each is kept as a dead letter or stored elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from chat.events import EventQuarantined, EventType
from chat.verify.checks.findings import Check, Finding
from chat.verify.checks.sequence import StoredRow


class Placeholder(msgspec.Struct, frozen=True):
    """A stored `event.quarantined`."""

    room: int
    seq: int
    id: int
    data: EventQuarantined


def check_placeholders(
    placeholders: Collection[Placeholder],
    letters: Collection[str],
    originals: Mapping[tuple[int, int], StoredRow],
    retried: Collection[int],
) -> Iterator[Finding]:
    """`letters` are ids of dead letters that exist or were discarded, `originals` the events at the
    places that duplicates name, `retried` the ids of rows whose dead letter was retried."""
    for one in placeholders:
        if one.data.duplicate_of is not None:
            original = originals.get(one.data.duplicate_of)
            yield from _check_duplicate(one, original, one.id in retried)
            if one.data.dead_letter is None:
                continue  # the same request as the first one: nothing else to keep
        if one.data.dead_letter is None:
            yield _finding(one, "dead letter", "its id", "none")
        elif one.data.dead_letter not in letters:
            yield _finding(one, "dead letter", one.data.dead_letter, "nothing")


def _check_duplicate(
    one: Placeholder, original: StoredRow | None, retried: bool
) -> Iterator[Finding]:
    assert one.data.duplicate_of is not None
    room, seq = one.data.duplicate_of
    what = f"original at room {room} seq {seq}"
    if original is None:
        yield _finding(one, what, "an event", "nothing")
    elif original.type == EventType.EVENT_QUARANTINED:
        yield _finding(one, what, "an event", "a placeholder")
    elif original.id >= one.id and not retried:
        # A retry may find that the same request has been stored meanwhile, at a later place.
        yield _finding(one, what, "an earlier event", "a later one")


def _finding(one: Placeholder, what: str, expected: str, found: str) -> Finding:
    return Finding(Check.PLACEHOLDER, one.room, one.seq, what, expected, found)
