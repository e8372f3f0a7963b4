"""Compares the tables that a room's events are projected into with a replay of the events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, UnsetType

from chat.protocol import MAX_NAMED_REPLIERS
from chat.verify.checks.findings import Check, Finding
from chat.verify.checks.replay import Replay, ReplayedMember, ReplayedMessage

MESSAGE_FIELDS = (
    "n",
    "author",
    "key",
    "at",
    "reply_to",
    "thread",
    "edited_at",
    "deleted_at",
    "deleted_by",
)
THREAD_FIELDS = ("replies", "people", "first_people", "last_seq", "last_at")


class MessageRow(ReplayedMessage, kw_only=True, gc=False):
    """A row of the message table in the form of the replay."""

    seq: int


class ThreadRow(msgspec.Struct, frozen=True, gc=False):
    root: int
    replies: int
    people: int
    first_people: list[int]
    last_seq: int
    last_at: datetime | None


class MemberRow(msgspec.Struct, frozen=True, gc=False):
    user: int
    role: str
    muted_until: datetime | None
    joined_at: datetime


class RoomRow(msgspec.Struct, frozen=True):
    """A room's row; its watermarks are checked with the sequence."""

    id: int
    slug: str
    kind: str
    name: str
    topic: str
    archived_at: datetime | None
    slow_mode_seconds: int
    stored_seq: int
    stored_n: int


def check_messages(room: int, replay: Replay, rows: Iterable[MessageRow]) -> Iterator[Finding]:
    """Compare rows from seq `replay.start` on. Removes what it has compared from the replay."""
    for row in rows:
        expected = replay.messages.pop(row.seq, None)
        if expected is None:
            yield _finding(room, row.seq, "message", "no row", "a row")
            continue
        for name in MESSAGE_FIELDS:
            one, other = getattr(expected, name), getattr(row, name)
            if one != other:
                yield _finding(room, row.seq, f"message {name}", _shown(one), _shown(other))
        if expected.body != row.body:
            yield _finding(room, row.seq, "message body", "the replayed body", "another body")
    for seq in sorted(replay.messages):
        yield _finding(room, seq, "message", "a row", "nothing")


def check_threads(room: int, replay: Replay, rows: Iterable[ThreadRow]) -> Iterator[Finding]:
    """`rows` have roots from seq `replay.start` on."""
    found = {row.root: row for row in rows}
    for root, thread in sorted(replay.threads.items()):
        row = found.pop(root, None)
        if row is None:
            yield _finding(room, root, "thread", "a row", "nothing")
            continue
        people = list(thread.people)
        expected = ThreadRow(
            root,
            thread.replies,
            len(people),
            people[:MAX_NAMED_REPLIERS],
            thread.last_seq,
            thread.last_at,
        )
        for name in THREAD_FIELDS:
            one, other = getattr(expected, name), getattr(row, name)
            if one != other:
                yield _finding(room, root, f"thread {name}", _shown(one), _shown(other))
    for root in sorted(found):
        yield _finding(room, root, "thread", "no row", "a row")


def check_reactions(
    room: int, replay: Replay, rows: Iterable[tuple[int, int, str]]
) -> Iterator[Finding]:
    """`rows` are (target, user, emoji) with targets from seq `replay.start` on."""
    found = set(rows)
    for target, user, emoji in sorted(replay.reactions - found):
        yield _finding(room, target, f"reaction {emoji} of user {user}", "a row", "nothing")
    for target, user, emoji in sorted(found - replay.reactions):
        yield _finding(room, target, f"reaction {emoji} of user {user}", "no row", "a row")


def check_mentions(
    room: int, replay: Replay, rows: Iterable[tuple[int, str, int, str]]
) -> Iterator[Finding]:
    """`rows` are (seq, kind, target, name) of messages from seq `replay.start` on. Nothing is
    expected of a message whose names were looked up when it was stored."""
    found: dict[int, set[tuple[str, int, str]]] = {}
    for seq, kind, target, name in rows:
        found.setdefault(seq, set()).add((kind, target, name))
    for seq in sorted(found.keys() | replay.mentions.keys()):
        expected = replay.mentions.get(seq, set())
        if expected is None:
            continue
        there = found.get(seq, set())
        for kind, target, _ in sorted(expected - there):  # names are people's words: not shown
            yield _finding(room, seq, f"mention of {kind} {target}", "a row", "nothing")
        for kind, target, _ in sorted(there - expected):
            yield _finding(room, seq, f"mention of {kind} {target}", "no row", "a row")


def check_members(room: int, replay: Replay, rows: Iterable[MemberRow]) -> Iterator[Finding]:
    found = {row.user: row for row in rows}
    for user, member in sorted(replay.members.items()):
        row = found.pop(user, None)
        if row is None:
            if member.present:
                yield _finding(room, None, f"membership of user {user}", "a row", "nothing")
        elif not member.present:
            yield _finding(room, None, f"membership of user {user}", "no row", "a row")
        else:
            yield from _check_member(room, member, row)
    if replay.complete:
        for user in sorted(found):
            yield _finding(room, None, f"membership of user {user}", "no row", "a row")


def _check_member(room: int, member: ReplayedMember, row: MemberRow) -> Iterator[Finding]:
    for name in ("role", "muted_until", "joined_at"):
        expected: object = getattr(member, name)
        found = getattr(row, name)
        if name == "muted_until":
            # An expired mute counts as none: before mutes outlived memberships, it was not kept.
            expected, found = _in_force(expected), _in_force(found)
        if expected is not UNSET and expected != found:
            what = f"{name} of user {row.user}"
            yield _finding(room, None, what, _shown(expected), _shown(found))


def _in_force(until: object) -> object:
    return None if isinstance(until, datetime) and until <= datetime.now(UTC) else until


def check_bans(room: int, replay: Replay, banned: Iterable[int]) -> Iterator[Finding]:
    """`banned` are the user ids of the rows of the ban table."""
    found = set(banned)
    for user, member in sorted(replay.members.items()):
        if member.banned is not UNSET and member.banned != (user in found):
            expected, there = ("a row", "nothing") if member.banned else ("no row", "a row")
            yield _finding(room, None, f"ban of user {user}", expected, there)
    if replay.complete:
        for user in sorted(found - replay.members.keys()):
            yield _finding(room, None, f"ban of user {user}", "no row", "a row")


def check_room(replay: Replay, row: RoomRow) -> Iterator[Finding]:
    for name in ("slug", "kind"):
        expected: str | UnsetType = getattr(replay.room, name)
        if expected is not UNSET and expected != getattr(row, name):
            yield _finding(row.id, None, f"room {name}", expected, getattr(row, name))
    for name in ("name", "topic"):  # people's words: not shown
        expected = getattr(replay.room, name)
        if expected is not UNSET and expected != getattr(row, name):
            yield _finding(row.id, None, f"room {name}", f"the last {name}", f"another {name}")
    slow = replay.room.slow_mode_seconds
    if slow is not UNSET and slow != row.slow_mode_seconds:
        yield _finding(row.id, None, "room slow mode", str(slow), str(row.slow_mode_seconds))
    archived = replay.room.archived_at
    if archived is not UNSET and archived != row.archived_at:
        yield _finding(row.id, None, "room archived_at", _shown(archived), _shown(row.archived_at))


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _finding(room: int, seq: int | None, what: str, expected: str, found: str) -> Finding:
    return Finding(Check.PROJECTION, room, seq, what, expected, found)
