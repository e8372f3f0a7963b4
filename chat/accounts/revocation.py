"""Ends access on sign-out, password change, deactivation and token revocation.

Whatever ends all sessions of a person ends the tokens of their programs too: somebody who changes
a password because it leaked would otherwise leave the intruder a key.

The push over the bus closes sockets within moments. It may be lost, so `chat.accounts.socket_auth`
also checks all sockets at least once a minute.

A *grant* says what a connection was opened with: a session's key, or `token:<id>`.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.http import HttpRequest
from django.utils import timezone

from chat.accounts import person_news
from chat.hints import to_hubs
from chat.models import ApiToken, User

TOKEN_GRANT = "token:"  # noqa: S105 - says that it is one
# A change in one of these ends every session, token and socket of the person.
DECISIVE_FIELDS = frozenset({"password", "is_active", "sessions_ended_at"})


def token_grant(token_id: int) -> str:
    return f"{TOKEN_GRANT}{token_id}"


def announce(user_id: int, grant: str | None) -> None:
    """Tells every hub to close the person's sockets of `grant`, or all of them for None.

    Does so after the commit of the running transaction, if any. Best effort; may block for the
    bus's time-outs, so call it in threads only.
    """
    message = {"type": "revoke", "user": user_id, "session": grant}
    transaction.on_commit(lambda: to_hubs.publish_blocking(to_hubs.HUBS_GROUP, message))


def connect() -> None:
    """Starts listening to what ends sessions; called once when the app is ready."""
    user_logged_out.connect(_on_sign_out, dispatch_uid="chat.accounts.revocation")
    pre_save.connect(_before_save, sender=User, dispatch_uid="chat.accounts.revocation")
    post_save.connect(_after_save, sender=User, dispatch_uid="chat.accounts.revocation")
    post_delete.connect(_on_delete, sender=User, dispatch_uid="chat.accounts.revocation")


def _on_sign_out(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    # The signal comes before the session is deleted. That is harmless: the socket that the push
    # closes does not reconnect on its own (close code 4403).
    session_key = request.session.session_key
    if user is not None and session_key is not None:
        announce(user.pk, session_key)


def _before_save(instance: User, update_fields: frozenset[str] | None, **kwargs: Any) -> None:
    instance._ends_sessions = instance._ends_tokens = False  # type: ignore[attr-defined]
    instance._switched = False  # type: ignore[attr-defined]
    if instance.pk is None or not (update_fields is None or update_fields & DECISIVE_FIELDS):
        return
    before = (
        User.objects.filter(pk=instance.pk)
        .values_list("password", "is_active", "sessions_ended_at")
        .first()
    )
    if before is None:
        return
    password, was_active, ended_at = before
    instance._switched = was_active != instance.is_active  # type: ignore[attr-defined]
    if update_fields is None and was_active != instance.is_active:
        # A change made outside `chat.actions.people` means the same.
        now = timezone.now()
        instance.deactivated_at = None if instance.is_active else now
        instance.sessions_ended_at = instance.sessions_ended_at if instance.is_active else now
    instance._ends_sessions = (  # type: ignore[attr-defined]
        password != instance.password
        or (was_active and not instance.is_active)
        or ended_at != instance.sessions_ended_at
    )
    # Django rehashes a password at sign-in when the hasher has changed: the password is the same.
    # A new one is in `_password` until the save is done. Private to Django; no upstream issue
    # known. If it is renamed, no password can be saved.
    rehashed = update_fields == frozenset({"password"}) and instance._password is None  # type: ignore[attr-defined]
    instance._ends_tokens = instance._ends_sessions and not (  # type: ignore[attr-defined]
        rehashed and instance.has_usable_password()
    )


def _after_save(instance: User, **kwargs: Any) -> None:
    if instance._ends_tokens:  # type: ignore[attr-defined]
        ApiToken.objects.filter(user=instance, revoked_at=None).update(revoked_at=timezone.now())
    if instance._ends_sessions:  # type: ignore[attr-defined]
        announce(instance.pk, None)
    if instance._switched:  # type: ignore[attr-defined]
        person_news.announce(instance)


def _on_delete(instance: User, **kwargs: Any) -> None:
    announce(instance.pk, None)
