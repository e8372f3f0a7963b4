"""Browsers in which a person has signed in before: strangers' guesses do not hold these up.

Wrong guesses close a name (`chat.accounts.sign_in_limits`), and anybody can make them. So a browser
gets a signed cookie for each person who signed in there, and an attempt that comes with it is
counted by itself: only what is tried in that browser can use it up. A stolen cookie opens nothing,
and gives the few guesses of that count. The scheme is OWASP's "device cookies".

An entry holds the person's id, a number of its own, and a mark made of what ends their sessions: a
new password, by whatever way, a new second factor, deactivation and an administrator's "end all"
make all cookies of the person strange again. A browser in which they did it gets a new one.

A browser in which a link reset the password knows its person as far as the password goes. Codes of
the second factor are a stranger's there: who reads the person's mail could otherwise reset it again
for each few guesses.
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
# People who share a browser; the one who signed in longest ago makes room.
MAX_PEOPLE = 5
SALT = "chat.known_devices"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class Entry(NamedTuple):
    """One person in one browser. `number` names the count of attempts there.

    `signed_in`: with all that their account asks for.
    """

    user_id: int
    number: str
    mark: str
    signed_in: bool = False


def device_of(request: HttpRequest, username: str, *, signed_in: bool) -> str | None:
    """The number of this browser for the person with that (normalised) name.

    None when they have not signed in here, or what ends sessions came between; without `signed_in`
    a reset by mail is as good. It blocks.
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
    """The number of the browser with this cookie, whoever has signed in there; it asks nobody.

    None for a cookie that is not ours, or too old.
    """
    entries = _read(cookie)
    return entries[0].number if entries else None


def remember(request: HttpRequest, user: User, *, signed_in: bool = True) -> None:
    """The answer to this request makes the browser one that knows the person."""
    # Read by the middleware below.
    request.known_person = user, signed_in  # type: ignore[attr-defined]


@sync_and_async_middleware
def known_devices(get_response: GetResponse) -> GetResponse:
    """The middleware that writes the cookie of whoever was remembered in a request."""
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
    # A new number: what was used up of the old one does not matter to who knows the password.
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
    """Starts listening to who signs in; called once when the app is ready."""
    for signal in (user_logged_in, password_changed, password_set):
        signal.connect(_on_sign_in, dispatch_uid="chat.accounts.known_devices")
    password_reset.connect(_on_reset, dispatch_uid="chat.accounts.known_devices")


def _on_sign_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    remember(request, user)


def _on_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    # Who reads the person's mail is no stranger, and could not get in otherwise while somebody goes
    # on guessing.
    remember(request, user, signed_in=False)
