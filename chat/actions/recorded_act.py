"""One act on record: its entry before it, its event in the room's log, its outcome after it.

Every act of owners, moderators and staff that becomes an event goes through `carry_out`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from uuid_utils.compat import uuid7

from chat import room_log
from chat.actions import audit_outcomes, ownership
from chat.audit import entries as audit
from chat.audit.entries import Actor, Channel, NewEntry, Result, Target
from chat.audit.permissions import Act
from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason, Unavailable
from chat.events import EventData, EventType, RoomEvent
from chat.models import AuditEntry, AuditOutcome
from chat.protocol import KeyAge, check_key
from chat.resilience.crash_points import crash_point
from chat.room_log import NewEvent
from chat.room_log.appender import Unchanged
from chat.room_log.codec import REFUSALS
from chat.servers import clocks
from chat.servers.postgres import in_database

# Operators know it by this name.
logger = logging.getLogger("chat.actions.moderation")

# These acts need a reason. The socket's `delete` frame has no field for one.
TAKES_AWAY = frozenset({Act.MESSAGE_DELETE, Act.MEMBER_MUTE, Act.MEMBER_REMOVE, Act.MEMBER_BAN})

Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an act ended: `seq` is the place of its event, `detail` the code of a refusal.

    `event` is set if this call appended it; a repeat knows only the event's place.
    """

    entry: int
    result: Result
    seq: int | None = None
    event: RoomEvent | None = field(default=None, compare=False)
    detail: str = ""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What every act takes besides its target; see `chat.actions.moderation`."""

    reason: str = ""
    key: str | None = None
    report: int | None = None
    batch: str | None = None


NO_OPTIONS = Options()


async def carry_out(
    by: Actor,
    act: Act,
    target: Target,
    options: Options,
    *,
    before: Values,
    after: Values,
    kind: EventType,
    data: Callable[[AuditEntry], EventData],
) -> Outcome:
    """Writes the entry, appends the event, writes the outcome.

    `data` derives the event's data from the entry, so that a repeat derives the same.
    """
    reason = audit.check_reason(options.reason, needed=_needs_reason(by, act, target))
    key = str(uuid7()) if options.key is None else options.key
    is_old = check_key(key, clocks.LOG.now()) is KeyAge.OLD
    if is_old and not await is_repeat(by, options):
        # The log has forgotten a key this old, so nothing could tell whether the act was done.
        raise ClientError(
            "bad_request",
            "This page is too old. Open it again.",
            reason=RefusalReason.PAGE_TOO_OLD,
            rule=Rule.KEY_OF_AN_ACT_IS_RECENT,
        )
    new = NewEntry(
        by=by,
        action=act,
        target=target,
        reason=reason,
        before=before,
        after=after,
        key=key,
        report=options.report,
        batch=options.batch,
    )
    entry, outcome, _ = await in_database(audit.begin, new)
    if outcome is not None:
        return outcome_of(outcome)
    if is_old and (seq := await in_database(audit_outcomes.find_place, entry)) is not None:
        return await _settle(entry.pk, Result.DONE, seq=seq)
    crash_point("moderation.before_append")
    assert target.room is not None
    if by.staff and act in (Act.MEMBER_REMOVE, Act.MEMBER_BAN):
        assert target.user is not None
        await ownership.hand_over(target.room, target.user)
    event = NewEvent(
        room=target.room,
        type=kind,
        data=data(entry),
        actor=by.user_id,
        key=key,
        trusted=by.staff,
    )
    try:
        appended = await room_log.append(event)
    except Unchanged:
        return await _settle(entry.pk, Result.UNCHANGED)
    except Unavailable:
        raise  # nobody knows whether it was logged: see `chat.actions.audit_outcomes`
    except ClientError as refused:
        await _settle(entry.pk, Result.REFUSED, detail=refused.code)
        raise
    crash_point("moderation.after_append")
    settled = await _settle(entry.pk, Result.DONE, seq=appended.event.seq)
    return replace(settled, event=appended.event)


async def is_repeat(by: Actor, options: Options) -> bool:
    """Whether this is a repeat, which must not be refused because of its own effect."""
    if options.key is None:
        return False
    return await in_database(AuditEntry.objects.filter(actor_id=by.user_id, key=options.key).exists)


def _needs_reason(by: Actor, act: Act, target: Target) -> bool:
    takes_away = act in TAKES_AWAY and target.user != by.user_id
    return by.channel == Channel.ADMIN or (takes_away and by.channel != Channel.SOCKET)


async def _settle(
    entry: int, result: Result, *, seq: int | None = None, detail: str = ""
) -> Outcome:
    try:
        await in_database(audit.settle, entry, result, seq=seq, detail=detail)
    except Unavailable:
        # The act is done and its entry is written; the outcome is found later by the event's key.
        logger.warning("audit entry %s gets its outcome later", entry)
    return Outcome(entry=entry, result=result, seq=seq, detail=detail)


def outcome_of(row: AuditOutcome) -> Outcome:
    """The outcome in a row written earlier; a refusal is raised again."""
    if row.result == Result.REFUSED:
        raise ClientError(row.detail, REFUSALS.get(row.detail, "This was refused."))
    if row.result == Result.NOT_DONE:
        raise ClientError("key_conflict", "This was abandoned and not done. Ask for it again.")
    return Outcome(entry=row.pk, result=Result(row.result), seq=row.seq, detail=row.detail)
