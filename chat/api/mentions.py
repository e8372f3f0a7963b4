"""What mentions me, and the groups of people that messages can mention."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpResponse
from ninja import Router
from ninja.params.functions import Path, Query

from chat.actions.people_groups import MAX_GROUPS
from chat.api import schemas
from chat.api.answers import answer
from chat.api.forms import MentionCursor, NamePart
from chat.api.requests import READS, SignedInRequest
from chat.api.rooms import (
    AFTER_NAME,
    ERRORS,
    MAX_MEMBERS,
    MAX_USERNAME,
    AfterName,
    PeopleLimit,
)
from chat.errors import ClientError
from chat.names.labels import MAX_NAME_CHARACTERS, check_label, check_text
from chat.protocol import MAX_ID
from chat.queries import mentions, people_groups
from chat.servers.postgres import in_database

router = Router(tags=["mentions"])

GroupId = Annotated[int, Path(ge=1, le=MAX_ID)]


@router.get("/mentions", response={200: schemas.MentionPage, **ERRORS}, throttle=READS)
async def mentioned(
    request: SignedInRequest,
    cursor: MentionCursor | None = Query(None, description="`next` of the page before."),
    limit: int = Query(50, ge=1, le=mentions.MAX_PAGE),
) -> HttpResponse:
    """Messages that mention me, a group of mine or everybody, in my rooms, newest first."""
    return answer(await mentions.page(request.auth.user_id, limit, cursor))


@router.get("/groups", response={200: list[schemas.PeopleGroup], **ERRORS}, throttle=READS)
async def groups(
    request: SignedInRequest,
    q: NamePart = Query("", description="Part of a handle or name; empty for all."),
    limit: int = Query(MAX_GROUPS, ge=1, le=MAX_GROUPS),
) -> HttpResponse:
    """Groups of people that a message can mention, by handle."""
    text = check_label(q, "q", MAX_NAME_CHARACTERS, may_be_empty=True)
    found = await in_database(people_groups.search, request.auth.user_id, text, limit)
    return answer(found)


@router.get(
    "/groups/{group_id}/members", response={200: list[schemas.UserInfo], **ERRORS}, throttle=READS
)
async def members(
    request: SignedInRequest,
    group_id: GroupId,
    after: AfterName = AFTER_NAME,
    limit: PeopleLimit = MAX_MEMBERS,
) -> HttpResponse:
    """Who is in a group of people, by user name."""
    check_text(after, "after", MAX_USERNAME)
    found = await in_database(people_groups.members_of, group_id, after, limit)
    if found is None:
        raise ClientError("not_found", "There is no such group.")
    return answer(found)
