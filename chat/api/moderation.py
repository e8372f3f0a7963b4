"""What owners and moderators do in their rooms, and the record of it."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Router
from ninja.params.functions import Path, Query

from chat.actions import moderation
from chat.actions.recorded_act import Options
from chat.api import schemas
from chat.api.answers import answer, nothing
from chat.api.forms import NamePart, breaks
from chat.api.requests import MODERATING, READS, WRITES, SignedInRequest, by
from chat.api.rooms import (
    AFTER_NAME,
    ERRORS,
    MAX_MEMBERS,
    MAX_USERNAME,
    NO_REASON,
    WHO,
    AfterName,
    Key,
    PeopleLimit,
    RoomId,
    UserId,
)
from chat.audit import entries as audit
from chat.audit.permissions import RANK, SEES_AUDIT_AND_REPORTS
from chat.broken_rules import Rule
from chat.errors import ClientError
from chat.events import Role
from chat.models import AuditEntry
from chat.names.labels import MAX_NAME_CHARACTERS, check_label, check_text
from chat.protocol import MAX_ID
from chat.queries import access, people_search
from chat.servers.postgres import in_database

router = Router(tags=["moderation"], auth=MODERATING)

MAX_ENTRIES = 200

Seq = Annotated[int, Path(ge=1, le=MAX_ID)]


async def check_moderates(user_id: int, room_id: int) -> None:
    """Raises: ClientError unless the person is owner or moderator of the room."""
    seen = await access.as_member(user_id, room_id)
    if seen.role is None or RANK[seen.role] < RANK[SEES_AUDIT_AND_REPORTS]:
        raise ClientError("forbidden", "Only owners and moderators of the room see this.")


@router.post(
    "/rooms/{room_id}/messages/{seq}/delete",
    response={204: None, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT),
)
async def delete_message(
    request: SignedInRequest,
    room_id: RoomId,
    seq: Seq,
    body: schemas.Why,
    key: Key = None,
) -> HttpResponse:
    """Delete somebody's message, as owner or moderator of the room."""
    await moderation.delete_message(by(request), room_id, seq, Options(reason=body.reason, key=key))
    return nothing()


@router.post(
    "/rooms/{room_id}/messages/{seq}/restore",
    response={204: None, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.IS_DELETED),
)
async def restore_message(
    request: SignedInRequest,
    room_id: RoomId,
    seq: Seq,
    body: schemas.Because = NO_REASON,
    key: Key = None,
) -> HttpResponse:
    """Restore a message that was deleted by somebody other than its author."""
    options = Options(reason=body.reason, key=key)
    await moderation.restore_message(by(request), room_id, seq, options)
    return nothing()


@router.post(
    "/rooms/{room_id}/members/{user_id}/mute",
    response={204: None, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT),
)
async def mute(
    request: SignedInRequest,
    room_id: RoomId,
    user_id: UserId,
    body: schemas.Mute,
    key: Key = None,
) -> HttpResponse:
    """Prevent a member of lower rank from writing for some time."""
    options = Options(reason=body.reason, key=key)
    await moderation.mute_member(by(request), room_id, user_id, body.seconds, options)
    return nothing()


@router.delete(
    "/rooms/{room_id}/members/{user_id}/mute",
    response={204: None, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT),
)
async def unmute(
    request: SignedInRequest,
    room_id: RoomId,
    user_id: UserId,
    body: schemas.Because = NO_REASON,
    key: Key = None,
) -> HttpResponse:
    """Let a muted member write again."""
    options = Options(reason=body.reason, key=key)
    await moderation.unmute_member(by(request), room_id, user_id, options)
    return nothing()


@router.get(
    "/rooms/{room_id}/bans",
    response={200: list[schemas.Banned], **ERRORS},
    throttle=READS,
)
async def bans(
    request: SignedInRequest,
    room_id: RoomId,
    after: AfterName = AFTER_NAME,
    limit: PeopleLimit = MAX_MEMBERS,
    q: NamePart = WHO,
) -> HttpResponse:
    """People banned from the room, by user name; for owners and moderators."""
    await check_moderates(request.auth.user_id, room_id)
    check_text(after, "after", MAX_USERNAME)
    text = check_label(q, "q", MAX_NAME_CHARACTERS, may_be_empty=True)
    return answer(await in_database(people_search.banned_from, room_id, after, limit, text))


@router.post(
    "/rooms/{room_id}/members/{user_id}/ban",
    response={204: None, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.NOT_DIRECT),
)
async def ban(
    request: SignedInRequest,
    room_id: RoomId,
    user_id: UserId,
    body: schemas.Why,
    key: Key = None,
) -> HttpResponse:
    """Ban somebody from the room, whether or not they are in it."""
    options = Options(reason=body.reason, key=key)
    await moderation.ban_member(by(request), room_id, user_id, options)
    return nothing()


@router.delete(
    "/rooms/{room_id}/members/{user_id}/ban",
    response={204: None, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.NOT_DIRECT),
)
async def unban(
    request: SignedInRequest,
    room_id: RoomId,
    user_id: UserId,
    body: schemas.Because = NO_REASON,
    key: Key = None,
) -> HttpResponse:
    """Lift a ban. The person is not added to the room again."""
    options = Options(reason=body.reason, key=key)
    await moderation.unban_member(by(request), room_id, user_id, options)
    return nothing()


@router.put(
    "/rooms/{room_id}/members/{user_id}/role",
    response={204: None, **ERRORS},
    throttle=WRITES,
    openapi_extra=breaks(Rule.KEY_OF_AN_ACT_IS_RECENT, Rule.NOT_DIRECT),
)
async def set_role(
    request: SignedInRequest,
    room_id: RoomId,
    user_id: UserId,
    body: schemas.RoleChange,
    key: Key = None,
) -> HttpResponse:
    """Change a member's role, as owner. A room always keeps at least one owner."""
    options = Options(reason=body.reason, key=key)
    await moderation.set_role(by(request), room_id, user_id, Role(body.role), options)
    return nothing()


@router.get("/rooms/{room_id}/audit", response={200: schemas.Deeds, **ERRORS}, throttle=READS)
async def deeds(
    request: SignedInRequest,
    room_id: RoomId,
    before: int = Query(MAX_ID, ge=1, le=MAX_ID, description="Entries before this id."),
    limit: int = Query(50, ge=1, le=MAX_ENTRIES),
) -> HttpResponse:
    """What owners, moderators and staff did in this room, newest first.

    The outcome of reports about myself is left out.
    """
    me = request.auth.user_id
    await check_moderates(me, room_id)
    found = await in_database(audit.of_room, room_id, me, before, limit + 1)
    return answer({"entries": [_shown(one) for one in found[:limit]], "more": len(found) > limit})


def _shown(entry: AuditEntry) -> dict[str, Any]:
    # No address and no report: those are for staff.
    outcome = getattr(entry, "outcome", None)
    return {
        "id": entry.pk,
        "at": entry.at,
        "actor": entry.actor_id,
        "action": entry.action,
        "subject": entry.user_id,
        "seq": entry.seq,
        "reason": entry.reason,
        "before": entry.before,
        "after": entry.after,
        "outcome": "" if outcome is None else outcome.result,
    }
