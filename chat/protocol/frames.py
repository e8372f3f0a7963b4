"""The frames of `/ws/chat/` and the limits and codes that go with them.

Every frame is a JSON object with its type in `t`. Client frames refuse unknown fields; clients
ignore server frames they do not know. The AsyncAPI document is generated from these types.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chat.broken_rules import Rule
from chat.events import Time
from chat.events.mentions import Mentions
from chat.protocol import text_forms

SUBPROTOCOL = "veche.v1"
TICKET_SUBPROTOCOL_PREFIX = "ticket."

MAX_FRAME_BYTES = 64 * 1024
MAX_BODY_CHARACTERS = 8_000
MAX_SYNC_EVENTS = 500
MAX_HISTORY_MESSAGES = 100
MAX_RESUME_ROOMS = 1_000
MAX_EMOJI_CHARACTERS = 32
# Different emoji on a message; and how many of those who have one are named with it.
MAX_MESSAGE_EMOJI = 50
MAX_NAMED_PEOPLE = 10
# How many of those who replied in a thread are named with it.
MAX_NAMED_REPLIERS = 5

# JSON integers that PostgreSQL's bigint and JavaScript's numbers both hold exactly.
MAX_ID = 2**53 - 1


class ErrorCode(StrEnum):
    """Why a frame was not accepted; the same key may be sent again after the cause is gone."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_TYPE = "unknown_type"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    NOT_FOUND = "not_found"
    NOT_MEMBER = "not_member"
    FORBIDDEN = "forbidden"
    MUTED = "muted"
    ARCHIVED = "archived"
    RATE_LIMITED = "rate_limited"
    KEY_CONFLICT = "key_conflict"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class CloseCode(IntEnum):
    """Why the server ends a connection."""

    RESTARTING = 1012
    PROTOCOL_VIOLATION = 4400
    NOT_SIGNED_IN = 4401
    REVOKED = 4403
    SLOW_READER = 4408
    TOO_MANY = 4429


# Close codes after which a client must not come back by itself.
STOP_CODES = frozenset({CloseCode.PROTOCOL_VIOLATION, CloseCode.NOT_SIGNED_IN, CloseCode.REVOKED})

RoomId = Annotated[int, Meta(ge=1, le=MAX_ID)]
Seq = Annotated[int, Meta(ge=0, le=MAX_ID)]
TargetSeq = Annotated[int, Meta(ge=1, le=MAX_ID)]
# Texts have their patterns for the document alone; `chat.protocol.rules` checks them.
RequestId = Annotated[
    str, Meta(min_length=1, max_length=64, extra_json_schema={"pattern": text_forms.WITHOUT_NUL})
]
IdempotencyKey = Annotated[
    str,
    Meta(
        min_length=36,
        max_length=36,
        extra_json_schema={"pattern": text_forms.KEY, "format": "uuid7"},
    ),
]
Body = Annotated[str, Meta(extra_json_schema=text_forms.of_body(MAX_BODY_CHARACTERS))]
Emoji = Annotated[str, Meta(extra_json_schema=text_forms.of_emoji(MAX_EMOJI_CHARACTERS))]

# Plain text in the frames, so that building them checks nothing; the document names the values.
KindName = Annotated[str, Meta(extra_json_schema={"$ref": "#/components/schemas/RoomKind"})]
RoleName = Annotated[str, Meta(extra_json_schema={"$ref": "#/components/schemas/Role"})]
JsonObject = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]


class ClientFrame(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="t", kw_only=True
):
    """Base of what clients send."""


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    epoch: Annotated[int, Meta(ge=0, le=MAX_ID)]
    seq: Seq


class Hello(ClientFrame, frozen=True, tag="hello"):
    """First frame of a connection. Rooms in `rooms` resume after `seq`; others start at head."""

    rooms: Annotated[
        dict[str, Position],
        Meta(
            max_length=MAX_RESUME_ROOMS,
            extra_json_schema={"propertyNames": {"pattern": f"^{text_forms.ROOM_NUMBER}$"}},
        ),
    ] = {}


class Send(ClientFrame, frozen=True, tag="send"):
    id: RequestId
    room: RoomId
    key: IdempotencyKey
    body: Body
    reply_to: TargetSeq | None = None


