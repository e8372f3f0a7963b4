"""Moderators' acts in the admin: each is previewed first, then done and put on record.

One page serves all acts, on one target or on many. A form names the act and the targets; the page
says what will happen to each target and asks for the reason. Then each is done through
`chat.actions`, and its outcome is shown. The form carries one idempotency key, from which the keys
of all targets are derived: sent twice, it does everything once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from uuid_utils.compat import uuid7

from chat.actions import moderation, people
from chat.actions.preview import TargetIds
from chat.actions.recorded_act import Options, Outcome
from chat.actions.rooms import derived_key
from chat.admin.kit.guards import act, reason_of, render
from chat.admin.kit.records import by
from chat.admin.kit.room_lookup import is_id
from chat.admin.moderation.act_effects import effects_of
from chat.admin.moderation.history_filter import may_read, recorded
from chat.audit.entries import Actor, Kind, Result
from chat.audit.permissions import STAFF, Act
from chat.errors import ClientError
from chat.events import Role
from chat.models import Message, Room, User

# Each takes an append and its audit entry, together some hundredths of a second.
MAX_TARGETS = 100
EXCERPT_CHARACTERS = 200
# The choices for a mute, and for slow mode, in seconds.
MUTES = (
    (600, gettext_lazy("10 minutes")),
    (3_600, gettext_lazy("1 hour")),
    (86_400, gettext_lazy("1 day")),
    (7 * 86_400, gettext_lazy("1 week")),
    (30 * 86_400, gettext_lazy("30 days")),
    (365 * 86_400, gettext_lazy("1 year")),
)
SLOW_MODES = (
    (0, gettext_lazy("off")),
    (10, gettext_lazy("10 seconds")),
    (60, gettext_lazy("1 minute")),
    (600, gettext_lazy("10 minutes")),
    (3_600, gettext_lazy("1 hour")),
)
ROLES = (
    (Role.MEMBER.value, gettext_lazy("member")),
    (Role.MODERATOR.value, gettext_lazy("moderator")),
    (Role.OWNER.value, gettext_lazy("owner")),
)

Choices = Sequence[tuple[Any, Any]]
Call = Callable[[Actor, TargetIds, Any, Options], Awaitable[Outcome]]


class Offered(msgspec.Struct, frozen=True):
    """One act as the admin offers it. `values`: what else there is to choose, if anything."""

    kind: Kind
    label: Any
    will: Any  # what the act does to each target, as a sentence
    call: Call
    values: Choices = ()
    danger: bool = False


ACTS: dict[Act, Offered] = {
    Act.MESSAGE_DELETE: Offered(
        Kind.MESSAGE,
        gettext_lazy("Delete"),
        gettext_lazy("Hidden from everybody in the room. Its text stays in the event log."),
        lambda who, at, _value, options: moderation.delete_message(who, at[0], at[1], options),
        danger=True,
    ),
    Act.MESSAGE_RESTORE: Offered(
        Kind.MESSAGE,
        gettext_lazy("Restore"),
        gettext_lazy("Shown again to everybody in the room, unless its author deleted it."),
        lambda who, at, _value, options: moderation.restore_message(who, at[0], at[1], options),
    ),
    Act.MEMBER_MUTE: Offered(
        Kind.MEMBER,
        gettext_lazy("Mute"),
        gettext_lazy("May read but not write in this room until the time is up."),
        lambda who, at, value, options: moderation.mute_member(who, at[0], at[1], value, options),
        MUTES,
    ),
    Act.MEMBER_UNMUTE: Offered(
        Kind.MEMBER,
        gettext_lazy("Unmute"),
        gettext_lazy("May write in this room again."),
        lambda who, at, _value, options: moderation.unmute_member(who, at[0], at[1], options),
    ),
    Act.MEMBER_REMOVE: Offered(
        Kind.MEMBER,
        gettext_lazy("Remove"),
        gettext_lazy("Removed from the room; may join again if it is public."),
        lambda who, at, _value, options: moderation.remove_member(who, at[0], at[1], options),
        danger=True,
    ),
    Act.MEMBER_BAN: Offered(
        Kind.MEMBER,
        gettext_lazy("Ban"),
        gettext_lazy("Removed from the room and kept out until the ban is lifted."),
        lambda who, at, _value, options: moderation.ban_member(who, at[0], at[1], options),
        danger=True,
    ),
    Act.MEMBER_UNBAN: Offered(
        Kind.MEMBER,
        gettext_lazy("Lift the ban"),
        gettext_lazy("May be in the room again; is not added to it."),
        lambda who, at, _value, options: moderation.unban_member(who, at[0], at[1], options),
    ),
    Act.MEMBER_ROLE: Offered(
        Kind.MEMBER,
        gettext_lazy("Change the role"),
        gettext_lazy("Has the new role in this room from then on."),
        lambda who, at, value, options: moderation.set_role(
            who, at[0], at[1], Role(value), options
        ),
        ROLES,
    ),
    Act.PERSON_MUTE: Offered(
        Kind.PERSON,
        gettext_lazy("Mute everywhere"),
        gettext_lazy("May read but not write in any room until the time is up."),
        lambda who, at, value, options: people.mute_person(who, at[0], value, options),
        MUTES,
    ),
    Act.PERSON_UNMUTE: Offered(
        Kind.PERSON,
        gettext_lazy("Unmute everywhere"),
        gettext_lazy("May write again; mutes in single rooms stay."),
        lambda who, at, _value, options: people.unmute_person(who, at[0], options),
    ),
    Act.PERSON_DEACTIVATE: Offered(
        Kind.PERSON,
        gettext_lazy("Deactivate"),
        gettext_lazy(
            "Cannot sign in, connect or use API tokens; open connections close within seconds. "
            "What they wrote stays."
        ),
        lambda who, at, _value, options: people.deactivate_person(who, at[0], options),
        danger=True,
    ),
    Act.PERSON_REACTIVATE: Offered(
        Kind.PERSON,
        gettext_lazy("Reactivate"),
        gettext_lazy("May sign in again, with the rooms they were in."),
        lambda who, at, _value, options: people.reactivate_person(who, at[0], options),
    ),
    Act.ROOM_SLOW_MODE: Offered(
        Kind.ROOM,
        gettext_lazy("Slow mode"),
        gettext_lazy("Members wait this long between two messages; owners and moderators do not."),
        lambda who, at, value, options: moderation.set_slow_mode(who, at[0], value, options),
        SLOW_MODES,
    ),
    Act.ROOM_ARCHIVE: Offered(
        Kind.ROOM,
        gettext_lazy("Archive"),
        gettext_lazy("Closed for writing. Its history stays readable."),
        lambda who, at, _value, options: moderation.archive_room(who, at[0], True, options),
        danger=True,
    ),
    Act.ROOM_UNARCHIVE: Offered(
        Kind.ROOM,
        gettext_lazy("Open again"),
        gettext_lazy("Open for writing again."),
        lambda who, at, _value, options: moderation.archive_room(who, at[0], False, options),
    ),
}
# The form field that names targets of a kind.
FIELDS = {
    Kind.MESSAGE: "ids",
    Kind.MEMBER: "members",
    Kind.PERSON: "people",
    Kind.ROOM: "rooms",
}


class ShownTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One target as the pages show it. `text`: what was written, if this person may read it."""

    given: str  # as in the form
    ids: TargetIds
    name: str
    text: str = ""
    now: str = ""  # its present state
    open: bool = True  # whether this person may know what its room contains


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one target."""

    target: ShownTarget
    result: str  # of `Result`, or "refused" or "unknown"
    says: str = ""
    seq: int | None = None


def choices_for(user: Any, kind: Kind, but: Collection[Act] = ()) -> list[tuple[str, Any]]:
    """The acts on targets of a kind that this member of staff may do, for a form.

    Without those in `but`, which would change nothing.
    """
    return [
        (act.value, offered.label)
        for act, offered in ACTS.items()
        if offered.kind == kind and act not in but and user.has_perm(STAFF[act])
    ]


@act(*{STAFF[each] for each in ACTS})
def moderate(request: HttpRequest) -> HttpResponse:
    """The preview of an act; with `confirmed`, the act itself and how it ended for each target."""
    act = action_of(request)
    offered = ACTS[act]
    confirmed = "confirmed" in request.POST
    why, problem = reason_of(request)
    is_preview = not confirmed or problem is not None
    targets = targets_of(request, offered.kind, with_texts=is_preview)
    back = back_of(request)
    if not targets:
        messages.warning(request, _("Nothing was selected, or it no longer exists."))
        return redirect(back)
    context = {
        "action": act,
        "offered": offered,
        "targets": targets,
        "field": FIELDS[offered.kind],
        "back": back,
        "report": request.POST.get("report", ""),
        "private": request.POST.get("private", ""),
        "title_action": offered.label,
    }
    if is_preview:
        effects = effects_of(act, [target.ids for target in targets if target.open])
        return render(
            request,
            "act",
            offered.label,
            {
                **context,
                "totals": effects.totals,
                "rows": [
                    (one, effects.problems.get(one.ids), effects.warnings.get(one.ids))
                    for one in targets
                ],
                "hidden": not all(target.open for target in targets),
                "why": why,
                "problem": problem if confirmed else None,
                "chosen_value": request.POST.get("value", ""),
                "key": request.POST.get("key") or uuid7(),
                "max_targets": MAX_TARGETS,
            },
        )
    ended = carry_out(
        by(request),
        act,
        targets,
        value_of(request, offered),
        why=why,
        key=request.POST.get("key", ""),
        report=report_of(request),
    )
    return render(request, "acted", offered.label, {**context, "ended": ended})


def carry_out(
    who: Actor,
    act: Act,
    targets: Sequence[ShownTarget],
    value: Any,
    *,
    why: str,
    key: str,
    report: int | None = None,
) -> list[Ended]:
    """Does the act to one target after another; a refusal of one does not stop the others.

    Raises: BadRequest when `key` is not a valid key.
    """
    try:
        keys = [str(derived_key(UUID(key), f"{act} {one.given}")) for one in targets]
    except ValueError as error:
        raise BadRequest("The form is incomplete.") from error
    batch = key if len(targets) > 1 else None

    async def one_after_the_other() -> list[Ended]:
        ended = []
        for target, own_key in zip(targets, keys, strict=True):
            options = Options(reason=why, key=own_key, report=report, batch=batch)
            ended.append(await _do(who, act, target, value, options))
        return ended

    return async_to_sync(one_after_the_other)()


async def _do(who: Actor, act: Act, target: ShownTarget, value: Any, options: Options) -> Ended:
    try:
        outcome = await ACTS[act].call(who, target.ids, value, options)
    except ClientError as refused:
        unknown = refused.code == "unavailable"
        return Ended(
            target=target,
            result="unknown" if unknown else Result.REFUSED.value,
            says=_(
                "The log or PostgreSQL is unreachable. Send the form again: nothing is done twice."
            )
            if unknown
            else refusal_text(refused),
        )
    return Ended(target=target, result=outcome.result.value, seq=outcome.seq)


def refusal_text(refused: ClientError) -> str:
    """Why something was refused, in the reader's language."""
    return {
        "not_found": _("It does not exist."),
        "forbidden": _("Not allowed: %s") % refused.message,
        "not_member": _("They are not in the room."),
        "archived": _("The room is archived."),
        "key_conflict": _("This form was used for something else. Open it again."),
    }.get(refused.code, refused.message)


