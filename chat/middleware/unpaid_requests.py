"""Refuses API requests that no budget pays for, when there are too many, in front of Django.

A request is paid for by one of its person's budgets (`chat.api.requests`). By then Veche has found
out who that is, which takes a look into PostgreSQL and most of the cost of a short answer. So a
request refused by a budget (429), or because its session or token is unknown (401), costs the
process nearly as much as one that is answered, and clients that do not wait when told to slow
everybody down. Here such requests have a budget of their own; beyond it, they are refused before
anything finds out who asks.

The budget belongs to the person, if the same session or token was let in before (with separate
budgets for reading and writing); else to the browser, if somebody has signed in with it
(`chat.accounts.known_devices`); else to the client address. It gives no access, so it does not
matter that a session may have ended since: the next answer is 401, and the session is a
stranger's again.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, parse_cookie

from chat.accounts import known_devices
from chat.audit.entries import address_of_handshake
from chat.metrics import catalogue as metrics
from chat.middleware.asgi import (
    API_PREFIX,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    send_problem,
)
from chat.resilience.rate_limit import Buckets, Clock
from chat.tracing.request_ids import HEADER, id_of_headers

# Also bounds how many may be in flight at once, since each counts as unpaid until it ends. Opening
# a page needs fewer.
PERSON_PER_SECOND = 4.0
PERSON_BURST = 100.0
# One address may be a whole office, which reconnects all at once after this process has started.
STRANGERS_PER_SECOND = 20.0
STRANGERS_BURST = 1_000.0
# Credentials remembered as let in; the one seen longest ago becomes a stranger's again.
MAX_CREDENTIALS = 20_000
LEAST_RETRY_SECONDS = 1.0
# Even this refusal costs the server a parsed request. So it is held back, which keeps impatient
# clients from asking again. Each held refusal costs a connection; beyond `MAX_HELD`, it is sent at
# once.
HELD_SECONDS = 1.0
MAX_HELD = 500
ACCOUNT = "veche.account"
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

PROBLEM = {
    "title": "Too many requests",
    "status": 429,
    "detail": "Too many requests after others were refused.",
    "code": "rate_limited",
}


@dataclass
class _Account:
    """What the API reports about a request."""

    person: int | None = None
    paid: bool = False


def let_in(request: HttpRequest, user_id: int) -> None:
    """Notes that the request is this person's."""
    account = _account_of(request)
    if account is not None:
        account.person = user_id


def paid(request: HttpRequest) -> None:
    """Notes that a budget of the person has paid for the request."""
    account = _account_of(request)
    if account is not None:
        account.paid = True


def _account_of(request: HttpRequest) -> _Account | None:
    account: _Account | None = getattr(request, "scope", {}).get(ACCOUNT)
    return account


class UnpaidRequests:
    """An ASGI application in front of `inner`."""

    def __init__(self, inner: Application, clock: Clock = time.monotonic) -> None:
        self._inner = inner
        self._people = Buckets[Hashable](PERSON_PER_SECOND, PERSON_BURST, clock=clock)
        self._strangers = Buckets[Hashable](STRANGERS_PER_SECOND, STRANGERS_BURST, clock=clock)
        self._known: OrderedDict[bytes, int] = OrderedDict()  # credential → person
        self._secret = secrets.token_bytes(32)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API_PREFIX):
            await self._inner(scope, receive, send)
            return
        presented, device = _presented(scope)
        credential = self._digest(presented)
        buckets, owner = self._owner(scope, credential, device)
        if owner is None:
            await self._inner(scope, receive, send)
            return
        wait = buckets.take(owner)
        if wait > 0:
            await self._refuse(scope, send, max(wait, LEAST_RETRY_SECONDS))
            return
        account = scope[ACCOUNT] = _Account()
        status = 0  # until there is an answer: clients that hang up do not pay less

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._inner(scope, receive, noting_send)
        finally:
            # The client is not to blame when a part of the server is down.
            if status >= 500 or (account.paid and status != 429):
                buckets.give_back(owner)
            self._learn(credential, account, status)

    def _owner(
        self, scope: Scope, credential: bytes, device: str
    ) -> tuple[Buckets[Hashable], Hashable | None]:
        """The budget's owner; None if clients cannot be told apart, e.g. behind a Unix socket."""
        person = self._known.get(credential)
        if person is not None:
            self._known.move_to_end(credential)
            return self._people, (person, scope["method"] in READING_METHODS)
        browser = known_devices.number_in(device) if device else None
        return self._strangers, browser or _network(address_of_handshake(scope))

    def _learn(self, credential: bytes, account: _Account, status: int) -> None:
        if account.person is not None:
            self._known[credential] = account.person
            if len(self._known) > MAX_CREDENTIALS:
                self._known.popitem(last=False)
        elif status == 401:
            self._known.pop(credential, None)

    def _digest(self, presented: bytes) -> bytes:
        return hashlib.blake2b(presented, key=self._secret, digest_size=16).digest()

    async def _refuse(self, scope: Scope, send: Send, wait_seconds: float) -> None:
        metrics.REQUESTS_REFUSED.inc()
        headers = [
            (b"retry-after", str(math.ceil(wait_seconds)).encode()),
            (b"cache-control", b"no-store"),
            (HEADER.lower().encode(), id_of_headers(scope["headers"]).encode()),
        ]
        if self._held < MAX_HELD:
            self._held += 1
            try:
                await asyncio.sleep(HELD_SECONDS)
            finally:
                self._held -= 1
        await send_problem(send, {**PROBLEM, "retry_after": round(wait_seconds, 2)}, headers)


def _presented(scope: Scope) -> tuple[bytes, str]:
    """The token or session that tells the API who asks, and the known-device cookie, "" if none.

    Reads them like `chat.api.requests`: if there is a token, no session counts.
    """
    cookies = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return b"token " + value.partition(b" ")[2].strip(), ""
        if name == b"cookie":
            cookies = value.decode("latin-1")
    found = parse_cookie(cookies)
    session = found.get(settings.SESSION_COOKIE_NAME, "")
    return b"session " + session.encode(), found.get(known_devices.COOKIE, "")


def _network(address: str | None) -> Hashable | None:
    """The IPv4 address itself, or the /64 that one customer has of IPv6."""
    if address is None:
        return None
    parsed = ip_address(address)
    return parsed.packed[:8] if parsed.version == 6 else parsed.packed
