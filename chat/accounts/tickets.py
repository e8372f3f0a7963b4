"""Single-use tickets with which programs open a WebSocket.

A browser's session cookie comes with the handshake; a program's bearer token must not appear in a
URL or a subprotocol that proxies write to their logs. So the program trades the token for a
ticket that works once, within 30 s. The bus keeps only the ticket's digest.

| Key on the bus | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:ticket:<sha256>` | string | 30 s | a ticket: JSON [user id, grant] |
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from chat.servers import redis_bus

LIFETIME_SECONDS = 30
MAX_TICKET_CHARACTERS = 64


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """Who holds the ticket, and what they got it with (see `chat.accounts.revocation`)."""

    user_id: int
    grant: str


_decoder = msgspec.json.Decoder(Ticket)


def _key(value: str) -> str:
    return f"veche:ticket:{hashlib.sha256(value.encode()).hexdigest()}"


async def issue(user_id: int, grant: str) -> str:
    """A new ticket's text, made of characters that a subprotocol may contain.

    Raises: Unavailable when the bus is down.
    """
    value = secrets.token_urlsafe(32)
    ticket = msgspec.json.encode(Ticket(user_id, grant))
    pipe = redis_bus.client().pipeline(transaction=False)
    pipe.set(_key(value), ticket, ex=LIFETIME_SECONDS)
    await redis_bus.ask(pipe.execute)
    return value


async def redeem(value: str) -> Ticket | None:
    """The ticket with this text; None when it was used, is too old or never existed.

    The caller must still check that its grant is in force, as for any connection.

    Raises: Unavailable when the bus is down.
    """
    if not 1 <= len(value) <= MAX_TICKET_CHARACTERS:
        return None
    pipe = redis_bus.client().pipeline(transaction=False)
    # Read and deleted in one step, so that only one of two connections gets it.
    pipe.getdel(_key(value))
    [found] = await redis_bus.ask(pipe.execute)
    return None if found is None else _decoder.decode(found)