def action_of(request: HttpRequest) -> Act:
    """The act that a form names. Raises: BadRequest; PermissionDenied."""
    try:
        act = Act(request.POST.get("action", ""))
    except ValueError as error:
        raise BadRequest("There is no such act.") from error
    if act not in ACTS:
        raise BadRequest("There is no such act.")
    if not request.user.has_perm(STAFF[act]):
        raise PermissionDenied
    return act


def value_of(request: HttpRequest, offered: Offered) -> Any:
    """What was chosen besides the targets; None if there is nothing to choose.

    Raises: BadRequest for what was not offered.
    """
    if not offered.values:
        return None
    given = request.POST.get("value", "")
    for value, _label in offered.values:
        if str(value) == given:
            return value
    raise BadRequest("This cannot be selected.")


def report_of(request: HttpRequest) -> int | None:
    given = request.POST.get("report", "")
    return int(given) if is_id(given) else None


def back_of(request: HttpRequest) -> str:
    """Where the person came from, within this site."""
    given = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(given, {request.get_host()}, request.is_secure())
    return given if safe and given.startswith("/") else "/admin/"


def targets_of(request: HttpRequest, kind: Kind, *, with_texts: bool) -> list[ShownTarget]:
    """The targets that a form names and that exist, in the order of the form.

    `with_texts`: with the messages' texts, if this person may read them. They are about to be
    shown, so the reading of private rooms is on record when this returns.

    Raises: BadRequest for more than a form may name, or for invalid targets.
    """
    given = list(dict.fromkeys(request.POST.getlist(FIELDS[kind])))
    if len(given) > MAX_TARGETS:
        raise BadRequest(f"At most {MAX_TARGETS} at a time.")
    numbers = [numbers_of(one, 2 if kind == Kind.MEMBER else 1) for one in given]
    if kind == Kind.MESSAGE:
        found = _messages(request, numbers, with_texts=with_texts)
    elif kind == Kind.MEMBER:
        found = _members(request, numbers)
    else:
        found = {Kind.PERSON: _people, Kind.ROOM: _rooms}[kind](numbers)
    return [found[one] for one in given if one in found]


