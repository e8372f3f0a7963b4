"""`/me` and `/users`."""

from __future__ import annotations

from django.http import HttpResponse
from msgspec import structs
from ninja import Router
from ninja.params.functions import Query

from chat.accounts import people
from chat.api import schemas
from chat.api.answers import answer
from chat.api.forms import NamePart, UserIds, breaks
from chat.api.requests import READS, SignedInRequest
from chat.broken_rules import Rule
from chat.errors import ClientError
from chat.models import Membership, User
from chat.names.labels import MAX_NAME_CHARACTERS, check_label
from chat.protocol import MAX_ID
from chat.queries import people_search
from chat.servers.postgres import in_database

router = Router(tags=["people"])


def _me(user_id: int) -> dict[str, object]:
    user = User.objects.get(pk=user_id)
    return {
        **structs.asdict(people.info(user)),
        "email": user.email,
        "rooms": Membership.objects.filter(user_id=user_id).count(),
    }


@router.get("/me", response={200: schemas.Me, 401: schemas.Problem}, throttle=READS)
async def me(request: SignedInRequest) -> HttpResponse:
    """Who I am."""
    return answer(await in_database(_me, request.auth.user_id))


@router.get(
    "/users",
    response={200: list[schemas.UserInfo], 400: schemas.Problem},
    throttle=READS,
    openapi_extra=breaks(Rule.IDS_OR_Q),
)
async def users(
    request: SignedInRequest,
    ids: UserIds | None = Query(None, description="User ids, separated by commas."),
    q: NamePart | None = Query(None, description="Part of a user name or name; empty for all."),
) -> HttpResponse:
    """People by id or by name: give `ids` or `q`. Unknown ids are left out."""
    if (ids is None) == (q is None):
        raise ClientError("bad_request", "Give either ids or q.", rule=Rule.IDS_OR_Q)
    if ids is not None:
        found = await in_database(people.by_ids, user_ids(ids))
        return answer(list(found.values()))
    text = check_label(q or "", "q", MAX_NAME_CHARACTERS, may_be_empty=True)
    return answer(await in_database(people_search.search, text))


def user_ids(text: str) -> list[int]:
    """The ids in a list from a URL.

    Raises: ClientError when it is no such list, or too long.
    """
    parts = text.split(",", people.MAX_PEOPLE)
    if len(parts) > people.MAX_PEOPLE:
        raise ClientError("bad_request", f"At most {people.MAX_PEOPLE} ids at a time.")
    if not all(part.isascii() and part.isdecimal() and len(part) <= 16 for part in parts):
        raise ClientError("bad_request", "ids: whole numbers, separated by commas.")
    return [number for part in parts if (number := int(part)) <= MAX_ID]
