"""The tokens in links that reset passwords."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from chat.models import User

# Whom a link is made for when nobody has the address, so that this takes as long as any other.
NOBODY_ID = 0


class Tokens(PasswordResetTokenGenerator):
    """Like allauth's: valid until the password, an address or the last sign-in changes.

    allauth's version also writes missing address rows, which would take longer for some people.
    Both override a private method of Django's. No upstream issue known. If it is renamed, links
    stay valid when an address changes.
    """

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        of_django: str = super()._make_hash_value(user, timestamp)
        emails = EmailAddress.objects.filter(user_id=user.pk).values_list("email", flat=True)
        return of_django + "|".join(sorted({user.email, *emails}))


def nobody() -> User:
    """A person who does not exist, for whom the same work is done as for others."""
    return User(pk=NOBODY_ID, username="nobody")
