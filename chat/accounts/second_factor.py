"""Whether a session was opened with its person's second factor: the session's own record decides.

The account says that there is a factor; the session says that it was given. A session opened with
the password alone has not given it, even if the account has a factor by now. allauth writes every
authentication into the session. A record counts if it is not older than the account's factor, so a
factor that was switched off and on again is asked for again.

A new factor ends all other sessions of the person: they may belong to somebody who knew only the
password. The session in which the factor was set up has proved it and goes on.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.db.models import Max
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.utils import timezone

from chat.accounts import known_devices
from chat.models import User

# What allauth calls an authentication by code or key in a session's record.
METHOD = "mfa"
# Recovery codes replace a factor; alone they are not one.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class SecondFactor(Enum):
    """What is known about the second factor of a request's session."""

    NONE = auto()  # the account has none
    MISSING = auto()  # it has one, and this session has not given it
    GIVEN = auto()


def state_of(request: HttpRequest) -> SecondFactor:
    """The second-factor state of a signed-in person's session. One query; it blocks."""
    user = request.user
    assert isinstance(user, User)
    since = newest(user.pk)
    if since is None:
        return SecondFactor.NONE
    given = any(
        record["method"] == METHOD and record["at"] >= since.timestamp()
        for record in get_authentication_records(request, user)
    )
    return SecondFactor.GIVEN if given else SecondFactor.MISSING


def newest(user_id: int) -> datetime | None:
    """When the person's newest factor was set up; None without one."""
    made: datetime | None = Authenticator.objects.filter(
        user_id=user_id, type__in=FACTORS
    ).aggregate(newest=Max("created_at"))["newest"]
    return made


def connect() -> None:
    """Starts listening to new factors; called once when the app is ready."""
    post_save.connect(
        _end_sessions, sender=Authenticator, dispatch_uid="chat.accounts.second_factor"
    )
    authenticator_added.connect(_keep_session, dispatch_uid="chat.accounts.second_factor")


def _end_sessions(instance: Authenticator, created: bool, **kwargs: Any) -> None:
    if not created or instance.type not in FACTORS:
        return
    person = User.objects.get(pk=instance.user_id)
    person.sessions_ended_at = timezone.now()
    # Saving announces that the sockets must close (`chat.accounts.revocation`).
    person.save(update_fields=["sessions_ended_at"])


def _keep_session(request: HttpRequest, authenticator: Authenticator, **kwargs: Any) -> None:
    """Keeps the session that set the factor up, under a new key, with the factor on record."""
    if authenticator.type not in FACTORS:
        return
    person = User.objects.get(pk=authenticator.user_id)
    assert isinstance(request.user, User)
    # A later save of the request's own copy must not revive the other sessions.
    request.user.sessions_ended_at = person.sessions_ended_at
    update_session_auth_hash(request, person)
    # Internal to allauth, which records its own sign-ins with it. No upstream issue known. If it
    # moves, this module cannot be imported and no process starts.
    record_authentication(
        request,
        person,
        METHOD,
        id=authenticator.pk,
        type=authenticator.type,
        reauthenticated=True,
    )
    UserSession.objects.create_from_request(request)
    known_devices.remember(request, person)
