"""Who is at the keyboard: asked again before what would hand the account over.

A session that somebody else got hold of (a desk left alone, a stolen cookie) must not become the
account. So before a mail address, the password, a factor or a token of programs is changed, its
person is asked again: for the code of the second factor where there is one, for the password
otherwise. What was given a moment ago is not asked for again
(`ACCOUNT_REAUTHENTICATION_TIMEOUT`).

| door | passes after |
|---|---|
| pages of the account (`ask_again`) | having been asked again; a page can lead there and back |
| API (`check_recent`) | that, or having signed in: a program cannot be led to a page |

An account without a password and without a factor cannot be asked; it passes only soon after it
signed in.
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

# When the session was opened, in its data: seconds since 1970.
SIGNED_IN_AT = "veche_signed_in_at"


def was_asked_again(request: HttpRequest) -> bool:
    """Whether the person of this session was asked again a moment ago, for all they have."""
    user = request.user
    assert isinstance(user, User)
    factor = second_factor.state_of(request)
    if factor is SecondFactor.MISSING:
        return False
    if factor is SecondFactor.NONE and not user.has_usable_password():
        return _signed_in_recently(request)
    # Records of what the account had before count for nothing once it has a factor.
    wanted = second_factor.METHOD if factor is SecondFactor.GIVEN else "password"
    return any(
        record.get("reauthenticated") and record["method"] == wanted and _is_recent(record["at"])
        for record in get_authentication_records(request, user)
    )


def check_recent(request: HttpRequest) -> None:
    """Lets a request of the API pass whose person has signed in, or was asked again, just now.

    It blocks. Raises: ReauthenticationRequired, which the API answers with 403 and the code
    `reauthentication_required`.
    """
    if was_asked_again(request):
        return
    if second_factor.state_of(request) is SecondFactor.MISSING or not _signed_in_recently(request):
        raise ReauthenticationRequired


def ask_again(*, methods: frozenset[str], factor_alone: bool = False) -> Callable[[View], View]:
    """A view of somebody signed in that asks again before it answers one of `methods`.

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
    """To the page that asks, and back. Raises: PermissionDenied when there is nothing to ask for.

    allauth keeps a form in the session and goes on with it afterwards; one with passwords in it
    is better filled in again.
    """
    asked = get_adapter(request).get_reauthentication_methods(request.user)
    if not asked:
        raise PermissionDenied("This account has nothing that could be asked for.")
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
