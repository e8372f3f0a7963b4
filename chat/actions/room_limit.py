"""How many rooms a person may be in, and how many people somebody may bring into rooms a day.

A person's rooms are spread over the shards of the log, so no append can count them. PostgreSQL
does: before a person is let into a room they take a seat, which is a row. Taking one locks the
person's row, so two entries at once cannot both get the last seat. A seat counts until the entry is
stored, and for as long as nobody knows whether it was logged.

Archived rooms count, since they may be opened again. Direct conversations do not: there is one per
pair of people, and people at the limit can still be written to. Each new one counts as an
invitation by the person who opens it. See docs/decisions/0036.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from redis.exceptions import RedisError

from chat.errors import ClientError, Unavailable
from chat.events import RoomKind, shard_of
from chat.models import Membership, RoomSeat, User
from chat.room_log import keys
from chat.servers.postgres import in_database
from chat.servers.redis_log import blocking_client

# Longer than any append takes.
HELD_FOR = timedelta(minutes=5)
# By then a logged entry is stored, or was undone.
FORGOTTEN_AFTER = timedelta(days=1)
ROOMS_PER_CALL = 250

COUNT_INVITATION = """
    INSERT INTO chat_invitationcount AS counted (inviter_id, day, number)
    VALUES (%(inviter)s, (now() AT TIME ZONE 'UTC')::date, 1)
    ON CONFLICT (inviter_id, day) DO UPDATE SET number = counted.number + 1
    WHERE counted.number < %(limit)s
    RETURNING number
