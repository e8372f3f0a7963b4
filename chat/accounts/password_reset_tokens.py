"""What the links that reset passwords are made of."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from chat.models import User

# For whom a link is made where nobody has the address, so that this takes as long as any other.
NOBODY_ID = 0


class Tokens(PasswordResetTokenGenerator):
    """As allauth's: good until the password, an address or the last sign-in changes.

    allauth's also writes missing rows of addresses, which would take longer for some people.
    """

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        of_django: str = super()._make_hash_value(user, timestamp)
        emails = EmailAddress.objects.filter(user_id=user.pk).values_list("email", flat=True)
        return of_django + "|".join(sorted({user.email, *emails}))


def nobody() -> User:
    """Somebody who is not there, for whom all is done that is done for others."""
    return User(pk=NOBODY_ID, username="nobody")
