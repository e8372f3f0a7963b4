"""Posting, history, events and search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from django.http import HttpResponse
from ninja import Router
from ninja.params.functions import Header, Path, Query

from chat.actions import messages
from chat.api import schemas
from chat.api.answers import answer
from chat.api.forms import Emoji, IdempotencyKey, TimeZone, Words, breaks
from chat.api.requests import READS, SEARCH_READS, SEARCHES, SENDS, SignedInRequest
from chat.api.rooms import ERRORS, RoomId
from chat.broken_rules import Rule
from chat.hints import to_hubs
from chat.protocol import MAX_HISTORY_MESSAGES, MAX_ID, MAX_SYNC_EVENTS, check_reaction
from chat.protocol.text_forms import KEY
from chat.queries import access, history, moments, reactions, room_list, search, search_pages

router = Router(tags=["messages"])


@router.post("/rooms/{room_id}/messages", response={201: schemas.Place, **ERRORS}, throttle=SENDS)
async def post(
    request: SignedInRequest,
    room_id: RoomId,
    body: schemas.NewMessage,
    key: Annotated[
        IdempotencyKey,
        Header(
            alias="Idempotency-Key",
            pattern=KEY,
            description="A UUIDv7 made for this message; a repeat gives the same answer.",
        ),
    ],
) -> HttpResponse:
    """Post a message: the same as `send` over the socket. 201 means that it is on disk."""
    appended = await messages.post_message(
        request.auth.user_id, room_id, key, body.body, body.reply_to
    )
    event = appended.event
    place = {"room": event.room, "epoch": event.epoch, "seq": event.seq, "n": event.n}
    return answer({**place, "at": event.at}, 201)


@router.get(
    "/rooms/{room_id}/messages", response={200: schemas.HistoryPage, **ERRORS}, throttle=READS
)
async def read(
    request: SignedInRequest,
    room_id: RoomId,
    before: int = Query(MAX_ID, ge=1, le=MAX_ID, description="Messages before this seq."),
    limit: int = Query(50, ge=1, le=MAX_HISTORY_MESSAGES),
) -> HttpResponse:
    """Messages of a room of mine, as they are now."""
    await access.as_member(request.auth.user_id, room_id)
    user_id = request.auth.user_id
    return answer(await history.messages_before(room_id, before, limit, user_id))


@router.get(
    "/rooms/{room_id}/messages/{seq}/reactions",
    response={200: schemas.WhoReacted, **ERRORS},
    throttle=READS,
    openapi_extra=breaks(Rule.ONE_EMOJI),
)
async def who_reacted(
    request: SignedInRequest,
    room_id: RoomId,
    seq: Annotated[int, Path(ge=1, le=MAX_ID)],
    emoji: Emoji = Query(description="The emoji that they have put on the message."),
    after: int = Query(0, ge=0, le=MAX_ID, description="People with ids above this one."),
    limit: int = Query(50, ge=1, le=reactions.MAX_PEOPLE),
) -> HttpResponse:
    """Who has reacted to a message in a room of mine with an emoji, by user id."""
    emoji = check_reaction(emoji)
    await access.as_member(request.auth.user_id, room_id)
    return answer(await reactions.who_reacted(room_id, seq, emoji, after, limit))


@router.get("/rooms/{room_id}/events", response={200: schemas.Events, **ERRORS}, throttle=READS)
async def events(
    request: SignedInRequest,
    room_id: RoomId,
    after: int = Query(0, ge=0, le=MAX_ID, description="Events after this seq."),
    limit: int = Query(100, ge=1, le=MAX_SYNC_EVENTS),
) -> HttpResponse:
    """Everything that happened in a room of mine, in order."""
    await access.as_member(request.auth.user_id, room_id)
    found = await history.events_after(room_id, after, limit)
    room = await room_list.room_for(request.auth.user_id, room_id)
    if room is None:  # removed this very moment
        raise access.no_such_room()
    return answer(
        {
            "events": [to_hubs.wire_event(event) for event in found],
            "epoch": room.epoch,
            "head": room.head,
        }
    )


@router.get(
    "/search",
    response={200: schemas.SearchResult, **ERRORS},
    throttle=[SEARCHES, SEARCH_READS],
    openapi_extra=breaks(
        Rule.QUICK_SEARCH,
        Rule.SEARCH_OPERATORS,
        Rule.CURSOR_FROM_AN_ANSWER,
        Rule.KNOWN_TIME_ZONE,
    ),
)
async def find(
    request: SignedInRequest,
    q: Words = Query(
        description="Words or their beginnings, quoted phrases, `or`, `-word`; or pasted text. "
        "And operators: `from:` a user name, a name or `me`; `in:` a room's address or name; "
        "`with:` a person; `before:`, `after:`, `on:` a day; `has:link`, `has:code`, "
        "`has:reaction`, `is:edited`."
    ),
    room: int | None = Query(None, ge=1, le=MAX_ID, description="In this room only."),
    limit: int = Query(20, ge=1, le=search.MAX_RESULTS),
    order: search.Order = Query("time", description="`time`: newest first."),
    cursor: str | None = Query(
        None,
        pattern=search_pages.PATTERN,
        max_length=search_pages.MAX_CHARACTERS,
        description="From the answer before, to get what follows. All else stays the same.",
    ),
    tz: TimeZone = Query("UTC", description="IANA zone whose clock cuts days."),
) -> HttpResponse:
    """Messages in my rooms that match the whole query."""
    user_id = request.auth.user_id
    return answer(await search.search(user_id, q, room, limit, order, cursor, tz))


@router.get(
    "/rooms/{room_id}/first-message", response={200: schemas.PlaceInTime, **ERRORS}, throttle=READS
)
async def first_message(
    request: SignedInRequest,
    room_id: RoomId,
    since: datetime = Query(description="A moment, with its offset."),
) -> HttpResponse:
    """The first message since a moment in a room of mine, to begin to read there."""
    moment = since if since.tzinfo is not None else since.replace(tzinfo=UTC)
    return answer(await moments.first_since(request.auth.user_id, room_id, moment))