def numbers_of(given: str, parts: int) -> tuple[int, ...]:
    """The numbers in `5` or `5:7`. Raises: BadRequest."""
    texts = given.split(":")
    if len(texts) != parts or not all(map(is_id, texts)):
        raise BadRequest("These are not targets.")
    return tuple(int(one) for one in texts)


def _messages(
    request: HttpRequest, numbers: Sequence[tuple[int, ...]], *, with_texts: bool
) -> dict[str, ShownTarget]:
    rows = list(
        Message.objects.filter(pk__in=[one[0] for one in numbers]).select_related("room", "author")
    )
    readable = [row for row in rows if with_texts and may_read(request, row.room)]
    recorded(request, readable, "preview of an act")
    return {
        str(row.pk): ShownTarget(
            given=str(row.pk),
            ids=(row.room_id, row.seq),
            name=f"#{row.room.slug} seq {row.seq}"
            + ("" if row.author is None else f", @{row.author.username}"),
            text=row.body[:EXCERPT_CHARACTERS] if row in readable else "",
            now=_("deleted") if row.deleted_at is not None else "",
            open=may_read(request, row.room),
        )
        for row in rows
    }


def _members(request: HttpRequest, numbers: Sequence[tuple[int, ...]]) -> dict[str, ShownTarget]:
    rooms = Room.objects.in_bulk([room for room, _user in numbers])
    users = User.objects.in_bulk([user for _room, user in numbers])
    return {
        f"{room}:{user}": ShownTarget(
            given=f"{room}:{user}",
            ids=(room, user),
            name=f"@{users[user].username}, #{rooms[room].slug}",
            open=may_read(request, rooms[room]),
        )
        for room, user in numbers
        if room in rooms and user in users
    }


def _people(numbers: Sequence[tuple[int, ...]]) -> dict[str, ShownTarget]:
    users = User.objects.in_bulk([one[0] for one in numbers])
    return {
        str(pk): ShownTarget(
            given=str(pk),
            ids=(pk,),
            name=f"@{user.username}",
            text=user.display_name,
            now="" if user.is_active else _("deactivated"),
        )
        for pk, user in users.items()
    }


def _rooms(numbers: Sequence[tuple[int, ...]]) -> dict[str, ShownTarget]:
    rooms = Room.objects.in_bulk([one[0] for one in numbers])
    return {
        str(pk): ShownTarget(
            given=str(pk),
            ids=(pk,),
            name=f"#{room.slug}",
            text=room.name,
            now=_("archived") if room.archived_at is not None else "",
        )
        for pk, room in rooms.items()
    }
