"""What goes in and comes out of the REST API: what requests are checked by, and the document.

Answers are written straight from the structs of `chat.protocol`, so they are the same as over the
socket; the answer types here describe them for the OpenAPI document (a test compares the two).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from chat.protocol import MAX_ID

PersonId = Annotated[int, Field(ge=1, le=MAX_ID)]
Seq = Annotated[int, Field(ge=1, le=MAX_ID)]


class Asked(Schema):
    """Base of request bodies: no unknown fields, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewRoom(Asked):
    name: str
    kind: Literal["public", "private"]
    topic: str = ""


class RoomChange(Asked):
    name: str | None = None
    topic: str | None = None


class Archiving(Asked):
    archived: bool


class Person(Asked):
    user: PersonId


class NewMessage(Asked):
    body: str
    reply_to: Seq | None = None


class NewToken(Asked):
    name: str


class Problem(Schema):
    """RFC 9457. `code` is one of the protocol's error codes."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry_after: float | None = Field(None, description="Seconds after which to try again.")


class UserInfo(Schema):
    id: int
    username: str
    name: str
    staff: bool


class Me(UserInfo):
    email: str
    rooms: int = Field(description="How many rooms the person is in.")


class RoomInfo(Schema):
    """A room as the asking person sees it; `role` is empty for a public room not joined."""

    id: int
    slug: str
    name: str
    topic: str
    kind: str
    archived: bool
    epoch: int
    head: int
    n: int
    stored: int
    read: int
    read_n: int
    role: str
    peer: UserInfo | None


class PublicRoom(Schema):
    id: int
    slug: str
    name: str
    topic: str
    members: int
    joined: bool


class MemberInfo(Schema):
    user: UserInfo
    role: str
    joined_at: datetime
    muted_until: datetime | None


class Place(Schema):
    """Where a message stands, for good; a repeat with the same key gives the same answer."""

    room: int
    epoch: int
    seq: int
    n: int
    at: datetime


class Message(Schema):
    seq: int
    n: int
    author: int | None
    key: str | None
    at: datetime
    body: str
    reply_to: int | None
    edited_at: datetime | None
    deleted: bool
    reactions: dict[str, list[int]]


class HistoryPage(Schema):
    """Messages in ascending seq, as they stood at seq `upto`; `more` when older ones exist."""

    messages: list[Message]
    more: bool
    upto: int


class Event(Schema):
    seq: int
    n: int
    type: str
    key: str | None
    actor: int | None
    at: datetime
    data: dict[str, Any]


class Events(Schema):
    """Events in seq order without a gap; ask again from the last seq until it is `head`."""

    events: list[Event]
    epoch: int
    head: int


class Found(Schema):
    room: int
    seq: int
    author: int | None
    at: datetime
    body: str


class SearchResult(Schema):
    """Newest first. What was posted a moment ago may not be found yet."""

    found: list[Found]
    more: bool


class Token(Schema):
    id: int
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None


class IssuedToken(Token):
    token: str = Field(description="Shown this once; keep it safe.")


class Ticket(Schema):
    """Offer it as the WebSocket subprotocol `ticket.<ticket>`, beside `veche.v1`."""

    ticket: str
    expires_in: int
