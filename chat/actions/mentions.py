"""Finds out whom and what a message mentions, at the moment at which it is logged.

A name becomes an id once, so that the message stays right when somebody is renamed. With PostgreSQL
down the message is taken all the same, and the drain looks the names up when it stores the message
(docs/decisions/0050-mentions-are-ids-in-the-log.md).
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from chat import room_log
from chat.accounts import mentionable
from chat.errors import ClientError, RefusalReason, Unavailable
from chat.events.mentions import Mentions
from chat.names.mentions import MAX_MENTIONS, MAX_WRITTEN, Written, written_in
from chat.servers.postgres import in_database


async def mentioned(actor: int, room: int, body: str) -> Mentions | UnsetType:
    """The mentions in the text that `actor` writes in a room; UNSET without any.

    Raises: ClientError `too_many`.
    """
    written = written_in(body)
    if not written:
        return UNSET
    if len(written.names()) + len(written.addresses()) > MAX_WRITTEN:
        raise _too_many()
    found = Mentions(all=written.all)
    if written.people or written.rooms:
        try:
            found = await _resolved(actor, room, written)
        except Unavailable:
            found = Mentions(all=written.all, unresolved=True)
    if len(found) > MAX_MENTIONS:
        raise _too_many()
    return found if len(found) or found.unresolved else UNSET


async def _resolved(actor: int, room: int, written: Written) -> Mentions:
    """Who is in which room, the log decides; for rooms that it does not hold, PostgreSQL's copy is
    exact. Raises: Unavailable."""
    named = await in_database(mentionable.look_up, actor, room, written)
    asked: dict[int, list[int]] = {one: [actor] for one in named.private_rooms.values()}
    if named.people:
        asked[room] = [*asked.get(room, ()), *named.people.values()]
    if not asked:
        return mentionable.mentions(written, named, (), ())
    logged = await room_log.members_among(asked)
    entered = {
        one
        for one in named.private_rooms.values()
        if (actor in logged[one] if one in logged else one in named.entered)
    }
    return mentionable.mentions(written, named, logged.get(room, named.members), entered)


def _too_many() -> ClientError:
    return ClientError(
        "too_many",
        f"A message mentions at most {MAX_MENTIONS} people, groups and rooms.",
        reason=RefusalReason.MENTIONS,
    )
