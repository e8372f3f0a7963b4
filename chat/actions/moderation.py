"""What owners, moderators and staff do to messages, members and rooms: one act, one event.

Every act is on record before it is done (`chat.audit.entries`), and its event carries the key of
its entry. Owners and moderators act by their role, which the append checks once more in the step
that logs the event. Staff act from outside: their right is checked here and the event is trusted.

Common to all functions: `by` says who acts and through which channel. `reason` goes into the audit
log only, because the room's log reaches everybody in the room and the event bus. It is required for
acts that take something away from somebody (`recorded_act.TAKES_AWAY`), and in the admin for all
acts. With the same `key` (UUIDv7), a repeat returns the first outcome. `report` and `batch` name
what the act belongs to.

They raise ClientError when they refuse (`not_found` where the actor must not know the room), and
Unavailable when the log or PostgreSQL is down. The same call with the same key may then be made
again; `chat.actions.audit_outcomes` finds out whether the event was logged.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from chat import room_log
from chat.actions import ownership
from chat.actions.recorded_act import NO_OPTIONS, Options, Outcome, Values, carry_out, is_repeat
from chat.audit import entries as audit
from chat.audit.entries import Actor
from chat.audit.permissions import Act, check_staff, check_subject, role_may
from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason
from chat.events import (
    EventType,
    MemberJoined,
    MemberMuted,
    MemberRemoved,
    MemberUnmuted,
    MessageTarget,
    Role,
    RoomArchived,
    RoomKind,
    RoomUpdated,
)
from chat.models import AbsentMute, AuditEntry, Ban, Membership, Message, Room, User
from chat.queries import access
from chat.room_log.targets import author_of
from chat.servers import clocks
from chat.servers.postgres import in_database

MAX_MUTE_SECONDS = 366 * 24 * 3600
MAX_SLOW_MODE_SECONDS = 6 * 3600


async def delete_message(
    by: Actor, room_id: int, seq: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Hides a message; its text stays in the event log."""
    author = await _author(by, Act.MESSAGE_DELETE, room_id, seq)
    return await carry_out(
        by,
        Act.MESSAGE_DELETE,
        audit.message_target(room_id, seq, author or None),
        options,
        before=await in_database(_message_state, room_id, seq),
        after={"deleted": True},
        kind=EventType.MESSAGE_DELETED,
        data=lambda _: MessageTarget(target=seq),
    )


