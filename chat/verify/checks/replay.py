"""What the tables must hold after a room's events: the projections again, as a pure fold.

The same rules as in `chat.persistence.projections`, without SQL, so that each tests the other.
A fold that begins in the middle of a room knows only what its own events say; values that depend
on earlier events stay `UNSET`, or are left out.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from chat import events
from chat.events import EventType, Role
from chat.events.mentions import Mentions
from chat.verify.checks.content import text_digest


class ReplayedMessage(msgspec.Struct, gc=False):
    n: int | None
    author: int | None
    key: str | None
    at: datetime
    body: bytes  # its digest, see `text_digest`
    reply_to: int | None
    thread: int | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted_by: int | None = None


class ReplayedThread(msgspec.Struct):
    replies: int = 0
    people: dict[int, None] = msgspec.field(default_factory=dict)  # in the order of first replies
    last_seq: int = 0
    last_at: datetime | None = None


class ReplayedMember(msgspec.Struct, gc=False):
    """A member, or a former member (`present` False)."""

    present: bool = True
    role: Role | UnsetType = UNSET
    muted_until: datetime | UnsetType | None = UNSET
    joined_at: datetime | UnsetType = UNSET
    banned: bool | UnsetType = UNSET


class ReplayedRoom(msgspec.Struct):
    slug: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    topic: str | UnsetType = UNSET
    archived_at: datetime | UnsetType | None = UNSET
    slow_mode_seconds: int | UnsetType = UNSET


class Replay:
    """The fold of one room's events from seq `start` on, in seq order."""

    def __init__(self, start: int = 1) -> None:
        self.start = start
        self.room = ReplayedRoom()
        if start == 1:
            self.room = ReplayedRoom(archived_at=None, slow_mode_seconds=0)
        self.members: dict[int, ReplayedMember] = {}
        self.messages: dict[int, ReplayedMessage] = {}  # by seq
        self.threads: dict[int, ReplayedThread] = {}  # by root
        self.reactions: set[tuple[int, int, str]] = set()  # target, user, emoji
        # By the message's seq; None if what its names mean was looked up when it was stored.
        self.mentions: dict[int, set[tuple[str, int, str]] | None] = {}  # kind, target, name

    @property
    def complete(self) -> bool:
        """Whether the fold began with the room, so that only its result may exist."""
        return self.start == 1

    def apply(
        self,
        kind: EventType,
        data: events.EventData,
        *,
        seq: int,
        n: int,
        key: str | None,
        actor: int | None,
        at: datetime,
    ) -> None:
        """Fold in the next event."""
        match data:
            case events.MessagePosted() | events.ReplyPosted():
                thread = events.thread_of(data)
                self.messages[seq] = ReplayedMessage(
                    n=n if kind is EventType.MESSAGE_POSTED else None,
                    author=actor,
                    key=key,
                    at=at,
                    body=text_digest(data.body),
                    reply_to=data.reply_to,
                    thread=thread,
                )
                if thread is not None:
                    self._reply(thread, seq, actor, at)
                self._mention(seq, data.mentions)
            case events.MessageEdited():
                message = self.messages.get(data.target)
                if message is not None and message.deleted_at is None:
                    message.body, message.edited_at = text_digest(data.body), at
                    self._mention(data.target, data.mentions)
            case events.MessageTarget():
                self._delete_or_restore(kind, data.target, actor, at)
            case events.Reaction():
                self._react(kind, data, actor)
            case events.MemberJoined():
                self._join(data, at)
            case events.MemberMuted() | events.MemberUnmuted() if data.everywhere:
                pass  # concerns the person, not the room
            case events.MemberMuted():
                self._mute(data.user, data.until)
            case events.MemberUnmuted():
                self._mute(data.user, None)
            case events.Member():
                self._leave(data)
            case events.RoomCreated():
                self.room.slug, self.room.kind = data.slug, str(data.kind)
                self.room.name, self.room.topic = data.name, data.topic
            case events.RoomUpdated():
                self.room.name = self.room.name if data.name is None else data.name
                self.room.topic = self.room.topic if data.topic is None else data.topic
                if data.slow_mode_seconds is not None:
                    self.room.slow_mode_seconds = data.slow_mode_seconds
            case events.RoomArchived():
                self.room.archived_at = at if data.archived else None
            case events.EventQuarantined():
                pass  # stands for an event that could not be stored, so had no effect

    def _mention(self, seq: int, mentions: Mentions | UnsetType) -> None:
        self.mentions.pop(seq, None)
        if mentions is UNSET:
            return
        named = {("person", target, name) for name, target in mentions.people.items()}
        named |= {("group", target, name) for name, target in mentions.groups.items()}
        named |= {("room", target, name) for name, target in mentions.rooms.items()}
        if mentions.all is not None:
            named.add(("all", 0, mentions.all))
        self.mentions[seq] = None if mentions.unresolved else named

    def _reply(self, root: int, seq: int, actor: int | None, at: datetime) -> None:
        if root < self.start:
            return  # earlier replies are unknown
        thread = self.threads.setdefault(root, ReplayedThread())
        thread.replies += 1
        thread.last_seq, thread.last_at = seq, at
        if actor is not None:
            thread.people.setdefault(actor)

    def _stands(self, message: ReplayedMessage, number: int) -> None:
        """Counts a reply that now stands (1) or no longer does (-1)."""
        thread = None if message.thread is None else self.threads.get(message.thread)
        if thread is not None:
            thread.replies += number

    def _delete_or_restore(
        self, kind: EventType, target: int, actor: int | None, at: datetime
    ) -> None:
        message = self.messages.get(target)
        if message is None:
            return
        by_author = message.deleted_by == message.author
        if kind == EventType.MESSAGE_RESTORED:
            if not by_author and message.deleted_at is not None:
                message.deleted_at = message.deleted_by = None
                self._stands(message, 1)
        elif message.deleted_at is None or (
            # The author's own deletion replaces somebody else's.
            actor is not None and actor == message.author and not by_author
        ):
            if message.deleted_at is None:
                self._stands(message, -1)
            message.deleted_at, message.deleted_by = at, actor

    def _react(self, kind: EventType, data: events.Reaction, actor: int | None) -> None:
        if actor is None or data.target < self.start:
            return
        reaction = (data.target, actor, data.emoji)
        if kind == EventType.REACTION_ADDED:
            self.reactions.add(reaction)
        else:
            self.reactions.discard(reaction)

    def _join(self, data: events.MemberJoined, at: datetime) -> None:
        member = self.members.get(data.user)
        if member is not None and member.present:
            member.role = data.role  # a present member keeps `joined_at`
        elif member is not None or self.complete:
            until = None if member is None else member.muted_until
            if isinstance(until, datetime) and until <= at:
                until = None
            self.members[data.user] = ReplayedMember(
                role=data.role, muted_until=until, joined_at=at, banned=False
            )
        else:
            self.members[data.user] = ReplayedMember(role=data.role, banned=False)

    def _leave(self, data: events.Member) -> None:
        before = self.members.get(data.user)
        banned: bool | UnsetType = False if self.complete else UNSET
        if isinstance(data, events.MemberRemoved) and data.banned is not None:
            banned = data.banned
        elif before is not None:
            banned = before.banned
        muted_until: datetime | UnsetType | None = None if self.complete else UNSET
        if before is not None:
            muted_until = before.muted_until
        self.members[data.user] = ReplayedMember(
            present=False, banned=banned, muted_until=muted_until
        )

    def _mute(self, user: int, until: datetime | None) -> None:
        member = self.members.get(user)
        if member is not None:
            member.muted_until = until
        elif self.complete:
            # The mute of a person who was never in. Without the room's beginning, only earlier
            # events could say whether they are a member.
            self.members[user] = ReplayedMember(present=False, muted_until=until, banned=False)
