"""Writes the audit log: an entry before an act, its outcome after it.

Acts that change only PostgreSQL write both in their own transaction (`record`). Acts that become
an event in a room's log cannot: their entry is committed first (`begin`), the event carries the
entry's idempotency key, and the outcome follows (`settle`). So an act is never without its entry.
If the process dies, the entry is completed from the log or from PostgreSQL, which know the key (see
`chat.actions.audit_outcomes` and decision 0018).

Functions use the ORM; call them through `chat.servers.postgres.in_database`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.audit.client_address import client_address
from chat.audit.permissions import IN_ROOM, Act
from chat.errors import ClientError
from chat.models import AuditEntry, AuditOutcome, User
from chat.names.labels import check_label
from chat.servers import clocks

logger = logging.getLogger("chat.audit")

MAX_REASON_CHARACTERS = 500

Channel = AuditEntry.Channel
Kind = AuditEntry.TargetKind
Result = AuditOutcome.Result


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, through which channel.

    `staff`: they act with the rights of staff, in all rooms; otherwise by their role in the room.
    `name` is looked up if an actor with an account gives none.
    """

    user_id: int | None
    channel: Channel
    name: str = ""
    address: str | None = None
    staff: bool = False

    @property
    def person(self) -> int:
        """The account behind the act. Everybody who moderates has one."""
        if self.user_id is None:
            raise ClientError("forbidden", "Sign in to do this.")
        return self.user_id


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What an act applies to: see the fields of `AuditEntry`."""

    kind: Kind
    id: str
    room: int | None = None
    seq: int | None = None
    user: int | None = None


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of an act that is about to be done.

    `after` is the state asked for, `before` the present one.
    """

    by: Actor
    action: Act
    target: Target
    reason: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    key: str | None = None
    report: int | None = None
    batch: str | None = None


def message_target(room: int, seq: int, author: int | None) -> Target:
    return Target(kind=Kind.MESSAGE, id=f"{room}:{seq}", room=room, seq=seq, user=author)


def member_target(room: int, user: int) -> Target:
    return Target(kind=Kind.MEMBER, id=f"{room}:{user}", room=room, user=user)


def person_target(user: int) -> Target:
    return Target(kind=Kind.PERSON, id=str(user), user=user)


def room_target(room: int) -> Target:
    return Target(kind=Kind.ROOM, id=str(room), room=room)


def report_target(report: int, room: int, seq: int, author: int | None) -> Target:
    return Target(kind=Kind.REPORT, id=str(report), room=room, seq=seq, user=author)


def dead_letter_target(letter: str) -> Target:
    return Target(kind=Kind.DEAD_LETTER, id=letter[:64])


def actor_of_request(request: HttpRequest, channel: Channel, *, staff: bool = False) -> Actor:
    """The actor behind a Django request; they must be signed in."""
    assert isinstance(request.user, User)
    return Actor(
        user_id=request.user.pk,
        name=request.user.username,
        channel=channel,
        address=address_of(request),
        staff=staff,
    )


def address_of(request: HttpRequest) -> str | None:
    """Where a request comes from, past our own proxies; None if that cannot be told."""
    return client_address(
        request.headers.get("X-Forwarded-For", ""),
        request.META.get("REMOTE_ADDR"),
        settings.ENV.trusted_proxies,
    )


def address_of_handshake(scope: Mapping[str, Any]) -> str | None:
    """Like `address_of`, for the ASGI scope of a WebSocket handshake."""
    client = scope.get("client")
    forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return client_address(
        b",".join(forwarded).decode("latin-1"),
        None if client is None else client[0],
        settings.ENV.trusted_proxies,
    )


def check_reason(reason: str, *, needed: bool) -> str:
    """The reason in one line. Raises: ClientError `empty`, `too_large` or `bad_request`."""
    return check_label(reason, "Reason", MAX_REASON_CHARACTERS, may_be_empty=not needed)


