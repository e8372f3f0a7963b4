"""What goes in and comes out of the REST API: what requests are checked by, and the document.

Answers are written straight from the structs of `chat.protocol`, so they are the same as over the
socket; the answer types here describe them for the OpenAPI document (a test compares the two).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from chat.accounts.tokens import DEFAULT_DAYS, MAX_DAYS
from chat.actions.moderation import MAX_MUTE_SECONDS, MAX_SLOW_MODE_SECONDS
from chat.actions.read_markers import MAX_MARKERS
from chat.actions.room_arrangement import MAX_CLOSED, MAX_PLACED_ROOMS, MAX_SECTIONS
from chat.api.forms import (
    Answer,
    MessageBody,
    Name,
    Note,
    Reason,
    ReasonOrNone,
    RoomName,
    SectionName,
    Topic,
)
from chat.protocol import MAX_ID

PersonId = Annotated[int, Field(ge=1, le=MAX_ID)]
BuiltInPart = Literal["favourites", "rooms", "direct"]
PlacedRooms = Annotated[
    list[Annotated[int, Field(ge=1, le=MAX_ID)]], Field(max_length=MAX_PLACED_ROOMS)
]
Seq = Annotated[int, Field(ge=1, le=MAX_ID)]
ScopeName = Literal["read", "write", "moderate"]
MuteSeconds = Annotated[int, Field(ge=1, le=MAX_MUTE_SECONDS)]
SlowModeSeconds = Annotated[int, Field(ge=0, le=MAX_SLOW_MODE_SECONDS)]


def _any_of(*forms: tuple[list[str], dict[str, Any]]) -> ConfigDict:
    """The body has one of these forms: fields that must be there, and schemas of some."""
    extra: dict[str, Any] = {
        "anyOf": [
            {"required": required, "properties": properties} for required, properties in forms
        ]
    }
    return ConfigDict(json_schema_extra=extra)


class Asked(Schema):
    """Base of request bodies: no unknown fields, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewRoom(Asked):
    name: RoomName
    kind: Literal["public", "private"]
    topic: Topic = ""


class Because(Asked):
    """Why a moderator acts: for the audit log, which the room's moderators and staff can read."""

    reason: ReasonOrNone = ""


class Why(Asked):
    """Like `Because`, for acts that take something away from somebody: the reason is required."""

    reason: Reason = Field(min_length=1, description="One line, and not blank.")


class RoomChange(Because):
    """Fields that are missing or null stay unchanged; at least one of the three must be given."""

    model_config = _any_of(
        (["name"], {"name": {"type": "string"}}),
        (["topic"], {"topic": {"type": "string"}}),
        (["slow_mode_seconds"], {"slow_mode_seconds": {"type": "integer"}}),
    )

    name: RoomName | None = None
    topic: Topic | None = None
    slow_mode_seconds: SlowModeSeconds | None = None


class Archiving(Because):
    archived: bool


class Mute(Why):
    seconds: MuteSeconds


class RoleChange(Because):
    role: Literal["member", "moderator", "owner"]


class NewReport(Asked):
    room: Annotated[int, Field(ge=1, le=MAX_ID)]
    seq: Seq
    category: Literal["spam", "harassment", "hate", "private_data", "illegal", "other"]
    note: Note = ""


class Dismissal(Because):
    answer: Answer = ""


class Resolution(Why):
    """`seconds` is required for a mute, and for nothing else."""

    model_config = _any_of(
        (["seconds"], {"action": {"const": "member.mute"}, "seconds": {"type": "integer"}}),
        ([], {"action": {"not": {"const": "member.mute"}}, "seconds": {"type": "null"}}),
    )

    answer: Answer = ""
    action: Literal["message.delete", "member.mute", "member.remove", "member.ban"]
    seconds: MuteSeconds | None = Field(None, description="How long a mute lasts.")


class SeenReports(Asked):
    ids: Annotated[list[PersonId], Field(max_length=200)]


class Person(Asked):
    user: PersonId


class NewMessage(Asked):
    body: MessageBody
    reply_to: Seq | None = None


class MarkerToSet(Asked):
    room: Annotated[int, Field(ge=1, le=MAX_ID)]
    seq: Annotated[int, Field(ge=0, le=MAX_ID, description="Everything after it is unread.")]


class MarkersToSet(Asked):
    set_at_ms: Annotated[
        int, Field(ge=1, le=MAX_ID, description="When I set them, by the server's clock.")
    ]
    markers: Annotated[list[MarkerToSet], Field(min_length=1, max_length=MAX_MARKERS)]


class NewReply(NewMessage):
    """`reply_to` is a message of the thread, or its root."""

    to_room: bool = Field(False, description="The room shows it too, as a message of its own.")


class Following(Asked):
    following: bool


