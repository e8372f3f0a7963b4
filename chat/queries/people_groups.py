"""Groups of people, as everybody who is signed in sees them.

Functions use the ORM; call them through `chat.servers.postgres.in_database`.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from django.db.models import Count, Exists, OuterRef, Q

from chat.accounts import people
from chat.models import PeopleGroup, PeopleGroupMember, User
from chat.protocol import UserInfo


class PeopleGroupInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`mine`: the reader is in it."""

    id: int
    handle: str
    name: str
    members: int
    mine: bool


def search(user_id: int, text: str, limit: int) -> list[PeopleGroupInfo]:
    """Groups whose handle or name contains `text`, by handle. Deactivated people do not count."""
    mine = PeopleGroupMember.objects.filter(group=OuterRef("pk"), user_id=user_id)
    text = text.removeprefix("@")
    found = (
        PeopleGroup.objects.filter(Q(handle__icontains=text) | Q(name__icontains=text))
        .annotate(
            number=Count("members", filter=Q(members__user__is_active=True)), mine=Exists(mine)
        )
        .order_by("handle")[:limit]
    )
    return [
        PeopleGroupInfo(
            id=group.pk,
            handle=group.handle,
            name=group.name,
            members=group.number,
            mine=group.mine,
        )
        for group in found
    ]


def members_of(group_id: int, after: str, limit: int) -> list[UserInfo] | None:
    """The active people of a group by user name, after `after`; None if there is no such group."""
    if not PeopleGroup.objects.filter(pk=group_id).exists():
        return None
    found = User.objects.filter(people_groups__group=group_id, is_active=True, username__gt=after)
    return [people.info(user) for user in found.order_by("username")[:limit]]


def of_people(users: Collection[int]) -> dict[int, frozenset[int]]:
    """The ids of the groups that each of the people is in."""
    found: dict[int, set[int]] = {user: set() for user in users}
    rows = PeopleGroupMember.objects.filter(user_id__in=list(users))
    for user, group in rows.values_list("user_id", "group_id"):
        found[user].add(group)
    return {user: frozenset(groups) for user, groups in found.items()}
