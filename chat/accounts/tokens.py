"""Bearer tokens of programs: shown once, kept only as SHA-256 digests, and valid for a time.

A token is 32 random bytes, so it cannot be guessed from its plain digest; the prefix `veche_` lets
secret scanners and people recognise one. It ends when it expires or is revoked: by its owner, by an
administrator, by `manage.py revoke_tokens`, and with everything that ends all sessions of its owner
(`chat.accounts.revocation`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from chat.accounts import revocation
from chat.errors import ClientError
from chat.models import ApiToken, User
from chat.protocol import scopes
from chat.protocol.scopes import Scope

TOKEN_PREFIX = "veche_"  # noqa: S105 - what tokens begin with
SHOWN_PREFIX_CHARACTERS = 12
# Longer than any token we ever issued; anything longer is not worth hashing.
MAX_TOKEN_CHARACTERS = 100
MAX_TOKENS_PER_PERSON = 50
# One write per token and minute, however busy the program is.
LAST_USED_EVERY = timedelta(minutes=1)
DEFAULT_DAYS = 90
MAX_DAYS = 366
# How long the owner still sees an expired token: it explains why a program has stopped working.
EXPIRED_SHOWN_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Verified:
    """Whose token it is, and what it may do."""

    token_id: int
    user_id: int
    scopes: frozenset[Scope]


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def in_force(now: datetime | None = None) -> Q:
    """The condition that a token works."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=now or timezone.now())
    return Q(revoked_at=None) & unexpired


def issue(
    user_id: int,
    name: str,
    granted: Iterable[Scope] = scopes.ALL,
    days: int | None = DEFAULT_DAYS,
) -> tuple[ApiToken, str]:
    """A new token of the person: its row, and its text, which nobody can read again.

    `days`: how long it works, 1 to `MAX_DAYS`. None means forever, for Veche's own programs and for
    operators at the command line.

    Raises: ClientError: forbidden when the person has `MAX_TOKENS_PER_PERSON` already, bad_request
    for no scope or another number of days.
    """
    text_of_scopes = scopes.to_text(granted)
    if not text_of_scopes:
        raise ClientError("bad_request", "A token needs a scope.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise ClientError("bad_request", f"A token works for 1 to {MAX_DAYS} days.")
    with transaction.atomic():
        # The person's row is locked, so that two requests cannot both pass the count.
        User.objects.select_for_update().get(pk=user_id)
        if live_tokens(user_id).count() >= MAX_TOKENS_PER_PERSON:
            raise ClientError("forbidden", f"At most {MAX_TOKENS_PER_PERSON} tokens at a time.")
        text = TOKEN_PREFIX + secrets.token_urlsafe(32)
        row = ApiToken.objects.create(
            user_id=user_id,
            name=name,
            prefix=text[:SHOWN_PREFIX_CHARACTERS],
            digest=digest_of(text),
            scopes=text_of_scopes,
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
        )
    return row, text


def verify(token: str) -> Verified | None:
    """The owner of a token that is in force and whose owner is active, else None."""
    if not token.startswith(TOKEN_PREFIX) or len(token) > MAX_TOKEN_CHARACTERS:
        return None
    now = timezone.now()
    row = ApiToken.objects.filter(
        in_force(now), digest=digest_of(token), user__is_active=True
    ).first()
    if row is None:
        return None
    if row.last_used_at is None or now - row.last_used_at >= LAST_USED_EVERY:
        # Of many requests at the same moment, only one writes.
        unused = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_EVERY)
        ApiToken.objects.filter(unused, pk=row.pk).update(last_used_at=now)
    return Verified(row.pk, row.user_id, scopes.from_text(row.scopes))


def live_tokens(user_id: int) -> QuerySet[ApiToken]:
    """The person's tokens that are in force, newest first."""
    return ApiToken.objects.filter(in_force(), user_id=user_id)


def shown_tokens(user_id: int) -> QuerySet[ApiToken]:
    """What the owner sees: tokens in force, and those that expired recently; newest first."""
    since = timezone.now() - EXPIRED_SHOWN_FOR
    return ApiToken.objects.filter(in_force(since), user_id=user_id)


def revoke(user_id: int, token_id: int) -> None:
    """Ends a token of the person and the sockets that it opened.

    Raises: ClientError (not_found) when it is not theirs or was already revoked.
    """
    if not revoke_some(user_id, [token_id]):
        raise ClientError("not_found", "There is no such token.")


def revoke_some(user_id: int, token_ids: Collection[int] | None = None) -> list[int]:
    """Ends the person's tokens with these ids (None for all), with their sockets.

    Returns the ids of the tokens that it ended, in force or already expired.
    """
    with transaction.atomic():
        rows = ApiToken.objects.select_for_update().filter(user_id=user_id, revoked_at=None)
        if token_ids is not None:
            rows = rows.filter(pk__in=token_ids)
        ended = list(rows.order_by("pk").values_list("pk", flat=True))
        ApiToken.objects.filter(pk__in=ended).update(revoked_at=timezone.now())
        for token_id in ended:
            revocation.announce(user_id, revocation.token_grant(token_id))
    return ended
