"""What others see of an account, and whether it may do anything.

Functions use the ORM; call them through `chat.servers.postgres.in_database`.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.models import User
from chat.protocol import UserInfo
from chat.servers import clocks

MAX_PEOPLE = 200


def info(user: User) -> UserInfo:
    return UserInfo(
        id=user.pk,
        username=user.username,
        name=user.shown_name,
        staff=user.is_staff,
        ambiguous=user.name_is_shared,
        deactivated=not user.is_active,
    )


def by_ids(ids: Iterable[int]) -> dict[int, UserInfo]:
    """The people with these ids that exist, deactivated ones too: old messages name them."""
    return {user.pk: info(user) for user in User.objects.filter(pk__in=list(ids))}


def is_active(user_id: int) -> bool:
    return User.objects.filter(pk=user_id, is_active=True).exists()


def is_muted(user_id: int) -> bool:
    """Whether the person is muted everywhere at the moment."""
    return User.objects.filter(pk=user_id, muted_until__gt=clocks.LOG.now()).exists()
