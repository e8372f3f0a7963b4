"""Who opens a socket, and whether they may stay: the one place that decides both.

A browser comes with its session cookie, which counts only from an allowed origin; a program with a
single-use ticket. Both need an active person. What was decided at the handshake is asked again at
least once a minute for all connections together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from importlib import import_module
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.http import parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from chat import people, tickets
from chat.database import in_database
from chat.models import ApiToken, User
from chat.origins import Headers, is_allowed_origin
from chat.protocol import SUBPROTOCOL, TICKET_SUBPROTOCOL_PREFIX
from chat.revocation import TOKEN_ORIGIN

# What a browser sends for all of a site is at most a few KiB.
MAX_COOKIE_BYTES = 8 * 1024
MAX_SUBPROTOCOLS = 8
MAX_SESSION_KEY = 40


class Identity(msgspec.Struct, frozen=True):
    """Who is behind a connection.

    `origin` is what it was opened with, a session's key or `token:<id>` (see `chat.revocation`).
    """

    user_id: int
    origin: str
    username: str
    name: str
    staff: bool


class Rejected(Exception):
    """The handshake itself is refused, as HTTP 403."""


async def identify(headers: Headers, subprotocols: Collection[str]) -> Identity | None:
    """Who asks for a connection; None when nobody is signed in.

    Raises: Rejected for a wrong origin or subprotocol; Unavailable when the bus or PostgreSQL,
    which know sessions and tickets, are away.
    """
    if SUBPROTOCOL not in subprotocols or len(subprotocols) > MAX_SUBPROTOCOLS:
        raise Rejected
    offered = [name for name in subprotocols if name.startswith(TICKET_SUBPROTOCOL_PREFIX)]
    if offered:
        return await _identify_by_ticket(offered)
    if not is_allowed_origin(headers, settings.ENV.allowed_origins):
        raise Rejected
    session_key = _session_key(headers)
    return None if session_key is None else await in_database(_find_by_session, session_key)


async def _identify_by_ticket(offered: Collection[str]) -> Identity | None:
    if len(offered) != 1:
        raise Rejected
    [name] = offered
    ticket = await tickets.redeem(name.removeprefix(TICKET_SUBPROTOCOL_PREFIX))
    return (
        None
        if ticket is None
        else await in_database(_find_by_ticket, ticket.user_id, ticket.origin)
    )


def _session_key(headers: Headers) -> str | None:
    cookies = [value for name, value in headers if name.lower() == b"cookie"]
    if not cookies or sum(map(len, cookies)) > MAX_COOKIE_BYTES:
        return None
    jar = parse_cookie(b"; ".join(cookies).decode("latin1"))
    key = jar.get(settings.SESSION_COOKIE_NAME, "")
    # Django's own keys look like this; anything else was made up and is not asked for.
    return key if key.isascii() and key.isalnum() and len(key) <= MAX_SESSION_KEY else None


def _find_by_session(session_key: str) -> Identity | None:
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key).load()
    user_id = str(session.get(SESSION_KEY))
    if not user_id.isascii() or not user_id.isdigit():
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not _is_in_force(session, user):
        return None
    return _identity(user, session_key)


def _find_by_ticket(user_id: int, origin: str) -> Identity | None:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return None
    identity = _identity(user, origin)
    return None if _not_allowed({identity}) else identity


def _identity(user: User, origin: str) -> Identity:
    info = people.info(user)
    return Identity(user.pk, origin, info.username, info.name, info.staff)


async def those_who_may_not_stay(identities: Iterable[Identity]) -> set[Identity]:
    """Those whose session, token or account is no longer in force; three queries for all.

    Raises: Unavailable.
    """
    return await in_database(_not_allowed, set(identities))


def _not_allowed(identities: set[Identity]) -> set[Identity]:
    users = User.objects.filter(is_active=True).in_bulk({one.user_id for one in identities})
    tokens = {one.origin.removeprefix(TOKEN_ORIGIN) for one in identities if _is_program(one)}
    valid_tokens = {
        (user_id, f"{TOKEN_ORIGIN}{token_id}")
        for user_id, token_id in ApiToken.objects.filter(
            pk__in=tokens, revoked_at=None
        ).values_list("user_id", "pk")
    }
    sessions = _sessions({one.origin for one in identities if not _is_program(one)})
    refused = set()
    for one in identities:
        user = users.get(one.user_id)
        if user is None:
            refused.add(one)
        elif _is_program(one):
            if (one.user_id, one.origin) not in valid_tokens:
                refused.add(one)
        elif not _is_in_force(sessions.get(one.origin, {}), user):
            refused.add(one)
    return refused


def _is_program(identity: Identity) -> bool:
    return identity.origin.startswith(TOKEN_ORIGIN)


def _sessions(keys: Collection[str]) -> dict[str, dict[str, Any]]:
    found = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return {session.session_key: session.get_decoded() for session in found}


def _is_in_force(session: dict[str, Any], user: User) -> bool:
    return str(session.get(SESSION_KEY)) == str(user.pk) and constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )
