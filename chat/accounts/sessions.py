"""People's browser sessions: when one is ended, its sockets end too.

allauth keeps the list (`UserSession`) and a page of one's own; administrators have another page.
"""

from __future__ import annotations

from typing import Any

from allauth.usersessions.models import UserSession
from django.db.models.signals import post_delete
from django.utils import timezone

from chat.accounts import revocation
from chat.models import User


def connect() -> None:
    """Starts listening for sessions that end; called once when the app is ready."""
    post_delete.connect(_on_end, sender=UserSession, dispatch_uid="chat.accounts.sessions")


def _on_end(instance: UserSession, **kwargs: Any) -> None:
    revocation.announce(instance.user_id, instance.session_key)


def sessions_of(user_id: int) -> list[UserSession]:
    """The person's sessions in force, newest first."""
    found: list[UserSession] = [
        session
        for session in UserSession.objects.filter(user_id=user_id).order_by("-created_at")
        if session.exists()
    ]
    return found


def end_all(person: User) -> None:
    """Ends all of the person's sessions, even those on no list, with sockets and tokens.

    Browsers in which they signed in no longer know them (`chat.accounts.known_devices`).
    """
    end(sessions_of(person.pk))
    person.sessions_ended_at = timezone.now()
    # Saving ends tokens, and announces that the sockets must close (`chat.accounts.revocation`).
    person.save(update_fields=["sessions_ended_at"])


def end(sessions: list[UserSession]) -> None:
    """Ends sessions, with their sockets, at once."""
    for session in sessions:
        session.end()