class Begun(NamedTuple):
    """The entry of an act: a new one (`is_new`), or an earlier one with its outcome, if known."""

    entry: AuditEntry
    outcome: AuditOutcome | None
    is_new: bool


def begin(new: NewEntry) -> Begun:
    """Commits the entry of an act that is about to be done.

    For a key used before, returns the earlier entry: the act is not done again, and the entry's
    `after` says what was asked for.

    Raises: ClientError `key_conflict` when the key was used for something else.
    """
    try:
        with transaction.atomic():
            return Begun(_insert(new), None, True)
    except IntegrityError:
        found = _earlier(new)
        if found is None:
            raise
    same = (found.action, found.target_kind, found.target_id) == (
        new.action,
        new.target.kind,
        new.target.id,
    )
    if not same:
        raise ClientError("key_conflict", "This key was used before for something else.")
    return Begun(found, AuditOutcome.objects.filter(pk=found.pk).first(), False)


def record(new: NewEntry, result: Result = Result.DONE, detail: str = "") -> AuditEntry:
    """Writes entry and outcome together, within the caller's transaction."""
    entry = _insert(new)
    settle(entry.pk, result, detail=detail)
    return entry


def settle(entry: int, result: Result, *, seq: int | None = None, detail: str = "") -> None:
    """Records how an act ended. The first outcome is final."""
    AuditOutcome.objects.bulk_create(
        [
            AuditOutcome(
                entry_id=entry,
                at=clocks.DATABASE.now(),
                result=result,
                seq=seq,
                detail=detail[:200],
            )
        ],
        ignore_conflicts=True,
    )


def record_private_read(by: Actor, room: int, what: str) -> None:
    """Puts on record, before it is shown, that staff read a private room or conversation.

    `what` says which part, such as "history from 120": positions, never words.
    """
    record(NewEntry(by=by, action=Act.ROOM_READ, target=room_target(room), after={"read": what}))


def without_outcome(before: datetime, limit: int) -> QuerySet[AuditEntry]:
    """Entries from before that moment that have no outcome yet, oldest first."""
    return AuditEntry.objects.filter(outcome=None, at__lt=before).order_by("at", "id")[:limit]


def of_room(room: int, viewer: int, before_id: int, limit: int) -> list[AuditEntry]:
    """What was done in a room, newest first, for `viewer`, one of its owners and moderators.

    They do not see what staff read or verified, nor entries on reports about themselves (see
    `chat.queries.reports.of_room`): the reasons in those hint at who may have reported.
    """
    return list(
        AuditEntry.objects.filter(room_id=room, id__lt=before_id, action__in=list(IN_ROOM))
        .exclude(target_kind=Kind.REPORT, user_id=viewer)
        .select_related("actor", "user", "outcome")
        .order_by("-id")[:limit]
    )


def _earlier(new: NewEntry) -> AuditEntry | None:
    if new.key is None or new.by.user_id is None:
        return None
    return AuditEntry.objects.filter(actor_id=new.by.user_id, key=new.key).first()


def _insert(new: NewEntry) -> AuditEntry:
    by, target = new.by, new.target
    name = by.name
    if not name and by.user_id is not None:
        name = User.objects.values_list("username", flat=True).get(pk=by.user_id)
    entry = AuditEntry.objects.create(
        at=clocks.DATABASE.now(),
        actor_id=by.user_id,
        actor_name=name or "Veche",
        door=by.channel,
        address=by.address,
        action=new.action,
        target_kind=target.kind,
        target_id=target.id,
        room_id=target.room,
        seq=target.seq,
        user_id=target.user,
        report_id=new.report,
        batch=None if new.batch is None else uuid.UUID(new.batch),
        key=None if new.key is None else uuid.UUID(new.key),
        reason=new.reason,
        before=new.before,
        after=new.after,
    )
    # %r: a name may contain line breaks. The reason stays in the database: it may name people.
    logger.info("%s %s %s by %r", new.action, target.kind, target.id, entry.actor_name)
    return entry
