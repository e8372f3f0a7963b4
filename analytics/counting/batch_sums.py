"""What a set of events adds to the rollups. Pure.

`Sums` is filled event by event and then written by `analytics.counting.rollups`. Everything in it
is a sum, a union, a minimum or a maximum, so events may be counted in any order and in any batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from analytics.counting import words
from analytics.counting.records import Countable
from chat.events import (
    EventData,
    EventType,
    MemberJoined,
    MemberRemoved,
    MessagePosted,
    Reaction,
    ReplyPosted,
    RoomArchived,
    RoomCreated,
    RoomEvent,
    RoomKind,
    RoomUpdated,
    thread_of,
)

COUNTERS = (
    "messages",
    "characters",
    "edits",
    "deletions",
    "restorations",
    "reactions",
    "reactions_removed",
    "joins",
    "departures",
    "replies",
)
"""The fields of `analytics.models.Counters`, in the order of the lists in `Sums.minutes`."""

MESSAGES, CHARACTERS, REPLIES = 0, 1, COUNTERS.index("replies")
_FIELD_OF = {
    EventType.MESSAGE_EDITED: COUNTERS.index("edits"),
    EventType.MESSAGE_DELETED: COUNTERS.index("deletions"),
    EventType.MESSAGE_RESTORED: COUNTERS.index("restorations"),
    EventType.REACTION_ADDED: COUNTERS.index("reactions"),
    EventType.REACTION_REMOVED: COUNTERS.index("reactions_removed"),
    EventType.MEMBER_JOINED: COUNTERS.index("joins"),
    EventType.MEMBER_LEFT: COUNTERS.index("departures"),
    EventType.MEMBER_REMOVED: COUNTERS.index("departures"),
}
# The types of events that make a person active, in the sense of `PersonDay`.
_ACTIVITY = frozenset(
    {
        EventType.MESSAGE_POSTED,
        EventType.REPLY_POSTED,
        EventType.MESSAGE_EDITED,
        EventType.MESSAGE_DELETED,
        EventType.MESSAGE_RESTORED,
        EventType.REACTION_ADDED,
        EventType.REACTION_REMOVED,
    }
)

MINUTE, QUARTER, HALF_DAY, DAY = 60, 900, 43_200, 86_400
# 1970-01-01 was a Thursday.
_FIRST_MONDAY_DAY = 4


class RoomFacts(msgspec.Struct):
    """What events say about a room; if two say the same kind of thing, the later seq wins."""

    room: int
    kind: str = ""
    slug: str = ""
    name: str = ""
    name_seq: int = 0
    archived: bool = False
    archived_seq: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


class Posted(msgspec.Struct):
    """A message and its first reply, if one is known."""

    at: datetime
    author: int | None
    reply_seq: int | None = None
    reply_at: datetime | None = None


class Reply(msgspec.Struct, frozen=True):
    room: int
    target: int
    seq: int
    at: datetime
    author: int | None


class WordUse(msgspec.Struct):
    messages: int
    person: int
    shared: bool = False


def _counters() -> list[int]:
    return [0] * len(COUNTERS)


class Sums:
    """What a batch adds. Times in keys are whole numbers of their unit since 1970."""

    def __init__(self) -> None:
        self.events = 0
        self.minutes: defaultdict[tuple[int, int], list[int]] = defaultdict(_counters)
        # (room, half day, person) → bits of its quarters of an hour
        self.people: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        # (room, person) → first and last time
        self.seen: dict[tuple[int, int], tuple[datetime, datetime]] = {}
        # (room, day, emoji) → added, removed
        self.emoji: defaultdict[tuple[int, int, str], list[int]] = defaultdict(lambda: [0, 0])
        # (room, day of the week's Monday, word)
        self.words: dict[tuple[int, int, str], WordUse] = {}
        self.posted: dict[tuple[int, int], Posted] = {}
        self.replies: list[Reply] = []

    def add(self, one: Countable, facts: RoomFacts) -> None:
        """Counts an event of the room that `facts` describes."""
        event, data, second = one.event, one.data, one.second
        room, kind, at = event.room, event.type, event.at
        self.events += 1
        if facts.first_at is None or at < facts.first_at:
            facts.first_at = at
        if facts.last_at is None or at > facts.last_at:
            facts.last_at = at
        if isinstance(data, MessagePosted):
            counters = self.minutes[room, second // MINUTE]
            counters[MESSAGES] += 1
            counters[CHARACTERS] += len(data.body)
            self._add_message(event, data, second, facts)
        elif isinstance(data, ReplyPosted):
            self.minutes[room, second // MINUTE][REPLIES] += 1
            self._add_message(event, data, second, facts)
        else:
            field = _FIELD_OF.get(kind)
            if field is not None and not _moves_nobody(data):
                self.minutes[room, second // MINUTE][field] += 1
            if isinstance(data, Reaction):
                self.emoji[room, second // DAY, data.emoji][kind is EventType.REACTION_REMOVED] += 1
            else:
                fact = _FACTS.get(type(data))
                if fact is not None:
                    fact(facts, event, data)
        if event.actor is not None and kind in _ACTIVITY:
            self._add_activity(room, event.actor, at, second)

    def _add_activity(self, room: int, person: int, at: datetime, second: int) -> None:
        self.people[room, second // HALF_DAY, person] |= 1 << (second % HALF_DAY // QUARTER)
        known = self.seen.get((room, person))
        if known is None:
            self.seen[room, person] = (at, at)
        elif at > known[1]:
            self.seen[room, person] = (known[0], at)
        elif at < known[0]:
            self.seen[room, person] = (at, known[1])

    def _add_message(
        self,
        event: RoomEvent,
        data: MessagePosted | ReplyPosted,
        second: int,
        facts: RoomFacts,
    ) -> None:
        room, person = event.room, event.actor
        self.posted[room, event.seq] = Posted(event.at, person)
        # What quotes nothing in a thread answers its root.
        answered = thread_of(data) if data.reply_to is None else data.reply_to
        if answered is not None:
            self.replies.append(Reply(room, answered, event.seq, event.at, person))
        # No word of a direct conversation is kept; nor if the kind of room is unknown.
        if person is None or facts.kind in {"", RoomKind.DIRECT}:
            return
        week = monday_of(second // DAY)
        for word in words.words(data.body):
            use = self.words.get((room, week, word))
            if use is None:
                self.words[room, week, word] = WordUse(1, person)
            else:
                use.messages += 1
                use.shared |= use.person != person


def monday_of(day: int) -> int:
    """The Monday of a day's week, both in days since 1970."""
    return day - (day - _FIRST_MONDAY_DAY) % 7


def _created(facts: RoomFacts, event: RoomEvent, data: RoomCreated) -> None:
    facts.kind = data.kind.value
    facts.slug = data.slug
    _named(facts, event.seq, data.name)


def _updated(facts: RoomFacts, event: RoomEvent, data: RoomUpdated) -> None:
    if data.name is not None:
        _named(facts, event.seq, data.name)


def _moves_nobody(data: EventData) -> bool:
    """Whether a member event only changes a role, or bans or unbans somebody outside the room."""
    match data:
        case MemberJoined():
            return data.previous is not UNSET
        case MemberRemoved():
            return data.outside or data.banned is False
    return False


def _named(facts: RoomFacts, seq: int, name: str) -> None:
    if seq > facts.name_seq:
        facts.name, facts.name_seq = name, seq


def _archived(facts: RoomFacts, event: RoomEvent, data: RoomArchived) -> None:
    if event.seq > facts.archived_seq:
        facts.archived, facts.archived_seq = data.archived, event.seq


_FACTS: dict[type, Callable[[RoomFacts, RoomEvent, Any], None]] = {
    RoomCreated: _created,
    RoomUpdated: _updated,
    RoomArchived: _archived,
}
