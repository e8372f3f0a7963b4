"""People at the admin, for its tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from chat.actions import messages
from chat.events import shard_of
from chat.models import AuditEntry, Message, Room, User
from chat.persistence import drain
from tests.support.moderation_world import World, make_staff, make_world
from tests.support.rooms import new_key

ROLES = ("moderator", "administrator", "auditor")


def without_second_factor(django_settings: Settings) -> None:
    """Let staff in with their password alone, as with STAFF_MFA=no."""
    django_settings.ENV = dataclasses.replace(settings.ENV, staff_mfa=False)


def at_admin(user: User, **options: Any) -> Client:
    """A browser in which this person is signed in."""
    browser = Client(**options)
    browser.force_login(user)
    return browser


def staff(name: str, *groups: str, **fields: Any) -> User:
    return async_to_sync(make_staff)(name, *groups, **fields)


def world(**more: Any) -> World:
    return async_to_sync(make_world)(**more)


def said(room: Room, author: User, body: str) -> Message:
    """A message that is logged and stored."""
    place = async_to_sync(messages.post_message)(author.pk, room.pk, new_key(), body)
    stored(room)
    return Message.objects.get(room=room, seq=place.event.seq)


def stored(room: Room) -> None:
    drain.drain(shard_of(room.pk, settings.ENV.shards))


def recorded(**about: Any) -> list[AuditEntry]:
    """The audit entries that match `about`, oldest first."""
    return list(AuditEntry.objects.filter(**about).order_by("pk"))
