"""Browsers in which a person has signed in before: strangers' guesses do not lock these out.

Wrong guesses lock a name (`chat.accounts.sign_in_limits`), and anybody can make them. So a browser
gets a signed cookie for each person who signed in there, and attempts that come with it have a
count of their own, which only attempts in that browser can use up. A stolen cookie opens nothing;
it gives only the few guesses of that count. The scheme is OWASP's "device cookies".

An entry holds the person's id, a number of its own, and a mark derived from what ends their
sessions. A new password, however it was set, a new second factor, deactivation and an
administrator's "end all" invalidate all cookies of the person. A browser in which they made the
change gets a new one.

A browser in which a link reset the password knows its person for the password only. For codes of
the second factor it counts as a stranger: otherwise somebody who reads the person's mail could
reset the password again and again, and get a few guesses each time.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple, cast

from allauth.account.signals import password_changed, password_reset, password_set, user_logged_in
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.decorators import sync_and_async_middleware

from chat.models import User

COOKIE: str = settings.KNOWN_DEVICE_COOKIE_NAME
LIFETIME = timedelta(days=365)
# People who share a browser; the one who signed in longest ago is dropped.
MAX_PEOPLE = 5
SALT = "chat.known_devices"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class Entry(NamedTuple):
    """One person in one browser. `number` identifies the count of attempts there.

    `signed_in`: they gave all that their account asks for.
    """

    user_id: int
    number: str
    mark: str
    signed_in: bool = False


def device_of(request: HttpRequest, username: str, *, signed_in: bool) -> str | None:
    """The number of this browser for the person with that (normalised) name. It blocks.

    None when they have not signed in here, or something has ended their sessions since. Without
    `signed_in`, a password reset by mail counts as well.
    """
    entries = _entries(request)
    if not entries:
        return None
    people = User.objects.filter(username=username).in_bulk([entry.user_id for entry in entries])
    for entry in entries:
        person = people.get(entry.user_id)
        if (
            person is not None
            and constant_time_compare(entry.mark, _mark(person))
            and (entry.signed_in or not signed_in)
        ):
            return entry.number
    return None


def number_in(cookie: str) -> str | None:
    """The number of the browser with this cookie, whoever signed in there; makes no query.

    None for a cookie that is not ours, or too old.
    """
    entries = _read(cookie)
    return entries[0].number if entries else None


def remember(request: HttpRequest, user: User, *, signed_in: bool = True) -> None:
    """Marks the request, so that its response makes the browser one that knows the person."""
    # Read by the middleware below.
    request.known_person = user, signed_in  # type: ignore[attr-defined]


@sync_and_async_middleware
def known_devices(get_response: GetResponse) -> GetResponse:
    """The middleware that writes the cookie for the person remembered in a request."""
    if iscoroutinefunction(get_response):

        async def handle_async(request: HttpRequest) -> HttpResponseBase:
            answer: HttpResponseBase = await get_response(request)
            _write(request, answer)
            return answer

        return handle_async

    def handle(request: HttpRequest) -> HttpResponseBase:
        answer = cast(HttpResponseBase, get_response(request))
        _write(request, answer)
        return answer

    return handle


def _write(request: HttpRequest, answer: HttpResponseBase) -> None:
    known: tuple[User, bool] | None = getattr(request, "known_person", None)
    if known is None:
        return
    user, signed_in = known
    others = [entry for entry in _entries(request) if entry.user_id != user.pk]
    # A new number: somebody who knows the password starts with an unused count.
    entry = Entry(user.pk, secrets.token_urlsafe(12), _mark(user), signed_in)
    answer.set_cookie(
        COOKIE,
        signing.dumps([entry, *others[: MAX_PEOPLE - 1]], salt=SALT),
        max_age=LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _entries(request: HttpRequest) -> list[Entry]:
    return _read(request.COOKIES.get(COOKIE, ""))


def _read(cookie: str) -> list[Entry]:
    """Newest first; [] for a cookie that is not ours, or too old."""
    try:
        found = signing.loads(cookie, salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return []
    return [Entry(*entry) for entry in found]


def _mark(user: User) -> str:
    digest = salted_hmac(SALT, user.get_session_auth_hash(), algorithm="sha256").hexdigest()
    return digest[:32]


def connect() -> None:
    """Starts listening for sign-ins; called once when the app is ready."""
    for signal in (user_logged_in, password_changed, password_set):
        signal.connect(_on_sign_in, dispatch_uid="chat.accounts.known_devices")
    password_reset.connect(_on_reset, dispatch_uid="chat.accounts.known_devices")


def _on_sign_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    remember(request, user)


def _on_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    # Somebody who reads the person's mail is no stranger, and could not get in otherwise while
    # somebody else keeps guessing.
    remember(request, user, signed_in=False)
