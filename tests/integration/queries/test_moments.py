"""Which message was the first since a moment: what a jump to a date leads to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.actions import messages
from chat.models import Message, Room, User
from chat.queries import search
from chat.queries.moments import stored_since
from tests.support.chat_world import Answer, Api, make_user, store
from tests.support.rooms import new_key, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


async def ask(person: User, room: int, since: Any) -> Answer:
    return await Api(person).get(f"rooms/{room}/first-message?{urlencode({'since': since})}")


@sync_to_async
def put(room: Room, author: User, times: list[datetime], step: int = 1) -> None:
    Message.objects.bulk_create(
        Message(room=room, seq=1_000 + place * step, n=place + 1, author=author, at=at, body="word")
        for place, at in enumerate(times)
    )


async def test_first_message_since_a_moment_is_found_at_every_place() -> None:
    anna = await make_user("anna")
    room = await Room.objects.acreate(slug="old", kind="public")
    days = [BEGIN + timedelta(days=day) for day in (0, 1, 1, 4, 9, 9, 9, 30)]
    await put(room, anna, days, step=7)

    for day in range(-1, 32):
        moment = BEGIN + timedelta(days=day)
        place = await sync_to_async(stored_since)(room.pk, moment)
        later = [at for at in days if at >= moment]
        seqs = [1_000 + 7 * days.index(at) for at in later[:1]]
        assert ([] if place.seq is None else [place.seq]) == seqs, day
        assert place.at == (later[0] if later else None)


async def test_place_in_a_long_room_costs_a_few_rows() -> None:
    anna = await make_user("anna")
    room = await Room.objects.acreate(slug="long", kind="public")
    await put(room, anna, [BEGIN + timedelta(minutes=number) for number in range(5_000)])

    def look() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            place = stored_since(room.pk, BEGIN + timedelta(minutes=3_456))
        assert place.seq == 4_456
        return len(asked)

    assert await sync_to_async(look)() < 20


async def test_message_that_is_not_stored_yet_is_found_and_a_deleted_one_too() -> None:
    anna = await make_user("anna")
    room = await new_room(anna)
    first = (await post(room, anna, "one")).event
    await store(room.pk)
    await messages.delete_message(anna.pk, room.pk, new_key(), first.seq)
    second = (await post(room, anna, "two")).event

    assert (await ask(anna, room.pk, "2020-01-01T00:00:00Z")).body["seq"] == first.seq
    after_first = first.at + timedelta(milliseconds=1)
    expected = second.seq if second.at >= after_first else None
    assert (await ask(anna, room.pk, after_first.isoformat())).body["seq"] == expected
    later = await ask(anna, room.pk, (second.at + timedelta(hours=1)).isoformat())
    assert later.body == {"seq": None, "at": None}


async def test_only_members_may_ask_and_only_for_moments() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await new_room(anna)
    await post(room, anna, "one")

    assert (await ask(boris, room.pk, "2020-01-01T00:00:00Z")).status in {403, 404}
    assert (await ask(anna, room.pk, "yesterday")).status == 400
    for far in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        assert (await ask(anna, room.pk, far)).status == 200


async def test_reply_that_only_its_thread_shows_is_no_place_to_begin_to_read() -> None:
    anna = await make_user("anna")
    room = await new_room(anna)
    await store(room.pk)
    await put(room, anna, [BEGIN, BEGIN + timedelta(days=1), BEGIN + timedelta(days=2)])
    await Message.objects.filter(room=room, n=2).aupdate(n=None, thread=1_000)

    found = await ask(anna, room.pk, (BEGIN + timedelta(hours=1)).isoformat())
    searched = await search.search(anna.pk, "word on:2020-01-02", room.pk, 20)

    assert found.body["seq"] == 1_002
    assert [one.seq for one in searched.found] == [1_001]