class Reply(ClientFrame, frozen=True, tag="reply"):
    """Posts in the thread of the message at `root`; with `to_room`, the room shows it too.

    `reply_to` is a message of the thread, or its root.
    """

    id: RequestId
    room: RoomId
    key: IdempotencyKey
    root: TargetSeq
    body: Body
    reply_to: TargetSeq | None = None
    to_room: bool = False


class Edit(ClientFrame, frozen=True, tag="edit"):
    id: RequestId
    room: RoomId
    key: IdempotencyKey
    target: TargetSeq
    body: Body


class Delete(ClientFrame, frozen=True, tag="delete"):
    id: RequestId
    room: RoomId
    key: IdempotencyKey
    target: TargetSeq


class React(ClientFrame, frozen=True, tag="react"):
    id: RequestId
    room: RoomId
    key: IdempotencyKey
    target: TargetSeq
    emoji: Emoji
    on: bool = True


class Sync(ClientFrame, frozen=True, tag="sync"):
    """Events after a position, answered by `batch`."""

    id: RequestId
    room: RoomId
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=MAX_SYNC_EVENTS)] = MAX_SYNC_EVENTS


class History(ClientFrame, frozen=True, tag="history"):
    """Messages before a position, newest page first, answered by `page`."""

    id: RequestId
    room: RoomId
    before: TargetSeq
    limit: Annotated[int, Meta(ge=1, le=MAX_HISTORY_MESSAGES)] = 50


class Read(ClientFrame, frozen=True, tag="read"):
    """The person has read up to `seq`. `set_at_ms` is the marker's own, as the client knows it, and
    absent if it knows none: what was read before a marker was set by hand does not move it."""

    room: RoomId
    seq: Seq
    set_at_ms: Annotated[int, Meta(ge=0, le=MAX_ID)] | None = None


class Thread(ClientFrame, frozen=True, tag="thread"):
    """Replies of a thread before a position, newest page first, answered by `thread_page`."""

    id: RequestId
    room: RoomId
    root: TargetSeq
    before: TargetSeq = MAX_ID
    limit: Annotated[int, Meta(ge=1, le=MAX_HISTORY_MESSAGES)] = 50


class ThreadRead(ClientFrame, frozen=True, tag="thread_read"):
    """The person has read the thread up to `seq`; `thread` tells all their devices."""

    room: RoomId
    root: TargetSeq
    seq: Seq


class Typing(ClientFrame, frozen=True, tag="typing"):
    room: RoomId


class Seen(ClientFrame, frozen=True, tag="seen"):
    """Confirms the `events` frames up to and including number `f`."""

    f: Seq


class Ping(ClientFrame, frozen=True, tag="ping"):
    pass


AppendingFrame = Send | Reply | Edit | Delete | React
AnyClientFrame = (
    Hello
    | Send
    | Reply
    | Edit
    | Delete
    | React
    | Sync
    | History
    | Thread
    | Read
    | ThreadRead
    | Typing
    | Seen
    | Ping
)


class ServerFrame(msgspec.Struct, frozen=True, tag_field="t", kw_only=True):
    """Base of what the server sends."""


class UserInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`ambiguous`: somebody else's name looks the same; show `username`, which is unique, too.
    `deactivated`: they cannot sign in, so they read nothing."""

    id: int
    username: str
    name: str
    staff: bool = False
    ambiguous: bool = False
    deactivated: bool = False


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room as one of its members sees it. `read`: the reader's own marker, a seq.

    `n` - `read_n` messages are new to the reader: `read_n` counts those up to the marker, and after
    it the reader's own and those that were deleted.
    """

    id: int
    slug: str
    name: str
    topic: str
    kind: KindName
    archived: bool
    epoch: int
    head: int
    n: int
    stored: int
    read: int
    read_n: int
    role: RoleName
    peer: Annotated[
        UserInfo | None, Meta(description="The other person of a direct conversation.")
    ] = None
    slow_mode_seconds: Annotated[
        int, Meta(description="Members wait this long between two messages; 0 without slow mode.")
    ] = 0
    muted_until: Annotated[
        Time | None, Meta(description="When the reader may write again, here or anywhere.")
    ] = None
    own_after: Annotated[
        list[int] | UnsetType,
        Meta(description="Seqs of the reader's own messages after `read`, the newest 1,000."),
    ] = UNSET
    deleted_after: Annotated[
        list[int] | UnsetType,
        Meta(description="Seqs of others' messages after `read` that were deleted, likewise."),
    ] = UNSET
    mentions: Annotated[
        list[int] | UnsetType,
        Meta(
            description="Seqs of others' messages after `read` that mention the reader, a group of "
            "theirs or everybody, the newest 100."
        ),
    ] = UNSET
    set_at_ms: Annotated[
        int | UnsetType,
        Meta(description="When the reader last set `read` by hand; absent: never."),
    ] = UNSET


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    frame_bytes: int
    body_characters: int
    unseen_bytes: int
    sends_per_second: float
    sends_burst: int


