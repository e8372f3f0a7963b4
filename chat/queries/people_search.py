"""Finds people by name: among all, in a room, and among those who were banned from it.

Functions use the ORM; call them through `chat.servers.postgres.in_database`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec
from django.db.models import Case, IntegerField, Q, Value, When

from chat.accounts import people
from chat.audit.permissions import Act
from chat.models import AuditEntry, Ban, Membership, User
from chat.names.usernames import PROBE_USERNAME
from chat.protocol import UserInfo

NAMES = ("username", "display_name")


class MemberInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A person as the members of a room see them."""

    user: UserInfo
    role: str
    joined_at: datetime
    muted_until: datetime | None = None


class BannedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may not come back into a room, as its moderators see them."""

    user: UserInfo
    at: datetime
    by: int | None
    reason: str


def search(text: str, limit: int = 20) -> list[UserInfo]:
    """Active people with all words of `text` in their names (see `named`), best matches first.

    A text without words finds everybody.
    """
    first = next(iter(_words(text)), "")
    users = (
        User.objects.filter(is_active=True)
        .exclude(username=PROBE_USERNAME)
        .filter(named(text))
        .annotate(
            rank=Case(
                When(_somewhere("iexact", first), then=Value(0)),
                When(_somewhere("istartswith", first), then=Value(1)),
                When(display_name__icontains=f" {first}", then=Value(2)),
                default=Value(3),
                output_field=IntegerField(),
            )
        )
        .order_by("rank", "username")[:limit]
    )
    return [people.info(user) for user in users]


def named(text: str) -> Q:
    """People whose user name or display name contains each word of `text`, in any order.

    A word that begins with `@` is part of a user name. `е` finds `ё` too, as people write one for
    the other.
    """
    found = Q()
    for word in _words(text):
        fields = ("username",) if word.startswith("@") else NAMES
        either = Q()
        for field in fields:
            either |= _holds(field, word.removeprefix("@"))
        found &= either
    return found


def _words(text: str) -> list[str]:
    return [word for word in text.split() if word != "@"]


def _somewhere(lookup: str, word: str) -> Q:
    bare = word.removeprefix("@")
    by_username = Q(**{f"username__{lookup}": bare})
    return (
        by_username
        if word.startswith("@")
        else by_username | Q(**{f"display_name__{lookup}": bare})
    )


def _holds(field: str, word: str) -> Q:
    if not any(letter in "её" for letter in word.lower()):
        return Q(**{f"{field}__icontains": word})
    pattern = "".join("[её]" if letter in "её" else re.escape(letter) for letter in word.lower())
    return Q(**{f"{field}__iregex": pattern})


def members_of(
    room_id: int, after: str, limit: int, text: str = "", among: Iterable[int] | None = None
) -> list[MemberInfo]:
    """Members of a room by user name, after `after`; somebody who just entered may be missing.

    Only people who match `text` (see `named`), and only those in `among`, if given.
    """
    found = Membership.objects.filter(
        _named(text), room_id=room_id, user__is_active=True, user__username__gt=after
    )
    if among is not None:
        found = found.filter(user_id__in=list(among))
    memberships = found.select_related("user").order_by("user__username")[:limit]
    return [
        MemberInfo(
            user=people.info(membership.user),
            role=membership.role,
            joined_at=membership.joined_at,
            muted_until=later(membership.muted_until, membership.user.muted_until),
        )
        for membership in memberships
    ]


def _named(text: str) -> Q:
    """Like `named`, for rows that refer to a person."""
    return Q(user__in=User.objects.filter(named(text))) if _words(text) else Q()


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two end times, either of which may be missing."""
    return max((end for end in (one, other) if end is not None), default=None)


def banned_from(room_id: int, after: str, limit: int, text: str = "") -> list[BannedPerson]:
    """People banned from a room who match `text` (see `named`), by user name, after `after`, with
    the reason if one was given."""
    bans = (
        Ban.objects.filter(_named(text), room_id=room_id, user__username__gt=after)
        .select_related("user")
        .order_by("user__username")[:limit]
    )
    reasons = {
        entry.user_id: entry.reason
        for entry in AuditEntry.objects.filter(
            room_id=room_id, action=Act.MEMBER_BAN, user_id__in=[ban.user_id for ban in bans]
        ).order_by("id")
    }
    return [
        BannedPerson(
            user=people.info(ban.user),
            at=ban.banned_at,
            by=ban.banned_by_id,
            reason=reasons.get(ban.user_id, ""),
        )
        for ban in bans
    ]
