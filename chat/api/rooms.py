"""Rooms and their members."""

from __future__ import annotations

import uuid
from typing import Annotated

from django.http import HttpResponse
from msgspec import structs
from ninja import Router
from ninja.params.functions import Header, Path, Query

from chat.actions import moderation, rooms
from chat.actions.recorded_act import Options
from chat.api import schemas
from chat.api.answers import answer, nothing
from chat.api.forms import IdempotencyKey, NamePart, UserIds, breaks, lines
from chat.api.people import user_ids
from chat.api.requests import MODERATING, READS, WRITES, SignedInRequest, by
from chat.broken_rules import Rule
from chat.events import RoomKind, RoomUpdated
from chat.hints import to_hubs
from chat.names.labels import MAX_NAME_CHARACTERS, check_label, check_text
from chat.protocol import MAX_ID, RoomInfo, check_key
from chat.protocol.text_forms import KEY
from chat.queries import access, people_search, room_list
from chat.servers import clocks
from chat.servers.postgres import in_database

router = Router(tags=["rooms"])

MAX_PUBLIC_ROOMS = 200
MAX_ROOMS = 1_000
MAX_FURTHER_ROOMS = 200
MAX_OFFSET = 1_000_000
MAX_MEMBERS = 1_000
MAX_USERNAME = 150
MAX_SLUG = 80
NO_REASON = schemas.Because()

RoomId = Annotated[int, Path(ge=1, le=MAX_ID)]
UserId = Annotated[int, Path(ge=1, le=MAX_ID)]
# A list of people by user name comes in pages.
AfterName = Annotated[str, lines(MAX_USERNAME)]
AFTER_NAME = Query(
    "", max_length=MAX_USERNAME, description="The last user name of the previous page."
)
PeopleLimit = Annotated[int, Query(ge=1, le=MAX_MEMBERS)]
WHO = Query("", description="Part of a user name or name; empty for all.")
# Optional here: most of these operations change nothing when repeated.
Key = Annotated[
    IdempotencyKey | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY,
        description="A UUIDv7, made now; a repeat changes nothing more.",
    ),
]
ERRORS = {(400, 401, 403, 404, 409, 429, 503): schemas.Problem}


async def _shown(user_id: int, room_id: int) -> RoomInfo:
    room = await room_list.room_for(user_id, room_id)
    if room is None:
        raise access.no_such_room()
    return room


@router.get("/rooms", response={200: list[schemas.RoomInfo], **ERRORS}, throttle=READS)
async def my_rooms(
    request: SignedInRequest,
    offset: int = Query(0, ge=0, le=MAX_OFFSET),
    limit: int = Query(MAX_ROOMS, ge=1, le=MAX_ROOMS),
) -> HttpResponse:
    """The rooms I am in, by name, as in the socket's `welcome`; others are at `/rooms/further`."""
    rooms = await room_list.rooms_of(request.auth.user_id)
    return answer(rooms[offset : offset + limit])


@router.get("/rooms/further", response={200: list[schemas.RoomInfo], **ERRORS}, throttle=READS)
async def further_rooms(
    request: SignedInRequest,
    q: NamePart = Query("", description="Part of a room's or a person's name; empty for all."),
    offset: int = Query(0, ge=0, le=MAX_OFFSET),
    limit: int = Query(50, ge=1, le=MAX_FURTHER_ROOMS),
) -> HttpResponse:
    """Archived rooms and older direct conversations of somebody in many rooms, last used first."""
    text = check_label(q, "q", MAX_NAME_CHARACTERS, may_be_empty=True)
    return answer(await room_list.further_rooms(request.auth.user_id, text, offset, limit))


@router.get("/rooms/public", response={200: list[schemas.PublicRoom], **ERRORS}, throttle=READS)
async def public_rooms(
    request: SignedInRequest,
    q: NamePart = Query("", description="Part of a name or topic; empty for all."),
    limit: int = Query(50, ge=1, le=MAX_PUBLIC_ROOMS),
    slug: Annotated[str, lines(MAX_SLUG)] | None = Query(
        None, max_length=MAX_SLUG, description="Only the room with this address."
    ),
) -> HttpResponse:
    """Rooms that anybody may join, largest first."""
    text = check_label(q, "q", MAX_NAME_CHARACTERS, may_be_empty=True)
    if slug is not None:
        slug = check_text(slug, "slug", MAX_SLUG)
    user_id = request.auth.user_id
    return answer(await in_database(room_list.public_rooms, user_id, text, limit, slug))


@router.post(
    "/rooms",
    response={201: schemas.RoomInfo, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.ONE_ALPHABET),
)
async def create(request: SignedInRequest, body: schemas.NewRoom, key: Key = None) -> HttpResponse:
    """Make a room, as its owner."""
    user_id = request.auth.user_id
    room = await rooms.create_room(user_id, body.name, RoomKind(body.kind), body.topic, key)
    return answer(await _shown(user_id, room.pk), 201)


@router.post(
    "/direct",
    response={200: schemas.RoomInfo, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.SOMEBODY_ELSE),
)
async def open_direct(request: SignedInRequest, body: schemas.Person) -> HttpResponse:
    """My direct conversation with somebody, new or existing."""
    user_id = request.auth.user_id
    room = await rooms.open_direct(user_id, body.user)
    return answer(await _shown(user_id, room.pk))


