"""Bearer tokens of programs, and tickets for their sockets."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpResponse
from django.utils.translation import get_language
from ninja import Router
from ninja.params.functions import Path

from chat.accounts import notices, reauthentication, tickets, tokens
from chat.api import schemas
from chat.api.answers import answer, nothing
from chat.api.requests import READING, READS, TICKETS, WRITES, SignedInRequest
from chat.api.rooms import ERRORS
from chat.errors import ClientError
from chat.models import ApiToken
from chat.names.labels import MAX_NAME_CHARACTERS, check_label
from chat.protocol import MAX_ID, scopes
from chat.protocol.scopes import Scope
from chat.servers.postgres import in_database

router = Router(tags=["tokens"])


def _shown(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "prefix": row.prefix,
        "scopes": [scope for scope in Scope if scope in scopes.from_text(row.scopes)],
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
    }


def _mine(user_id: int) -> list[dict[str, Any]]:
    return [_shown(row) for row in tokens.live_tokens(user_id)]


@router.get("/tokens", response={200: list[schemas.Token], **ERRORS}, throttle=READS)
async def mine(request: SignedInRequest) -> HttpResponse:
    """My tokens that are in force, newest first."""
    return answer(await in_database(_mine, request.auth.user_id))


@router.post("/tokens", response={201: schemas.IssuedToken, **ERRORS}, throttle=WRITES)
async def issue(request: SignedInRequest, body: schemas.NewToken) -> HttpResponse:
    """A new token, which is shown only in this answer.

    Only a session can make one, and only within ten minutes after its person signed in or confirmed
    who they are: neither a token nor a session that was left open can make tokens.
    """
    if request.auth.by_token:
        raise ClientError("forbidden", "Sign in as a person to make a token.")
    await in_database(reauthentication.check_recent, request)
    name = check_label(body.name, "Name", MAX_NAME_CHARACTERS)
    granted = scopes.ALL if body.scopes is None else {Scope(name) for name in body.scopes}
    row, text = await in_database(
        tokens.issue, request.auth.user_id, name, granted, body.expires_in_days
    )
    await in_database(notices.tell_of_token, request, request.auth.user_id, name, get_language())
    return answer({**_shown(row), "token": text}, 201)


@router.delete("/tokens/{token_id}", response={204: None, **ERRORS}, throttle=WRITES)
async def revoke(
    request: SignedInRequest, token_id: Annotated[int, Path(ge=1, le=MAX_ID)]
) -> HttpResponse:
    """Revoke a token of mine and close the sockets that it opened."""
    await in_database(tokens.revoke, request.auth.user_id, token_id)
    return nothing()


@router.post("/tickets", response={201: schemas.Ticket, **ERRORS}, throttle=TICKETS, auth=READING)
async def ticket(request: SignedInRequest) -> HttpResponse:
    """A ticket that opens one WebSocket, within 30 s."""
    value = await tickets.issue(request.auth.user_id, request.auth.grant)
    return answer({"ticket": value, "expires_in": tickets.LIFETIME_SECONDS}, 201)