class Welcome(ServerFrame, frozen=True, tag="welcome"):
    """Answer to `hello`. `time` is the server's clock, for the client's UUIDv7 keys.

    A person who is in many rooms gets them in parts: `more` says that a `rooms` frame follows.
    """

    user: UserInfo
    rooms: list[RoomInfo]
    heartbeat: int
    time: Time
    limits: Limits
    weak_log: bool = False
    more: bool = False  # `rooms` follows


class Rooms(ServerFrame, frozen=True, tag="rooms"):
    """More of the person's rooms, after a `welcome` or `rooms` with `more`."""

    rooms: list[RoomInfo]
    more: bool


class RoomAdded(ServerFrame, frozen=True, tag="room"):
    """The person entered a room while connected; its events follow from `head` + 1."""

    room: RoomInfo


class Ok(ServerFrame, frozen=True, tag="ok"):
    id: str
    room: int
    epoch: int
    seq: int
    n: int
    at: Time


class Error(ServerFrame, frozen=True, tag="error"):
    """`id` is null if the refused frame had none. `rule`, with a code for bad form: the frame
    matches its schema but breaks this rule, which the schema cannot express."""

    id: str | None
    code: ErrorCode
    message: str
    retry_after: float | UnsetType = UNSET
    rule: Rule | UnsetType = UNSET
    reason: Annotated[
        str | UnsetType,
        Meta(description="Tells refusals with the same code apart, as in problems over REST."),
    ] = UNSET


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A room event as clients see it; `data` is the JSON object of its type.

    `redacted`, in answers about the past: the text was later deleted or replaced, and is empty.
    """

    seq: int
    n: int
    type: str
    key: str | None
    actor: int | None
    at: Time
    data: JsonObject
    redacted: bool | UnsetType = UNSET


class Events(ServerFrame, frozen=True, tag="events"):
    """Live or resumed events in seq order; `f` numbers these frames of the connection from 1."""

    f: int
    room: int
    events: list[Event]


class Stored(ServerFrame, frozen=True, tag="stored"):
    rooms: dict[str, int]


class Heads(ServerFrame, frozen=True, tag="heads"):
    """How far rooms are: those that changed since the last heartbeat, and some others in turn."""

    rooms: dict[str, tuple[int, int]]  # room → (epoch, head)


class Reset(ServerFrame, frozen=True, tag="reset"):
    """The log of this room was lost after `head`: forget positions and load the history again."""

    room: int
    epoch: int
    head: int


class ThreadSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The replies to a message. `replies` counts those that are not deleted, `people` everybody
    who has replied; the first 5 of them are named."""

    replies: int
    people: int
    first_people: list[int]
    last_seq: int
    last_at: Time


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it stands now: edits and reactions applied. A deleted one has no body.

    A reply names the root of its `thread`; its `n` is 0 if the room does not show it. A root has
    a summary of its `replies`, if there are any.

    `reactions` names the first 10 people who gave each emoji, and the reader if they did;
    `reaction_counts` has how many people gave it.
    """

    seq: int
    n: int
    author: int | None
    key: str | None
    at: Time
    body: str
    reply_to: int | None = None
    edited_at: Time | None = None
    deleted: bool = False
    deleted_by: Annotated[int | None, Meta(description="Its author, or whoever moderated it.")] = (
        None
    )
    reactions: dict[str, list[int]] = {}
    reaction_counts: dict[str, int] = {}
    thread: int | UnsetType = UNSET
    replies: ThreadSummary | UnsetType = UNSET
    mentions: Mentions | UnsetType = UNSET


class Page(ServerFrame, frozen=True, tag="page"):
    """Messages in ascending seq; `more` tells whether older ones exist. Valid as of seq `upto`.

    `events` is what else happened to the room and its people in the same part of the log.
    """

    id: str
    room: int
    messages: list[Message]
    more: bool
    upto: int
    events: list[Event] = []


class ThreadPage(ServerFrame, frozen=True, tag="thread_page"):
    """Replies in ascending seq, and their root; `more` tells whether older ones exist.

    Valid as of seq `upto`. `message` is null if the root cannot be read at the moment. `following`
    and `read` are the reader's own, as in `thread`; absent while nobody can tell.
    """

    id: str
    room: int
    root: int
    message: Message | None
    messages: list[Message]
    more: bool
    upto: int
    following: bool | UnsetType | None = UNSET
    read: int | UnsetType = UNSET


class Batch(ServerFrame, frozen=True, tag="batch"):
    id: str
    room: int
    events: list[Event]
    head: int


class Presence(ServerFrame, frozen=True, tag="presence"):
    """Who came online and went offline in a room. `full` replaces what the client knew."""

    room: int
    online: list[int] = []
    offline: list[int] = []
    full: bool = False


class TypingNotice(ServerFrame, frozen=True, tag="typing"):
    room: int
    user: int


class ReadNotice(ServerFrame, frozen=True, tag="read"):
    """The person's own marker moved, on any of their devices: read up to `seq`, by which `n`
    messages had been posted. It may arrive before the room's events."""

    room: int
    seq: int
    n: int
    set_at_ms: Annotated[
        int | UnsetType, Meta(description="When the marker was last set by hand; absent: never.")
    ] = UNSET


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """The person's own marker in one room; the fields are those of a room."""

    room: int
    read: int
    read_n: int
    own_after: list[int] | UnsetType = UNSET
    deleted_after: list[int] | UnsetType = UNSET
    mentions: list[int] | UnsetType = UNSET
    set_at_ms: int | UnsetType = UNSET


