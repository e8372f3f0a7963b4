"""A room with everybody involved in moderation, and what an act leaves behind."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group

from chat.actions import moderation, rooms
from chat.actions.recorded_act import Options
from chat.events import Role, RoomKind, shard_of
from chat.models import AuditEntry, Room, User
from chat.persistence import drain
from chat.verify import Finding, Verifier
from tests.support.chat_world import by, make_user

WHY = Options(reason="Somebody asked")


@dataclass(frozen=True)
class World:
    """A private room: `anna` owns it, `mod` moderates, `boris` is a member, `vera` is not in it.

    `staff` has the groups moderator and administrator.
    """

    room: Room
    anna: User
    mod: User
    boris: User
    vera: User
    staff: User


async def make_world(kind: RoomKind = RoomKind.PRIVATE) -> World:
    people = [await make_user(name) for name in ("anna", "mod", "boris", "vera")]
    anna, mod, boris, vera = people
    room = await rooms.create_room(anna.pk, "Plans", kind)
    for user in (mod, boris):
        await rooms.invite(anna.pk, room.pk, user.pk)
    await moderation.set_role(by(anna), room.pk, mod.pk, Role.MODERATOR)
    staff = await make_staff("staff", "moderator", "administrator")
    return World(room, anna, mod, boris, vera, staff)


async def make_staff(name: str, *groups: str, **fields: Any) -> User:
    """A person who may sign in to the admin, with the rights of `groups`."""
    user = await make_user(name, is_staff=True, **fields)
    await sync_to_async(_add_groups)(user, groups)
    return user


def _add_groups(user: User, groups: tuple[str, ...]) -> None:
    # The tests' database is emptied, including rows that migrations inserted.
    if not Group.objects.exists():
        importlib.import_module("chat.migrations.0008_groups").make_groups(apps, None)
        importlib.import_module("chat.migrations.0020_view_analytics").give(apps, None)
    user.groups.set(Group.objects.filter(name__in=groups))


def last_entry(**about: Any) -> AuditEntry:
    """The newest entry of the audit log, with its outcome."""
    return AuditEntry.objects.select_related("outcome").filter(**about).latest("id")


def verify(room: int) -> list[Finding]:
    """What a verification of the room finds wrong after everything is stored."""
    drain.drain(shard_of(room, settings.ENV.shards))
    return (
        Verifier(settings.ENV.shards, None, since=None, pause=lambda: None).verify([room]).findings
    )
