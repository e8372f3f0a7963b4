"""The acts that the admin offers: what each is called, what it does, what there is to choose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import msgspec
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from chat.actions import moderation, people
from chat.actions.preview import TargetIds
from chat.actions.recorded_act import Options, Outcome
from chat.audit.entries import Actor, Kind
from chat.audit.permissions import STAFF, Act
from chat.events import Role

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


def choices_for(user: Any, kind: Kind, but: Collection[Act] = ()) -> list[tuple[str, Any]]:
    """The acts on targets of a kind that this member of staff may do, for a form.

    Without those in `but`, which would change nothing.
    """
    return [
        (act.value, offered.label)
        for act, offered in ACTS.items()
        if offered.kind == kind and act not in but and user.has_perm(STAFF[act])
    ]


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
