"""Threads: their replies, and the ones that a person follows."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpResponse
from msgspec import UNSET, structs
from ninja import Router
from ninja.params.functions import Header, Path, Query

from chat.actions import messages
from chat.actions import threads as actions
from chat.api import schemas
from chat.api.answers import answer
from chat.api.forms import Cursor, IdempotencyKey
from chat.api.requests import READS, SENDS, WRITES, SignedInRequest
from chat.api.rooms import ERRORS, RoomId
from chat.protocol import MAX_HISTORY_MESSAGES, MAX_ID
from chat.protocol.text_forms import KEY
from chat.queries import access, history, threads

router = Router(tags=["threads"])

Root = Annotated[int, Path(ge=1, le=MAX_ID, description="The seq of the thread's root.")]


@router.get("/threads", response={200: schemas.FollowedThreads, **ERRORS}, throttle=READS)
async def followed(
    request: SignedInRequest,
    cursor: Cursor | None = Query(None, description="`next` of the page before."),
    limit: int = Query(50, ge=1, le=threads.MAX_THREADS),
) -> HttpResponse:
    """The threads that I follow, in rooms that I am in: the unread ones first."""
    return answer(await threads.followed(request.auth.user_id, limit, cursor))


@router.get(
    "/rooms/{room_id}/messages/{root}/replies",
    response={200: schemas.ThreadPage, **ERRORS},
    throttle=READS,
)
async def read(
    request: SignedInRequest,
    room_id: RoomId,
    root: Root,
    before: int = Query(MAX_ID, ge=1, le=MAX_ID, description="Replies before this seq."),
    limit: int = Query(50, ge=1, le=MAX_HISTORY_MESSAGES),
) -> HttpResponse:
    """A thread in a room of mine: its root, and replies as they are now."""
    user_id = request.auth.user_id
    await access.as_member(user_id, room_id)
    page = await history.replies_before(room_id, root, before, limit, user_id)
    own = await threads.relation(user_id, room_id, root)
    return answer(
        {
            "message": page.root,
            "messages": page.messages,
            "more": page.more,
            "upto": page.upto,
            **{name: value for name, value in structs.asdict(own).items() if value is not UNSET},
        }
    )


@router.post(
    "/rooms/{room_id}/messages/{root}/replies",
    response={201: schemas.Place, **ERRORS},
    throttle=SENDS,
)
async def post(
    request: SignedInRequest,
    room_id: RoomId,
    root: Root,
    body: schemas.NewReply,
    key: Annotated[
        IdempotencyKey,
        Header(
            alias="Idempotency-Key",
            pattern=KEY,
            description="A UUIDv7 made for this reply; a repeat gives the same answer.",
        ),
    ],
) -> HttpResponse:
    """Reply in a thread: the same as `reply` over the socket. 201 means that it is on disk."""
    appended = await messages.post_reply(
        request.auth.user_id,
        room_id,
        key,
        root,
        body.body,
        body.reply_to,
        to_room=body.to_room,
    )
    event = appended.event
    place = {"room": event.room, "epoch": event.epoch, "seq": event.seq, "n": event.n}
    return answer({**place, "at": event.at}, 201)


@router.put(
    "/rooms/{room_id}/messages/{root}/following",
    response={200: schemas.ThreadRelation, **ERRORS},
    throttle=WRITES,
)
async def follow(
    request: SignedInRequest, room_id: RoomId, root: Root, body: schemas.Following
) -> HttpResponse:
    """Follow a thread, or mute it. Without a decision, those follow who reply and whose it is."""
    await access.as_member(request.auth.user_id, room_id)
    return answer(await actions.follow(request.auth.user_id, room_id, root, body.following))


@router.put(
    "/rooms/{room_id}/messages/{root}/read",
    response={200: schemas.ThreadRelation, **ERRORS},
    throttle=WRITES,
)
async def mark_read(
    request: SignedInRequest, room_id: RoomId, root: Root, body: schemas.ReadUpTo
) -> HttpResponse:
    """I have read the thread up to a seq: the same as `thread_read` over the socket."""
    await access.as_member(request.auth.user_id, room_id)
    return answer(await actions.mark_read(request.auth.user_id, room_id, root, body.seq))