async def restore_message(
    by: Actor, room_id: int, seq: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Shows a deleted message again, unless its author deleted it: that decision is the author's.

    Nobody may restore their own message: it was deleted for what it says, so its author may not
    bring it back.
    """
    author = await _author(by, Act.MESSAGE_RESTORE, room_id, seq)
    before = await in_database(_message_state, room_id, seq)
    earlier = await is_repeat(by, options)
    if not earlier and author == by.user_id:
        raise ClientError("forbidden", "You cannot restore your own message.")
    if not earlier and not before["deleted"]:
        raise ClientError(
            "bad_request",
            "This message is not deleted, or its deletion is not stored yet.",
            reason=RefusalReason.NOT_DELETED,
            rule=Rule.IS_DELETED,
        )
    if not earlier and before["deleted_by"] in (None, author):
        raise ClientError("forbidden", "The author deleted this message.")
    return await carry_out(
        by,
        Act.MESSAGE_RESTORE,
        audit.message_target(room_id, seq, author or None),
        options,
        before=before,
        after={"deleted": False},
        kind=EventType.MESSAGE_RESTORED,
        data=lambda _: MessageTarget(target=seq),
    )


async def mute_member(
    by: Actor, room_id: int, user_id: int, seconds: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Keeps somebody from writing in a room for 1 s to 366 days from now.

    The mute belongs to the person: it outlasts their leaving or being removed and coming back.
    """
    until = check_mute(seconds)
    before = await _member(by, Act.MEMBER_MUTE, room_id, user_id)
    return await carry_out(
        by,
        Act.MEMBER_MUTE,
        audit.member_target(room_id, user_id),
        options,
        before=before,
        after={"muted_until": until.isoformat()},
        kind=EventType.MEMBER_MUTED,
        data=lambda entry: MemberMuted(
            user=user_id, until=datetime.fromisoformat((entry.after or {})["muted_until"])
        ),
    )


async def unmute_member(
    by: Actor, room_id: int, user_id: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Lets a muted member write again."""
    before = await _member(by, Act.MEMBER_UNMUTE, room_id, user_id)
    return await carry_out(
        by,
        Act.MEMBER_UNMUTE,
        audit.member_target(room_id, user_id),
        options,
        before=before,
        after={"muted_until": None},
        kind=EventType.MEMBER_UNMUTED,
        data=lambda _: MemberUnmuted(user=user_id),
    )


async def remove_member(
    by: Actor, room_id: int, user_id: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Removes a member from a room. They may rejoin a public room, unless banned (`ban_member`).

    When staff remove the only owner, the next in line is made owner first (`ownership`).
    """
    before = await _member(by, Act.MEMBER_REMOVE, room_id, user_id, for_good=True)
    return await carry_out(
        by,
        Act.MEMBER_REMOVE,
        audit.member_target(room_id, user_id),
        options,
        before=before,
        after={"role": None},
        kind=EventType.MEMBER_REMOVED,
        data=lambda _: MemberRemoved(user=user_id),
    )


async def ban_member(
    by: Actor, room_id: int, user_id: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Keeps somebody out of a room until the ban is lifted; removes them if they are a member."""
    before = await _member(by, Act.MEMBER_BAN, room_id, user_id, for_good=True)
    return await carry_out(
        by,
        Act.MEMBER_BAN,
        audit.member_target(room_id, user_id),
        options,
        before=before,
        after={"role": None, "banned": True},
        kind=EventType.MEMBER_REMOVED,
        data=lambda entry: MemberRemoved(user=user_id, banned=True, outside=_was(entry) is None),
    )


async def unban_member(
    by: Actor, room_id: int, user_id: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Lifts a ban: the person may enter the room again, but is not brought in."""
    before = await _member(by, Act.MEMBER_UNBAN, room_id, user_id, for_good=True)
    return await carry_out(
        by,
        Act.MEMBER_UNBAN,
        audit.member_target(room_id, user_id),
        options,
        before=before,
        after={"banned": False},
        kind=EventType.MEMBER_REMOVED,
        data=lambda entry: MemberRemoved(user=user_id, banned=False, outside=_was(entry) is None),
    )


async def set_role(
    by: Actor, room_id: int, user_id: int, role: Role, options: Options = NO_OPTIONS
) -> Outcome:
    """Gives a member another role. Owners may change each other's role and step down themselves.

    Refused as `forbidden` for the last owner, who must name another one first.
    """
    if role != Role.OWNER and not await is_repeat(by, options):
        await ownership.check_owner_stays(room_id, user_id)
    before = await _member(
        by, Act.MEMBER_ROLE, room_id, user_id, for_good=True, may_be_oneself=True
    )
    if before["role"] is None:
        raise ClientError("not_found", "There is no such member.")
    return await carry_out(
        by,
        Act.MEMBER_ROLE,
        audit.member_target(room_id, user_id),
        options,
        before=before,
        after={"role": str(role)},
        kind=EventType.MEMBER_JOINED,
        data=lambda entry: MemberJoined(user=user_id, role=role, previous=_was(entry) or role),
    )


async def set_slow_mode(
    by: Actor, room_id: int, seconds: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Makes members wait `seconds` between two messages, up to 6 h; 0 ends it.

    Owners and moderators do not wait.
    """
    if not 0 <= seconds <= MAX_SLOW_MODE_SECONDS:
        raise ClientError("bad_request", f"Slow mode: 0 to {MAX_SLOW_MODE_SECONDS:,} seconds.")
    room = await _room(by, Act.ROOM_SLOW_MODE, room_id, not_direct=True)
    return await carry_out(
        by,
        Act.ROOM_SLOW_MODE,
        audit.room_target(room_id),
        options,
        before={"slow_mode_seconds": room.slow_mode_seconds},
        after={"slow_mode_seconds": seconds},
        kind=EventType.ROOM_UPDATED,
        data=lambda _: RoomUpdated(slow_mode_seconds=seconds),
    )


async def archive_room(
    by: Actor, room_id: int, archived: bool, options: Options = NO_OPTIONS
) -> Outcome:
    """Closes a room to writing, or opens it again. Its history stays readable."""
    act = Act.ROOM_ARCHIVE if archived else Act.ROOM_UNARCHIVE
    room = await _room(by, act, room_id, not_direct=True)
    return await carry_out(
        by,
        act,
        audit.room_target(room_id),
        options,
        before={"archived": room.archived_at is not None},
        after={"archived": archived},
        kind=EventType.ROOM_ARCHIVED,
        data=lambda _: RoomArchived(archived=archived),
    )


def check_mute(seconds: int) -> datetime:
    """When a mute of `seconds` from now ends, in whole milliseconds, as the log keeps it."""
    if not 1 <= seconds <= MAX_MUTE_SECONDS:
        raise ClientError("bad_request", f"A mute lasts 1 to {MAX_MUTE_SECONDS:,} seconds.")
    until = clocks.LOG.now() + timedelta(seconds=seconds)
    return until.replace(microsecond=until.microsecond // 1000 * 1000)


# Rights


async def _room(by: Actor, act: Act, room_id: int, *, not_direct: bool = False) -> Room:
    """The room, if the actor may do `act` there.

    Raises: ClientError `not_found` or `not_member` for actors that must not see it, `forbidden`.
    """
    if by.staff:
        room = await in_database(_staff_room, by.person, act, room_id)
        await room_log.ensure_loaded([room_id])
    else:
        seen = await access.as_member(by.person, room_id)
        if not role_may(seen.role, act):
            raise ClientError("forbidden", "You may not do this here.")
        room = seen.room
    if not_direct and room.kind == RoomKind.DIRECT:
        raise ClientError(
            "bad_request",
            "A direct conversation always has the same two people.",
            rule=Rule.NOT_DIRECT,
        )
    return room


def _staff_room(user_id: int, act: Act, room_id: int) -> Room:
    check_staff(User.objects.get(pk=user_id), act)
    room = Room.objects.filter(pk=room_id).first()
    if room is None:
        raise access.no_such_room()
    return room


async def _member(
    by: Actor,
    act: Act,
    room_id: int,
    user_id: int,
    *,
    for_good: bool = False,
    may_be_oneself: bool = False,
) -> Values:
    """The person's state in the room, if the actor may act on them.

    `for_good`: not for direct conversations. The append compares the members' ranks.
    """
    await _room(by, act, room_id, not_direct=for_good)
    if by.user_id == user_id and not (may_be_oneself and not by.staff):
        raise ClientError("forbidden", "You cannot do this to yourself.")
    before = await in_database(_member_state, by, room_id, user_id)
    role = (await room_log.roles(user_id, [room_id])).get(room_id)
    return before | {"role": None if role is None else str(role)}


def _member_state(by: Actor, room_id: int, user_id: int) -> Values:
    subject = User.objects.filter(pk=user_id).first()
    if subject is None:
        raise ClientError("not_found", "There is no such person.")
    if by.staff:
        check_subject(User.objects.get(pk=by.person), subject)
    now = clocks.LOG.now()
    there = {"room_id": room_id, "user_id": user_id}
    mutes = [
        *Membership.objects.filter(**there, muted_until__gt=now).values_list(
            "muted_until", flat=True
        ),
        *AbsentMute.objects.filter(**there, until__gt=now).values_list("until", flat=True),
    ]
    muted_until = next(iter(mutes), None)
    return {
        "muted_until": None if muted_until is None else muted_until.isoformat(),
        "banned": Ban.objects.filter(room_id=room_id, user_id=user_id).exists(),
    }


async def _author(by: Actor, act: Act, room_id: int, seq: int) -> int:
    """Who wrote the message, if the actor may act on it; 0 for nobody."""
    await _room(by, act, room_id)
    author = await author_of(room_id, seq)
    if author is None:
        raise ClientError("not_found", "There is no such message.")
    return author


def _message_state(room_id: int, seq: int) -> Values:
    row = (
        Message.objects.filter(room_id=room_id, seq=seq)
        .values_list("deleted_at", "deleted_by_id")
        .first()
    )
    deleted_at, deleted_by = row or (None, None)
    return {"deleted": deleted_at is not None, "deleted_by": deleted_by}


def _was(entry: AuditEntry) -> Role | None:
    """The member's role before the act."""
    role = (entry.before or {})["role"]
    return None if role is None else Role(role)
