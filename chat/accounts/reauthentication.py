"""Asks people to prove who they are again before changes that could hand the account over.

Somebody who gets hold of a session (an unattended desk, a stolen cookie) must not get the account.
So before a mail address, the password, a factor or a program's token is changed, the person is
asked again: for the code of the second factor if there is one, otherwise for the password. What was
given a moment ago is not asked for again (`ACCOUNT_REAUTHENTICATION_TIMEOUT`).

| entry point | lets a request pass after |
|---|---|
| pages of the account (`ask_again`) | the person was asked again; a page can lead there and back |
| API (`check_recent`) | that, or a recent sign-in: a program cannot be led to a page |

An account without a password and without a factor cannot be asked; it passes only shortly after
signing in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.http import urlencode

from chat.accounts import second_factor
from chat.accounts.second_factor import SecondFactor
from chat.models import User

View = Callable[..., HttpResponseBase]

# Key in the session's data: when the session was opened, in seconds since 1970.
SIGNED_IN_AT = "veche_signed_in_at"


def was_asked_again(request: HttpRequest) -> bool:
    """Whether the session's person was asked again a moment ago, for all that their account has."""
    user = request.user
    assert isinstance(user, User)
    factor = second_factor.state_of(request)
    if factor is SecondFactor.MISSING:
        return False
    if factor is SecondFactor.NONE and not user.has_usable_password():
        return _signed_in_recently(request)
    # Once the account has a factor, records of a password do not count.
    wanted = second_factor.METHOD if factor is SecondFactor.GIVEN else "password"
    return any(
        record.get("reauthenticated") and record["method"] == wanted and _is_recent(record["at"])
        for record in get_authentication_records(request, user)
    )


def check_recent(request: HttpRequest) -> None:
    """Lets an API request pass if its person has just signed in or was just asked again.

    It blocks. Raises: ReauthenticationRequired, which the API answers with 403 and the code
    `reauthentication_required`.
    """
    if was_asked_again(request):
        return
    if second_factor.state_of(request) is SecondFactor.MISSING or not _signed_in_recently(request):
        raise ReauthenticationRequired


def ask_again(*, methods: frozenset[str], factor_alone: bool = False) -> Callable[[View], View]:
    """Decorates a view for signed-in people to ask again before it answers one of `methods`.

    `factor_alone`: only where there is a second factor; the view's own form asks for the password.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if (
                request.method in methods
                and request.user.is_authenticated
                and not (factor_alone and second_factor.state_of(request) is SecondFactor.NONE)
                and not was_asked_again(request)
            ):
                return _lead_to_question(request, keep_form=not factor_alone)
            return view(request, *args, **kwargs)

        return asking

    return decorate


def _lead_to_question(request: HttpRequest, *, keep_form: bool) -> HttpResponseBase:
    """Leads to the page that asks, and back.

    With `keep_form`, allauth keeps the form in the session and resumes it afterwards; a form with
    passwords in it is better filled in again.

    Raises: PermissionDenied when there is nothing to ask for.
    """
    asked = get_adapter(request).get_reauthentication_methods(request.user)
    if not asked:
        raise PermissionDenied(
            "This account has neither a password nor a second factor to confirm with."
        )
    if request.method == "POST" and keep_form:
        raise ReauthenticationRequired
    back = urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})
    return HttpResponseRedirect(f"{asked[0]['url']}?{back}")


def connect() -> None:
    """Starts noting when sessions are opened; called once when the app is ready."""
    user_logged_in.connect(_on_sign_in, dispatch_uid="chat.accounts.reauthentication")


def _on_sign_in(request: HttpRequest, **kwargs: Any) -> None:
    request.session[SIGNED_IN_AT] = time.time()


def _signed_in_recently(request: HttpRequest) -> bool:
    return _is_recent(request.session.get(SIGNED_IN_AT, 0.0))


def _is_recent(at: float) -> bool:
    limit: int = app_settings.REAUTHENTICATION_TIMEOUT
    return time.time() - at < limit
