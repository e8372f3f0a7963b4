"""The probe's identity and where it writes: an account and a room that nobody else sees.

The account cannot sign in, nobody can find it, and it is in one room only: a private one, of which
it is the only member. Otherwise the room is ordinary: its messages are logged, stored, exported,
verified and counted by the analytics like all others, or the probe would prove nothing. Only the
numbers that people read about all rooms together leave it out
(`chat.queries.analytics_host.own_traffic`).

Functions use the ORM, except `ensure_room`.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from chat.accounts import tokens
from chat.actions import rooms
from chat.events import RoomKind
from chat.models import ApiToken, Room, User
from chat.names.usernames import PROBE_USERNAME
from chat.protocol.scopes import Scope
from chat.servers.postgres import in_database

DISPLAY_NAME = "Probe"
ROOM_NAME = "Probe"
ROOM_TOPIC = "Messages of manage.py probe, which measures how long each stage takes."
TOKEN_NAME = "probe"  # noqa: S105
# A running probe uses its token at least every few minutes.
TOKEN_UNUSED_FOR = timedelta(hours=2)


def ensure_user() -> User:
    """The probe's account. Raises: OperationalError."""
    user, new = User.objects.get_or_create(
        username=PROBE_USERNAME, defaults={"display_name": DISPLAY_NAME}
    )
    if new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


async def ensure_room(user_id: int) -> int:
    """The id of the probe's room. Raises: ClientError or Unavailable, like any action."""
    found = await in_database(_find_room, user_id)
    if found is not None:
        return found
    room = await rooms.create_room(user_id, ROOM_NAME, RoomKind.PRIVATE, ROOM_TOPIC)
    return room.pk


def _find_room(user_id: int) -> int | None:
    mine = Room.objects.filter(created_by=user_id, kind=RoomKind.PRIVATE, archived_at=None)
    return mine.order_by("pk").values_list("pk", flat=True).first()


def new_token(user_id: int) -> tuple[int, str]:
    """Id and text of a token for one process; revokes the tokens of processes that are gone."""
    unused_since = timezone.now() - TOKEN_UNUSED_FOR
    old = Q(last_used_at__lt=unused_since) | Q(last_used_at=None, created_at__lt=unused_since)
    for token_id in ApiToken.objects.filter(old, user=user_id, revoked_at=None).values_list(
        "pk", flat=True
    ):
        tokens.revoke(user_id, token_id)
    # Without an expiry: valid for as long as its process runs.
    row, text = tokens.issue(user_id, TOKEN_NAME, {Scope.READ, Scope.WRITE}, days=None)
    return row.pk, text


def end_token(user_id: int, token_id: int) -> None:
    tokens.revoke(user_id, token_id)