"""


@asynccontextmanager
async def seat(user_id: int, room_id: int) -> AsyncIterator[None]:
    """Holds a seat for the person while they are let into the room.

    Raises: ClientError `too_many` when they have none left; Unavailable.
    """
    await in_database(_take, user_id, room_id, settings.ENV.rooms_per_person)
    try:
        yield
    except Unavailable:
        raise  # nobody knows whether they entered: the seat counts for a while
    except ClientError:
        await in_database(_give_back, user_id, room_id)
        raise
    # From here on the log says whether they are in.
    await in_database(_release, [user_id], room_id)


@asynccontextmanager
async def seats(user_ids: Iterable[int], room_id: int) -> AsyncIterator[set[int]]:
    """Like `seat` for many people at once, for commands that fill rooms; yields who got a seat.

    People at their limit are not among them. Rooms whose leaving is not stored yet still count.

    Raises: Unavailable.
    """
    seated = await in_database(_take_many, user_ids, room_id, settings.ENV.rooms_per_person)
    yield seated
    await in_database(_release, seated, room_id)


async def check_room_for_one_more(user_id: int) -> None:
    """Checks the limit for a room that is yet to be made. Raises: like `seat`."""
    await in_database(_take, user_id, None, settings.ENV.rooms_per_person)


async def count_invitation(inviter_id: int) -> None:
    """Counts one more invitation by the person today, by UTC.

    Raises: ClientError `too_many` when it exceeds the daily limit; Unavailable.
    """
    await in_database(_count_invitation, inviter_id, settings.ENV.invitations_per_day)


def _take(user_id: int, room_id: int | None, limit: int) -> None:
    with transaction.atomic():
        now = _now()
        # Weaker than a deletion's lock, so that the person's events can be stored meanwhile.
        User.objects.select_for_update(no_key=True).get(pk=user_id)
        memberships = Membership.objects.filter(user_id=user_id).exclude(room_id=room_id or 0)
        rooms = memberships.exclude(room__kind=RoomKind.DIRECT)
        seats = RoomSeat.objects.filter(user_id=user_id)
        seats.filter(held_until__lt=now - FORGOTTEN_AFTER).delete()
        stored = Exists(memberships.filter(room_id=OuterRef("room_id")))
        others = seats.exclude(room_id=room_id or 0).exclude(stored)
        if rooms.count() + others.count() >= limit:
            # The person may have left some since: the log knows.
            _forget_left(user_id, others.filter(held_until__lt=now))
            held = set(seats.filter(held_until__gte=now).values_list("room_id", flat=True))
            left = _left(user_id, rooms.values_list("room_id", flat=True)) - held
            if rooms.count() - len(left) + others.count() >= limit:
                raise ClientError("too_many", f"Nobody is in more than {limit:,} rooms. Leave one.")
        if room_id is not None:
            seats.update_or_create(
                user_id=user_id, room_id=room_id, defaults={"held_until": now + HELD_FOR}
            )


def _take_many(user_ids: Iterable[int], room_id: int, limit: int) -> set[int]:
    with transaction.atomic():
        now = _now()
        # In a fixed order, so that two callers at once cannot deadlock.
        people = User.objects.select_for_update(no_key=True).filter(pk__in=user_ids).order_by("pk")
        rooms = dict.fromkeys((person.pk for person in people), 0)
        memberships = Membership.objects.filter(user_id__in=rooms).exclude(room_id=room_id)
        stored = Exists(
            Membership.objects.filter(user_id=OuterRef("user_id"), room_id=OuterRef("room_id"))
        )
        others = RoomSeat.objects.filter(user_id__in=rooms).exclude(room_id=room_id)
        for held in (memberships.exclude(room__kind=RoomKind.DIRECT), others.exclude(stored)):
            for user_id, number in held.values_list("user_id").annotate(Count("pk")).order_by():
                rooms[user_id] += number
        seated = {user_id for user_id, number in rooms.items() if number < limit}
        RoomSeat.objects.bulk_create(
            [
                RoomSeat(user_id=user_id, room_id=room_id, held_until=now + HELD_FOR)
                for user_id in seated
            ],
            update_conflicts=True,
            unique_fields=["user", "room"],
            update_fields=["held_until"],
        )
    return seated


def _forget_left(user_id: int, seats: QuerySet[RoomSeat]) -> None:
    rooms = list(seats.values_list("room_id", flat=True))
    entered = _members(user_id, rooms)
    gone = [room for room in rooms if not entered.get(room)]
    RoomSeat.objects.filter(user_id=user_id, room_id__in=gone).delete()


def _left(user_id: int, rooms: Iterable[int]) -> set[int]:
    """Those of the rooms that the person, according to the log, is no longer in."""
    return {room for room, member in _members(user_id, rooms).items() if not member}


def _members(user_id: int, rooms: Iterable[int]) -> dict[int, bool]:
    """Whether the person is in each room that the log holds. Blocks.

    Raises: Unavailable.
    """
    found: dict[int, bool] = {}
    every = list(rooms)
    for start in range(0, len(every), ROOMS_PER_CALL):
        part = every[start : start + ROOMS_PER_CALL]
        pipeline = blocking_client().pipeline(transaction=False)
        for room in part:
            shard = shard_of(room, settings.ENV.shards)
            pipeline.get(keys.epoch(shard))
            pipeline.hget(keys.room(shard, room), "epoch")
            pipeline.hget(keys.acl(shard, room), str(user_id))
        try:
            answers = pipeline.execute()
        except RedisError as error:
            raise Unavailable("The log does not answer.") from error
        for room, epoch, room_epoch, entry in zip(
            part, answers[::3], answers[1::3], answers[2::3], strict=True
        ):
            if epoch is not None and epoch == room_epoch:
                found[room] = entry is not None and not entry.startswith(b"banned")
    return found


def _now() -> datetime:
    """PostgreSQL's time, as it keeps the seats: web processes' clocks may be minutes apart."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        [now] = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def _release(user_ids: Iterable[int], room_id: int) -> None:
    RoomSeat.objects.filter(user_id__in=user_ids, room_id=room_id).update(held_until=_now())


def _give_back(user_id: int, room_id: int) -> None:
    RoomSeat.objects.filter(user_id=user_id, room_id=room_id).delete()


def _count_invitation(inviter_id: int, limit: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM chat_invitationcount"
            " WHERE inviter_id = %s AND day < (now() AT TIME ZONE 'UTC')::date",
            [inviter_id],
        )
        cursor.execute(COUNT_INVITATION, {"inviter": inviter_id, "limit": limit})
        if cursor.fetchone() is None:
            raise ClientError(
                "too_many",
                f"Nobody brings more than {limit:,} people into rooms a day.",
                _seconds_to_midnight(datetime.now(UTC)),
            )


def _seconds_to_midnight(now: datetime) -> float:
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    return (tomorrow - now).total_seconds()
