"""Which messages after a marker are not new, when events that are not stored are folded in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from chat.events import EventType, RoomEvent
from chat.queries.unread import NotNews, fold

ME, ANNA, MODERATOR = 1, 2, 3


def event(seq: int, kind: EventType, actor: int, **data: Any) -> RoomEvent:
    return RoomEvent(
        room=5,
        epoch=1,
        seq=seq,
        n=seq,
        type=kind,
        key=None,
        actor=actor,
        at=datetime(2026, 11, 29, tzinfo=UTC),
        data=msgspec.Raw(json.dumps(data).encode()),
    )


def posted(seq: int, actor: int) -> RoomEvent:
    return event(seq, EventType.MESSAGE_POSTED, actor, body="x")


def deleted(seq: int, target: int, actor: int) -> RoomEvent:
    return event(seq, EventType.MESSAGE_DELETED, actor, target=target)


def restored(seq: int, target: int) -> RoomEvent:
    return event(seq, EventType.MESSAGE_RESTORED, MODERATOR, target=target)


def test_own_messages_count_once_deleted_or_not() -> None:
    found = NotNews()

    fold(found, ME, 3, [posted(3, ME), posted(4, ME), posted(5, ANNA), deleted(6, 4, ME)])

    assert (found.own, found.deleted) == ({4}, set())


def test_deletions_before_the_marker_and_reactions_change_nothing() -> None:
    found = NotNews()
    reaction = event(7, EventType.REACTION_ADDED, ANNA, target=5, emoji="\N{THUMBS UP SIGN}")

    fold(found, ME, 4, [deleted(6, 3, ANNA), reaction])

    assert (found.own, found.deleted) == (set(), set())


def test_what_a_moderator_took_is_news_again_and_what_its_author_took_is_not() -> None:
    found = NotNews(deleted={4, 5}, for_good={5})

    fold(found, ME, 0, [restored(7, 4), restored(8, 5)])
    again = set(found.deleted)
    # The log takes a second deletion only from the author.
    fold(found, ME, 0, [deleted(9, 4, MODERATOR), deleted(10, 4, ANNA), restored(11, 4)])

    assert again == {5}
    assert found.deleted == {4, 5}


def test_events_that_were_stored_when_postgresql_was_asked_are_in_already() -> None:
    found = NotNews(stored=8, deleted={4})

    fold(found, ME, 0, [deleted(7, 4, MODERATOR), posted(8, ME), restored(9, 4), posted(10, ME)])

    assert (found.own, found.deleted) == ({10}, set())