class Markers(ServerFrame, frozen=True, tag="markers"):
    """The person set markers by hand, on any of their devices, perhaps back."""

    markers: list[Marker]


class ThreadNotice(ServerFrame, frozen=True, tag="thread"):
    """The person's own relation to a thread changed, on any of their devices: whether they follow
    it (null: they have not replied, are not the root's author, and have not decided), and the seq
    up to which they have read it."""

    room: int
    root: int
    following: bool | None
    read: int


class RoomSection(msgspec.Struct, frozen=True, kw_only=True):
    """Rooms that a person has put together in their list."""

    name: str
    rooms: Sequence[int] = ()
    collapsed: bool = False


class ClosedRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A direct conversation that is not in the list until it has more than `n` messages."""

    room: int
    n: int


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """How a person has arranged their list of rooms. `collapsed` names parts that are always there:
    `favourites`, `rooms`, `direct`."""

    version: int
    unread_first: bool = False
    favourites: Sequence[int] = ()
    sections: Sequence[RoomSection] = ()
    closed: Sequence[ClosedRoom] = ()
    collapsed: Sequence[str] = ()


class Arranged(ServerFrame, frozen=True, tag="arranged"):
    """The person has arranged their list of rooms, on any of their devices; it has this version."""

    version: int


class ReportNotice(ServerFrame, frozen=True, tag="report"):
    """A report that the person made is closed: `resolved` or `dismissed`.

    Or `waiting`: in a room that the person moderates, the number of open reports has changed.
    """

    report: int
    state: str


class PersonChanged(ServerFrame, frozen=True, tag="person"):
    """Somebody's name has changed, or it now looks like somebody else's, or no longer does; or
    their account was deactivated or reactivated."""

    user: UserInfo


class Pong(ServerFrame, frozen=True, tag="pong"):
    time: Time


class Bye(ServerFrame, frozen=True, tag="bye"):
    reconnect_after_ms: int


AnyServerFrame = (
    Welcome
    | Rooms
    | RoomAdded
    | Ok
    | Error
    | Events
    | Stored
    | Heads
    | Reset
    | Page
    | ThreadPage
    | Batch
    | Presence
    | TypingNotice
    | ReadNotice
    | Markers
    | ThreadNotice
    | Arranged
    | ReportNotice
    | PersonChanged
    | Pong
    | Bye
)

_encoder = msgspec.json.Encoder()


def encode(frame: AnyServerFrame) -> str:
    """The text of a server frame."""
    return _encoder.encode(frame).decode()