class ReadUpTo(Asked):
    seq: Annotated[int, Field(ge=0, le=MAX_ID)]


class SectionToSet(Asked):
    name: SectionName
    rooms: PlacedRooms = Field([])
    collapsed: bool = False


class ClosedToSet(Asked):
    room: Annotated[int, Field(ge=1, le=MAX_ID)]
    n: Annotated[int, Field(ge=0, le=MAX_ID)]


class ArrangementToSet(Asked):
    """Together, favourites and sections name at most 2,000 rooms; a room is in one section."""

    version: Annotated[int, Field(ge=0, le=MAX_ID, description="The version that I have.")]
    unread_first: bool = False
    favourites: PlacedRooms = Field([])
    sections: Annotated[list[SectionToSet], Field(max_length=MAX_SECTIONS)] = Field([])
    closed: Annotated[list[ClosedToSet], Field(max_length=MAX_CLOSED)] = Field([])
    collapsed: Annotated[list[BuiltInPart], Field(max_length=3)] = Field([])


class NewToken(Asked):
    name: Name
    scopes: list[ScopeName] | None = Field(
        None,
        min_length=1,
        max_length=10,
        description="What it may do: `read` what members see, with the live socket; `write` what "
        "members do; `moderate`: what owners, moderators and staff see and do. Without: all.",
    )
    expires_in_days: int = Field(DEFAULT_DAYS, ge=1, le=MAX_DAYS)


