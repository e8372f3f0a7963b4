"""What staff do to a person as a whole: mute everywhere, deactivate, and the reverse.

The change and its audit entry are one transaction. The log is told right after it, so that the
change applies to the next append in every room (`chat.room_log.restrictions`); if that fails, the
sweep tells the log within seconds. A mute everywhere is also logged in the rooms the person is in,
as `member.muted` with `everywhere`, for the people there and the event bus. A deactivation changes
nothing in any room and has no event: it closes sockets, and ends sessions and tokens for good.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from chat import room_log
from chat.actions import ownership, rooms
from chat.actions.moderation import check_mute
from chat.actions.recorded_act import NO_OPTIONS, Options, Outcome, outcome_of
from chat.audit import entries as audit
from chat.audit.entries import Actor, Begun, Channel, NewEntry, Result
from chat.audit.permissions import Act, check_staff, check_subject
from chat.errors import ClientError
from chat.events import EventData, EventType, MemberMuted, MemberUnmuted
from chat.models import AuditEntry, AuditOutcome, Membership, User
from chat.protocol import check_key
from chat.queries import recent_rooms
from chat.room_log import NewEvent, restrictions
from chat.room_log.appender import Unchanged
from chat.servers import clocks
from chat.servers.postgres import in_database

logger = logging.getLogger(__name__)

# Appends in flight at once when many rooms are told.
ROOMS_AT_A_TIME = 100


async def mute_person(
    by: Actor, user_id: int, seconds: int, options: Options = NO_OPTIONS
) -> Outcome:
    """Keeps somebody from writing in any room for 1 s to 366 days from now."""
    until = check_mute(seconds)
    entry, outcome, _ = await in_database(
        _change, by, Act.PERSON_MUTE, user_id, options, {"muted_until": until.isoformat()}
    )
    if outcome is not None:
        return outcome_of(outcome)
    assert entry.after is not None
    until = datetime.fromisoformat(entry.after["muted_until"])
    return await _tell_rooms(
        entry, EventType.MEMBER_MUTED, MemberMuted(user=user_id, until=until, everywhere=True)
    )


async def unmute_person(by: Actor, user_id: int, options: Options = NO_OPTIONS) -> Outcome:
    """Ends a mute everywhere. Mutes in single rooms remain."""
    entry, outcome, _ = await in_database(
        _change, by, Act.PERSON_UNMUTE, user_id, options, {"muted_until": None}
    )
    if outcome is not None:
        return outcome_of(outcome)
    return await _tell_rooms(
        entry, EventType.MEMBER_UNMUTED, MemberUnmuted(user=user_id, everywhere=True)
    )


async def deactivate_person(by: Actor, user_id: int, options: Options = NO_OPTIONS) -> Outcome:
    """Shuts somebody out: no sign-in, no sockets, no programs. What they wrote stays.

    In rooms that nobody else owns, the next in line becomes owner (`ownership`).
    """
    _, outcome, _ = await in_database(
        _change, by, Act.PERSON_DEACTIVATE, user_id, options, {"active": False}
    )
    assert outcome is not None
    await ownership.pass_on_rooms_of(user_id)
    return outcome_of(outcome)


async def reactivate_person(by: Actor, user_id: int, options: Options = NO_OPTIONS) -> Outcome:
    """Lets somebody sign in again, with the rooms they were in. Sessions and tokens stay ended."""
    _, outcome, _ = await in_database(
        _change, by, Act.PERSON_REACTIVATE, user_id, options, {"active": True}
    )
    assert outcome is not None
    return outcome_of(outcome)


def _change(by: Actor, act: Act, user_id: int, options: Options, after: dict[str, Any]) -> Begun:
    """Commits entry and change in one transaction, then tells the log. A repeat changes nothing."""
    reason = audit.check_reason(options.reason, needed=by.channel == Channel.ADMIN)
    if options.key is not None:
        check_key(options.key, clocks.LOG.now())
    with transaction.atomic():
        # Weaker than a deletion's lock, so that the person's events can be stored meanwhile.
        subject = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
        if subject is None:
            raise ClientError("not_found", "There is no such person.")
        actor = User.objects.get(pk=by.person)
        check_staff(actor, act)
        check_subject(actor, subject)
        begun = audit.begin(
            NewEntry(
                by=by,
                action=act,
                target=audit.person_target(user_id),
                reason=reason,
                before=_state(subject),
                after=after,
                key=options.key or str(uuid7()),
                report=options.report,
                batch=options.batch,
            )
        )
        if begun.is_new:
            begun = _APPLY[act](begun, subject)
    if begun.is_new:
        try:
            restrictions.tell(user_id)
        except RedisError:
            logger.warning(
                "the log will be told of the restrictions later (audit entry %s)", begun.entry.pk
            )
    return begun


def _state(subject: User) -> dict[str, Any]:
    until = subject.muted_until
    muted = until is not None and until > clocks.LOG.now()
    return {
        "active": subject.is_active,
        "muted_until": until.isoformat() if until is not None and muted else None,
    }


def _mute(begun: Begun, subject: User) -> Begun:
    assert begun.entry.after is not None
    text = begun.entry.after["muted_until"]
    subject.muted_until = None if text is None else datetime.fromisoformat(text)
    subject.save(update_fields=["muted_until"])
    return begun


def _deactivate(begun: Begun, subject: User) -> Begun:
    if not subject.is_active:
        return _done(begun, Result.UNCHANGED)
    now = timezone.now()
    subject.is_active = False
    subject.deactivated_at = subject.sessions_ended_at = now
    # Saving ends tokens, and announces that the sockets must close (`chat.accounts.revocation`).
    subject.save(update_fields=["is_active", "deactivated_at", "sessions_ended_at"])
    return _done(begun, Result.DONE)


def _reactivate(begun: Begun, subject: User) -> Begun:
    if subject.is_active:
        return _done(begun, Result.UNCHANGED)
    subject.is_active = True
    subject.deactivated_at = None
    subject.save(update_fields=["is_active", "deactivated_at"])
    return _done(begun, Result.DONE)


def _done(begun: Begun, result: Result) -> Begun:
    audit.settle(begun.entry.pk, result)
    return begun._replace(outcome=AuditOutcome.objects.get(pk=begun.entry.pk))


_APPLY: dict[Act, Callable[[Begun, User], Begun]] = {
    Act.PERSON_MUTE: _mute,
    Act.PERSON_UNMUTE: _mute,
    Act.PERSON_DEACTIVATE: _deactivate,
    Act.PERSON_REACTIVATE: _reactivate,
}


async def _tell_rooms(entry: AuditEntry, kind: EventType, data: EventData) -> Outcome:
    """Logs the event in every room the person is in, once each, and settles the entry.

    A repeat with the same key resumes where it broke off: the events' keys are derived from it.
    """
    assert entry.user_id is not None
    user_id = entry.user_id
    recent = await recent_rooms.entered_by([user_id])
    told = sorted({*await in_database(_rooms_of, user_id), *recent[user_id]})
    for first in range(0, len(told), ROOMS_AT_A_TIME):
        await asyncio.gather(
            *(_tell_room(entry, room, kind, data) for room in told[first : first + ROOMS_AT_A_TIME])
        )
    detail = f"{len(told)} rooms told"
    await in_database(audit.settle, entry.pk, Result.DONE, detail=detail)
    return Outcome(entry=entry.pk, result=Result.DONE, detail=detail)


def _rooms_of(user_id: int) -> list[int]:
    return list(Membership.objects.filter(user_id=user_id).values_list("room_id", flat=True))


async def _tell_room(entry: AuditEntry, room: int, kind: EventType, data: EventData) -> None:
    assert isinstance(entry.key, uuid.UUID)
    event = NewEvent(
        room=room,
        type=kind,
        data=data,
        actor=entry.actor_id,
        key=str(rooms.derived_key(entry.key, f"told {room}")),
        trusted=True,
    )
    try:
        await room_log.append(event)
    except Unchanged:
        pass  # they have left meanwhile
