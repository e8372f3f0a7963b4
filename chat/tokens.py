"""Bearer tokens of programs: shown once, kept only as SHA-256 digests.

A token is 32 random bytes, so a plain digest cannot be guessed back; the `veche_` in front lets
secret scanners and people recognise one.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from chat import revocation
from chat.errors import ClientError
from chat.models import ApiToken, User

TOKEN_PREFIX = "veche_"  # noqa: S105 - what tokens begin with
SHOWN_PREFIX_CHARACTERS = 12
# Longer than any token we ever issued; anything above is not worth hashing.
MAX_TOKEN_CHARACTERS = 100
MAX_TOKENS_PER_PERSON = 50
# One write a minute and token, however busy the program is.
LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Verified:
    """Whose token it is."""

    token_id: int
    user_id: int


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue(user_id: int, name: str) -> tuple[ApiToken, str]:
    """A new token of the person: its row, and its text, which nobody can read again.

    Raises: ClientError (forbidden) when the person has `MAX_TOKENS_PER_PERSON` already.
    """
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
        )
    return row, text


def verify(token: str) -> Verified | None:
    """The owner of a token that is in force and whose owner is active, else None."""
    if not token.startswith(TOKEN_PREFIX) or len(token) > MAX_TOKEN_CHARACTERS:
        return None
    row = ApiToken.objects.filter(
        digest=digest_of(token), revoked_at=None, user__is_active=True
    ).first()
    if row is None:
        return None
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at >= LAST_USED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)
    return Verified(token_id=row.pk, user_id=row.user_id)


def live_tokens(user_id: int) -> QuerySet[ApiToken]:
    """The person's tokens that are in force, newest first."""
    return ApiToken.objects.filter(user_id=user_id, revoked_at=None)


def revoke(user_id: int, token_id: int) -> None:
    """Ends a token of the person and the sockets that it opened.

    Raises: ClientError (not_found) when it is not theirs or is revoked already.
    """
    changed = ApiToken.objects.filter(pk=token_id, user_id=user_id, revoked_at=None).update(
        revoked_at=timezone.now()
    )
    if not changed:
        raise ClientError("not_found", "There is no such token.")
    revocation.announce(user_id, revocation.token_origin(token_id))