@router.get("/rooms/{room_id}", response={200: schemas.RoomInfo, **ERRORS}, throttle=READS)
async def one(request: SignedInRequest, room_id: RoomId) -> HttpResponse:
    """A room I am in, or a public one."""
    user_id = request.auth.user_id
    seen = await access.look_up(user_id, room_id)
    if seen.role is None:
        return answer(await room_list.seen_from_outside(seen.room))
    return answer(await _shown(user_id, room_id))


@router.patch(
    "/rooms/{room_id}",
    response={200: schemas.RoomInfo, **ERRORS},
    throttle=WRITES,
    auth=MODERATING,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.ONE_ALPHABET, Rule.NOT_DIRECT),
)
async def change(
    request: SignedInRequest, room_id: RoomId, body: schemas.RoomChange, key: Key = None
) -> HttpResponse:
    """Rename a room, set its topic or its slow mode, as its owner or moderator."""
    user_id, slow = request.auth.user_id, body.slow_mode_seconds
    if key is not None:
        check_key(key, clocks.LOG.now())
    changed = RoomUpdated()
    if slow is None or body.name is not None or body.topic is not None:
        changed = await rooms.update_room(user_id, room_id, body.name, body.topic, key)
    if slow is not None:
        # One request, two events: each has a key of its own.
        of_slow = None if key is None else str(rooms.derived_key(uuid.UUID(key), "slow mode"))
        options = Options(reason=body.reason, key=of_slow)
        await moderation.set_slow_mode(by(request), room_id, slow, options)
    shown = await _shown(user_id, room_id)
    # The change is logged; PostgreSQL may still have the old name for a moment.
    return answer(
        structs.replace(
            shown,
            name=shown.name if changed.name is None else changed.name,
            topic=shown.topic if changed.topic is None else changed.topic,
            slow_mode_seconds=shown.slow_mode_seconds if slow is None else slow,
        )
    )


@router.post(
    "/rooms/{room_id}/archive",
    response={204: None, **ERRORS},
    throttle=WRITES,
    auth=MODERATING,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.NOT_DIRECT),
)
async def archive(
    request: SignedInRequest, room_id: RoomId, body: schemas.Archiving, key: Key = None
) -> HttpResponse:
    """Close a room for writing or open it again, as its owner."""
    options = Options(reason=body.reason, key=key)
    await moderation.archive_room(by(request), room_id, body.archived, options)
    return nothing()


@router.post("/rooms/{room_id}/show", response={200: schemas.RoomInfo, **ERRORS}, throttle=WRITES)
async def show(request: SignedInRequest, room_id: RoomId) -> HttpResponse:
    """Send a room of mine that is not in `welcome` to my connections, as a `room` frame."""
    user_id = request.auth.user_id
    shown = await _shown(user_id, room_id)
    to_hubs.publisher().to_hubs({"type": "joined", "user": user_id, "room": room_id})
    return answer(shown)


@router.post("/rooms/{room_id}/join", response={200: schemas.RoomInfo, **ERRORS}, throttle=WRITES)
async def join(request: SignedInRequest, room_id: RoomId, key: Key = None) -> HttpResponse:
    """Enter a public room."""
    user_id = request.auth.user_id
    await rooms.join_room(user_id, room_id, key)
    return answer(await _shown(user_id, room_id))


@router.post("/rooms/{room_id}/leave", response={204: None, **ERRORS}, throttle=WRITES)
async def leave(request: SignedInRequest, room_id: RoomId, key: Key = None) -> HttpResponse:
    """Leave a room."""
    await rooms.leave_room(request.auth.user_id, room_id, key)
    return nothing()


@router.get(
    "/rooms/{room_id}/members", response={200: list[schemas.MemberInfo], **ERRORS}, throttle=READS
)
async def members(
    request: SignedInRequest,
    room_id: RoomId,
    after: AfterName = AFTER_NAME,
    limit: PeopleLimit = MAX_MEMBERS,
    q: NamePart = WHO,
    ids: UserIds | None = Query(None, description="Only these people, separated by commas."),
) -> HttpResponse:
    """Who is in a room of mine, by user name."""
    await access.as_member(request.auth.user_id, room_id)
    check_text(after, "after", MAX_USERNAME)
    text = check_label(q, "q", MAX_NAME_CHARACTERS, may_be_empty=True)
    among = None if ids is None else user_ids(ids)
    return answer(await in_database(people_search.members_of, room_id, after, limit, text, among))


@router.post("/rooms/{room_id}/members", response={204: None, **ERRORS}, throttle=WRITES)
async def invite(
    request: SignedInRequest, room_id: RoomId, body: schemas.Person, key: Key = None
) -> HttpResponse:
    """Bring somebody into a room of mine."""
    await rooms.invite(request.auth.user_id, room_id, body.user, key)
    return nothing()


@router.delete(
    "/rooms/{room_id}/members/{user_id}",
    response={204: None, **ERRORS},
    throttle=WRITES,
    auth=MODERATING,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.NOT_DIRECT),
)
async def remove(
    request: SignedInRequest,
    room_id: RoomId,
    user_id: UserId,
    body: schemas.Why,
    key: Key = None,
) -> HttpResponse:
    """Remove somebody of lower rank from a room, as its owner or moderator."""
    options = Options(reason=body.reason, key=key)
    await moderation.remove_member(by(request), room_id, user_id, options)
    return nothing()
