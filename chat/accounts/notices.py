"""Mails that tell people what happened to their account, so that nobody changes it unnoticed.

They go to all addresses of the account, including one that has just been removed from it:
otherwise only somebody who took the account over would read them. allauth itself reports changes
of passwords and factors; of addresses it reports fewer than this module.
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_added, email_changed
from allauth.core import context
from django.db import transaction
from django.http import HttpRequest
from django.utils import translation

from chat.models import User


def addresses_of(user: User) -> set[str]:
    """Every mail address of the person; uses the database."""
    found = set(EmailAddress.objects.filter(user_id=user.pk).values_list("email", flat=True))
    return {address.lower() for address in (user.email, *found) if address}


def tell(request: HttpRequest, template: str, user: User, **values: Any) -> None:
    """Queues one of templates/account/email/ for all addresses of the person.

    `email`: one more address to tell. It blocks.
    """
    email = values.pop("email", None)
    get_adapter(request).send_notification_mail(f"account/email/{template}", user, values, email)


def tell_of_token(request: HttpRequest, user_id: int, name: str, language: str | None) -> None:
    """Mails that a token was made over the API.

    `language`: the request's, which threads do not know.
    """
    user = User.objects.get(pk=user_id)
    with context.request_context(request), translation.override(language):
        tell(request, "token_made", user, token_name=name)


def change_address(request: HttpRequest, user: User, old: str, new: str) -> None:
    """Replaces the person's address with the one staff gave them, and mails the old address.

    The old address can no longer reset the password.
    """
    with transaction.atomic():
        addresses = EmailAddress.objects.filter(user=user)
        addresses.filter(email=old.lower()).delete()
        addresses.filter(primary=True).update(primary=False)
        if new:
            addresses.update_or_create(
                user=user, email=new.lower(), defaults={"primary": True, "verified": False}
            )
    tell(request, "email_changed", user, to_email=new, email=old or None, by_staff=True)


def connect() -> None:
    """Starts listening to changes; called once when the app is ready."""
    email_added.connect(_on_address_added, dispatch_uid="chat.accounts.notices")
    email_changed.connect(_on_address_changed, dispatch_uid="chat.accounts.notices")


def _on_address_added(
    request: HttpRequest, user: User, email_address: EmailAddress, **kwargs: Any
) -> None:
    tell(request, "email_added", user, added_email=email_address.email)


def _on_address_changed(
    request: HttpRequest,
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **kwargs: Any,
) -> None:
    # If there was an old address, allauth reports the change.
    if from_email_address is None:
        tell(request, "email_changed", user, to_email=to_email_address.email)
