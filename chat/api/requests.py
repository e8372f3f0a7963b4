"""Who makes a request, how often they may, and what a body may look like."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja.errors import HttpError
from ninja.parser import Parser
from ninja.security import APIKeyCookie, HttpBearer
from ninja.throttling import BaseThrottle
from ninja.utils import check_csrf

from chat.accounts import revocation, tokens
from chat.audit.entries import Actor, Channel, address_of
from chat.middleware import unpaid_requests
from chat.protocol import MAX_ID, scopes
from chat.protocol.scopes import Scope, check_scope
from chat.protocol.strict_json import no_constant, unique_and_storable
from chat.resilience.rate_limit import BucketsByUser
from chat.resilience.reading_budget import BUDGET, SEARCH_UNITS
from chat.servers.postgres import in_database


@dataclass(frozen=True)
class Caller:
    """The person behind a request; for `grant` see `chat.accounts.revocation`."""

    user_id: int
    grant: str
    scopes: frozenset[Scope] = scopes.ALL

    @property
    def by_token(self) -> bool:
        return self.grant.startswith(revocation.TOKEN_GRANT)


class SignedInRequest(HttpRequest):
    """A request that has passed one of the checks below."""

    auth: Caller


def by(request: SignedInRequest) -> Actor:
    """Who acts, for the audit log."""
    return Actor(
        user_id=request.auth.user_id,
        channel=Channel.API if request.auth.by_token else Channel.WEB,
        address=address_of(request),
    )


class Token(HttpBearer):
    """`Authorization: Bearer veche_…`. No CSRF check: a browser never adds it by itself.

    The token must have the scope `needed`; if none is named, `read` for requests that only read and
    `write` for all others.
    """

    def __init__(self, needed: Scope | None = None) -> None:
        super().__init__()
        self._needed = needed

    def needed_for(self, method: str | None) -> Scope:
        if self._needed is not None:
            return self._needed
        return Scope.READ if method in {"GET", "HEAD"} else Scope.WRITE

    # `__call__` itself is a coroutine function: with an asynchronous `authenticate` behind a plain
    # `__call__`, ninja would take the coroutine for a yes wherever it forgets to await it.
    async def __call__(self, request: HttpRequest) -> Caller | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return await self.authenticate(request, token.strip())

    async def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        verified = await in_database(tokens.verify, token)
        if verified is None:
            return None
        unpaid_requests.let_in(request, verified.user_id)
        check_scope(verified.scopes, self.needed_for(request.method))
        grant = revocation.token_grant(verified.token_id)
        return Caller(verified.user_id, grant, verified.scopes)


class Session(APIKeyCookie):
    """The browser's session cookie, with Django's CSRF check for every method but GET."""

    param_name = settings.SESSION_COOKIE_NAME

    async def __call__(self, request: HttpRequest) -> Caller | None:
        if "Authorization" in request.headers:
            return None  # a request with a token is not let in by a cookie beside it
        return await self.authenticate(request, request.COOKIES.get(self.param_name))

    async def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        user = await request.auser()
        session_key = request.session.session_key
        if not user.is_authenticated or session_key is None:
            return None
        unpaid_requests.let_in(request, user.pk)
        if check_csrf(request) is not None:
            raise HttpError(403, "The CSRF token is missing or wrong.")
        return Caller(user.pk, session_key)


# Who may call: a session, or a token with the scope that follows from the method (the API's
# default) or with the scope named here.
BY_METHOD = [Token(), Session()]
READING = [Token(Scope.READ), Session()]
MODERATING = [Token(Scope.MODERATE), Session()]


class StrictJson(Parser):
    """Accepts only UTF-8 JSON that every reader understands in the same way.

    `chat.middleware.body_limit`, in front of Django, bounds the size of bodies.
    """

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        if request.content_type != "application/json":
            raise ValueError("not JSON")
        parsed = json.loads(
            request.body.decode("utf-8"),
            object_pairs_hook=unique_and_storable,
            parse_constant=no_constant,
            parse_float=_number,
        )
        if parsed is None:
            return {}  # like no body at all
        if not isinstance(parsed, dict):
            raise TypeError("not an object")
        return parsed


def _number(text: str) -> int | float:
    """A number with a fraction or exponent; whole ones are integers, as in JSON Schema."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= MAX_ID else number


class PerPerson(BaseThrottle):
    """Limits one person's requests per second to one process, after a burst."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._buckets = BucketsByUser(per_second, burst)
        self._wait = 0.0

    def allow_request(self, request: HttpRequest) -> bool:
        caller: Caller = request.auth  # type: ignore[attr-defined]
        self._wait = self._buckets.take(caller.user_id)
        if self._wait == 0.0:
            unpaid_requests.paid(request)
        return self._wait == 0.0

    def wait(self) -> float:
        # Called on the same thread right after `allow_request`, so it is that request's wait.
        return self._wait


class Reading(BaseThrottle):
    """Limits reads of the past by the same budget as those over sockets."""

    def __init__(self, units: float = 1.0) -> None:
        self._units = units
        self._wait = 0.0

    def allow_request(self, request: HttpRequest) -> bool:
        caller: Caller = request.auth  # type: ignore[attr-defined]
        self._wait = BUDGET.take(caller.user_id, self._units)
        if self._wait == 0.0:
            unpaid_requests.paid(request)
        return self._wait == 0.0

    def wait(self) -> float:
        return self._wait  # like `PerPerson`


def in_turn(view: Callable[..., Awaitable[HttpResponse]]) -> Callable[..., Awaitable[HttpResponse]]:
    """`view`, with every GET run in one of the person's reading slots."""

    async def read(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        async with BUDGET.paid_turn(request.auth.user_id):
            answer = await view(request, *args, **kwargs)
        BUDGET.spend(request.auth.user_id, len(answer.content))
        return answer

    @functools.wraps(view)
    async def taking_turns(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "GET":
            return await view(request, *args, **kwargs)
        # A caller that gives up does not free the slot: the database goes on with the query.
        return await asyncio.shield(asyncio.ensure_future(read(request, *args, **kwargs)))

    return taking_turns


READS = Reading()
SEARCH_READS = Reading(SEARCH_UNITS)
WRITES = PerPerson(per_second=2, burst=30)
SENDS = PerPerson(per_second=settings.ENV.sends_per_second, burst=settings.ENV.sends_burst)
REPORTS = PerPerson(per_second=0.1, burst=10)
SEARCHES = PerPerson(per_second=1, burst=10)
TICKETS = PerPerson(per_second=1, burst=20)