class Problem(Schema):
    """RFC 9457. `code` is one of the protocol's error codes."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    reason: str | None = Field(
        None, description="Distinguishes refusals of the same code where clients may need to."
    )
    retry_after: float | None = Field(None, description="Seconds after which to try again.")
    rule: str | None = Field(
        None,
        description="For a request that matches the schema: the rule that it breaks. `x-rules` of "
        "each operation lists the rules that the schema cannot express.",
    )
    about: str | None = Field(None, description="The part of the request that is at fault.")


class UserInfo(Schema):
    id: int
    username: str
    name: str
    staff: bool
    ambiguous: bool = Field(description="Somebody else's name looks the same.")
    deactivated: bool = Field(description="They cannot sign in, so they read nothing.")


class Me(UserInfo):
    email: str
    rooms: int = Field(description="How many rooms the person is in.")


class RoomInfo(Schema):
    """A room as the asking person sees it; `role` is empty for a public room not joined.

    `n` - `read_n` messages are new to them.
    """

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
    slow_mode_seconds: int = Field(description="Members wait this long between two messages.")
    muted_until: datetime | None = Field(description="When I may write again; empty: now.")
    own_after: list[int] = Field([], description="My own after `read`: counted in `read_n`.")
    deleted_after: list[int] = Field([], description="Deleted after `read`: likewise.")
    mentions: list[int] = Field(
        [], description="Others' messages after `read` that mention me, the newest 100."
    )
    set_at_ms: int = Field(0, description="When I last set `read` by hand; absent: never.")


class Marker(Schema):
    """How far I have read a room, in the words of `RoomInfo`."""

    room: int
    read: int
    read_n: int
    own_after: list[int] = Field([])
    deleted_after: list[int] = Field([])
    mentions: list[int] = Field([])
    set_at_ms: int = 0


class Section(Schema):
    name: str
    rooms: list[int]
    collapsed: bool


class Closed(Schema):
    """It comes back when it has more than `n` messages."""

    room: int
    n: int


class Arrangement(Schema):
    version: int
    unread_first: bool
    favourites: list[int]
    sections: list[Section]
    closed: list[Closed]
    collapsed: list[str]


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


class Banned(Schema):
    user: UserInfo
    at: datetime
    by: int | None
    reason: str


class Deed(Schema):
    """What an owner, a moderator or staff did; `outcome` is empty while it is not known."""

    id: int
    at: datetime
    actor: int | None
    action: str
    subject: int | None = Field(description="The person it was done to.")
    seq: int | None = Field(description="Seq of the message that it is about.")
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str


class Deeds(Schema):
    entries: list[Deed]
    more: bool


class Report(Schema):
    """`reporter` and `assignee` are empty for readers who must not know them."""

    id: int
    room: int
    seq: int
    author: int | None
    reporter: int | None
    category: str
    note: str
    created_at: datetime
    state: str
    assignee: int | None
    resolution: str
    answer: str
    closed_at: datetime | None
    closed_by: int | None
    seen_at: datetime | None


class Reports(Schema):
    reports: list[Report]
    more: bool


class RoomReports(Reports):
    waiting: int = Field(description="How many reports of the room are open.")


class Place(Schema):
    """The final place of a message; a repeat with the same key gives the same answer."""

    room: int
    epoch: int
    seq: int
    n: int
    at: datetime


class ThreadSummary(Schema):
    replies: int = Field(description="How many replies stand: deleted ones are left out.")
    people: int = Field(description="How many people have replied.")
    first_people: list[int] = Field(description="The first 5 of them.")
    last_seq: int
    last_at: datetime


class Mentions(Schema):
    """What names in the text mean: the name as written, in lower case → id."""

    people: dict[str, int] = Field(default_factory=dict)
    groups: dict[str, int] = Field(default_factory=dict)
    rooms: dict[str, int] = Field(default_factory=dict)
    all: Literal["room", "here"] | None = Field(
        None, description="Everybody in the room, or everybody who is present there."
    )
    unresolved: bool = Field(
        False, description="PostgreSQL was down: the names are looked up when it is stored."
    )


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
    deleted_by: int | None = Field(description="Its author, or whoever moderated it.")
    reactions: dict[str, list[int]] = Field(
        description="Emoji → the first 10 people who have it, and the reader if they do."
    )
    reaction_counts: dict[str, int] = Field(description="Emoji → how many people have it.")
    thread: int | None = Field(None, description="Of a reply: the root of its thread.")
    replies: ThreadSummary | None = Field(None, description="Of a root: the replies to it.")
    mentions: Mentions | None = Field(None, description="What the text mentions, if anything.")


class Event(Schema):
    seq: int
    n: int
    type: str
    key: str | None
    actor: int | None
    at: datetime
    data: dict[str, Any]
    redacted: bool | None = Field(
        None, description="True: the text has since been deleted or replaced, and is left out."
    )


class HistoryPage(Schema):
    """Messages in ascending seq, as they were at seq `upto`; `more` if older ones exist.

    `events` is what else happened to the room and its people between them: the newest 200.
    """

    messages: list[Message]
    more: bool
    upto: int
    events: list[Event] = Field(default_factory=list)


class ThreadPage(Schema):
    """Replies in ascending seq, as they were at seq `upto`; `more` if older ones exist.

    `message` is the root; empty if it cannot be read at the moment.
    """

    message: Message | None
    messages: list[Message]
    more: bool
    upto: int
    following: bool | None = Field(
        None, description="Empty: I have not decided, not replied, and the root is not mine."
    )
    read: int | None = Field(None, description="Up to where I have read it; 0 for nothing.")


class ThreadRelation(Schema):
    room: int
    root: int
    following: bool | None
    read: int


class FollowedThread(Schema):
    """`author`, `at`, `body` and `deleted` are of the root; `body` is empty if it is deleted."""

    room: int
    root: int
    author: int | None
    at: datetime | None
    body: str
    deleted: bool
    unread: int = Field(description="Replies of others after `read`, among the newest 100.")
    read: int
    replies: ThreadSummary


class FollowedThreads(Schema):
    """Those with unread replies first, then by the last reply, newest first."""

    threads: list[FollowedThread]
    unread: int = Field(description="How many threads have unread replies, on all pages.")
    next: str | None = Field(description="The cursor of the next page.")


class MentioningMessage(Schema):
    """A message of somebody else that mentions me, a group of mine or everybody."""

    room: int
    seq: int
    at: datetime
    author: int | None
    body: str
    mentions: Mentions
    in_room: bool = Field(description="The room shows it; otherwise it is in its thread only.")
    thread: int | None = Field(None, description="Of a reply: the root of its thread.")


class MentionPage(Schema):
    """Newest first, as far as messages are stored."""

    messages: list[MentioningMessage]
    next: str | None = Field(description="The cursor of the next page.")


class PeopleGroup(Schema):
    id: int
    handle: str
    name: str
    members: int = Field(description="How many active people are in it.")
    mine: bool = Field(description="Whether I am one of them.")


class WhoReacted(Schema):
    """User ids in ascending order; if there are `more`, ask again after the last one."""

    users: list[int]
    more: bool


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
    thread: int | None = Field(None, description="Of a reply: the root of its thread.")
    marks: list[str] = Field(
        description="The strings in the body to highlight, exactly as they appear in it."
    )


class SearchResult(Schema):
    """In the order that was asked for. Messages posted a moment ago may not be found yet."""

    found: list[Found]
    more: bool
    cursor: str | None = Field(description="Gives the next page; empty if there is none.")


class PlaceInTime(Schema):
    """The first message since a moment; both are empty if there is none."""

    seq: int | None
    at: datetime | None


class Token(Schema):
    id: int
    name: str
    prefix: str
    scopes: list[ScopeName]
    created_at: datetime
    last_used_at: datetime | None = Field(description="Accurate to a minute.")
    expires_at: datetime | None = Field(description="Empty if it does not expire.")


class IssuedToken(Token):
    token: str = Field(description="Shown this once; keep it safe.")


class Ticket(Schema):
    """Offer it as the WebSocket subprotocol `ticket.<ticket>`, together with `veche.v1`."""

    ticket: str
    expires_in: int
