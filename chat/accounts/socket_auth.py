"""Who opens a socket, and whether they may stay: the one place that decides both.

A browser comes with its session cookie, which counts only from an allowed origin; a program comes
with a single-use ticket. Both need an active person. The decision made at the handshake is checked
again at least once a minute, for all connections together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.http import parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from chat.accounts import people, tickets, tokens
from chat.accounts.origins import Headers, is_allowed_origin
from chat.accounts.revocation import TOKEN_GRANT
from chat.models import ApiToken, User
from chat.protocol import SUBPROTOCOL, TICKET_SUBPROTOCOL_PREFIX, scopes
from chat.protocol.scopes import Scope
from chat.resilience.coalescing import Coalescer
from chat.servers.postgres import in_database

# All cookies that a browser sends for a site are at most a few KiB.
MAX_COOKIE_BYTES = 8 * 1024
MAX_SUBPROTOCOLS = 8
MAX_SESSION_KEY = 40


class Identity(msgspec.Struct, frozen=True):
    """Who is behind a connection.

    `grant` is what it was opened with, a session's key or `token:<id>` (see
    `chat.accounts.revocation`). `scopes` are those of the token; a session has them all.
    """

    user_id: int
    grant: str
    username: str
    name: str
    staff: bool
    ambiguous: bool = False
    scopes: frozenset[Scope] = scopes.ALL


class Credential(NamedTuple):
    """What a connection was opened with: a session's key or a token; for tickets, also whose."""

    user_id: int | None
    grant: str


class Found(NamedTuple):
    """Who is behind a credential that is in force, and what they may do with it."""

    user: User
    scopes: frozenset[Scope]


class Rejected(Exception):
    """The handshake itself is refused, as HTTP 403."""


async def identify(headers: Headers, subprotocols: Collection[str]) -> Identity | None:
    """Who asks for a connection; None when nobody is signed in.

    Raises: Rejected for a wrong origin or subprotocol; Unavailable when the bus, which knows
    tickets, or PostgreSQL, which knows sessions, is down.
    """
    if SUBPROTOCOL not in subprotocols or len(subprotocols) > MAX_SUBPROTOCOLS:
        raise Rejected
    offered = [name for name in subprotocols if name.startswith(TICKET_SUBPROTOCOL_PREFIX)]
    if offered:
        return await _identify_by_ticket(offered)
    if not is_allowed_origin(headers, settings.ENV.allowed_origins):
        raise Rejected
    session_key = _session_key(headers)
    return None if session_key is None else await _identities.get(Credential(None, session_key))


async def _identify_by_ticket(offered: Collection[str]) -> Identity | None:
    if len(offered) != 1:
        raise Rejected
    [name] = offered
    ticket = await tickets.redeem(name.removeprefix(TICKET_SUBPROTOCOL_PREFIX))
    return (
        None if ticket is None else await _identities.get(Credential(ticket.user_id, ticket.grant))
    )


async def _identify_all(credentials: Collection[Credential]) -> dict[Credential, Identity]:
    found = await in_database(_people_behind, set(credentials))
    return {credential: _identity(one, credential.grant) for credential, one in found.items()}


_identities: Coalescer[Credential, Identity] = Coalescer(_identify_all, at_most=64, at_once=2)


def _session_key(headers: Headers) -> str | None:
    cookies = [value for name, value in headers if name.lower() == b"cookie"]
    if not cookies or sum(map(len, cookies)) > MAX_COOKIE_BYTES:
        return None
    jar = parse_cookie(b"; ".join(cookies).decode("latin1"))
    key = jar.get(settings.SESSION_COOKIE_NAME, "")
    # Django's own keys look like this; anything else was made up and is not looked up.
    return key if key.isascii() and key.isalnum() and len(key) <= MAX_SESSION_KEY else None


def _identity(found: Found, grant: str) -> Identity:
    info = people.info(found.user)
    return Identity(
        info.id, grant, info.username, info.name, info.staff, info.ambiguous, found.scopes
    )


async def revoked_identities(identities: Iterable[Identity]) -> set[Identity]:
    """The identities whose session, token or account is no longer in force; three queries for all.

    Raises: Unavailable.
    """
    return await in_database(_not_allowed, set(identities))


def _not_allowed(identities: set[Identity]) -> set[Identity]:
    in_force = _people_behind({Credential(one.user_id, one.grant) for one in identities})
    return {one for one in identities if Credential(one.user_id, one.grant) not in in_force}


def _people_behind(credentials: Collection[Credential]) -> dict[Credential, Found]:
    """The active person behind each credential in force; at most three queries for all."""
    sessions = _sessions({one.grant for one in credentials if not _is_program(one)})
    claimed = {
        credential: _signed_in(sessions.get(credential.grant, {}))
        if credential.user_id is None
        else credential.user_id
        for credential in credentials
    }
    users = User.objects.filter(is_active=True).in_bulk(set(claimed.values()) - {None})
    granted_to = _tokens({one.grant for one in credentials if _is_program(one)})
    found = {}
    for credential, user_id in claimed.items():
        user = None if user_id is None else users.get(user_id)
        if user is None:
            continue
        if _is_program(credential):
            granted = granted_to.get((user.pk, credential.grant))
            if granted is not None and Scope.READ in granted:
                found[credential] = Found(user, granted)
        elif _is_in_force(sessions.get(credential.grant, {}), user):
            found[credential] = Found(user, scopes.ALL)
    return found


def _is_program(credential: Credential) -> bool:
    return credential.grant.startswith(TOKEN_GRANT)


def _tokens(grants: Collection[str]) -> dict[tuple[int, str], frozenset[Scope]]:
    """The tokens among `grants` that are in force: whose they are, and what they may do."""
    if not grants:
        return {}
    ids = {grant.removeprefix(TOKEN_GRANT) for grant in grants}
    valid = ApiToken.objects.filter(tokens.in_force(), pk__in=ids)
    return {
        (user_id, f"{TOKEN_GRANT}{token_id}"): scopes.from_text(text)
        for user_id, token_id, text in valid.values_list("user_id", "pk", "scopes")
    }


def _signed_in(session: dict[str, Any]) -> int | None:
    """The user id in a session, whether or not the session is in force."""
    user_id = str(session.get(SESSION_KEY))
    return int(user_id) if user_id.isascii() and user_id.isdigit() else None


def _sessions(keys: Collection[str]) -> dict[str, dict[str, Any]]:
    if not keys:
        return {}
    found = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return {session.session_key: session.get_decoded() for session in found}


def _is_in_force(session: dict[str, Any], user: User) -> bool:
    return str(session.get(SESSION_KEY)) == str(user.pk) and constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )
