"""Page after page of what is found, while messages come, change and go; by time and relevance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat.models import Message, Room, User
from chat.queries import search
from tests.support.chat_world import Api, make_user, store
from tests.support.rooms import new_room

pytestmark = pytest.mark.django_db(transaction=True)

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


async def room_of(owner: User, *members: User) -> Room:
    room = await new_room(owner, *members)
    await store(room.pk)
    return room


@sync_to_async
def put(room: Room, author: User, bodies: list[str], at: datetime = BEGIN) -> None:
    """Stored messages, two at each moment."""
    first = 1_000 + Message.objects.filter(room=room).count()
    Message.objects.bulk_create(
        Message(
            room=room,
            seq=first + place,
            n=first + place,
            author=author,
            at=at + timedelta(seconds=place // 2),
            body=body,
        )
        for place, body in enumerate(bodies)
    )


async def pages(
    person: User, text: str, room: int | None = None, limit: int = 20, order: search.Order = "time"
) -> AsyncIterator[list[str]]:
    """The bodies on each page; without the limits of REST."""
    cursor = None
    while True:
        result = await search.search(person.pk, text, room, limit, order, cursor)
        yield [one.body for one in result.found]
        cursor = result.cursor
        assert result.more is (cursor is not None)
        if cursor is None:
            return


@pytest.mark.parametrize("order", ["time", "relevance"])
@pytest.mark.parametrize("where", ["here", "everywhere"])
async def test_pages_have_no_repeats_and_no_gaps_while_messages_come_and_go(
    monkeypatch: pytest.MonkeyPatch, order: search.Order, where: str
) -> None:
    monkeypatch.setattr(search, "BLOCK", 20)
    anna = await make_user("anna")
    room, other = await room_of(anna), await room_of(anna)
    bodies = [f"word {'word ' * (number % 4)}{number}" for number in range(70)]
    await put(room, anna, bodies)
    await put(other, anna, ["word elsewhere"])

    seen: list[str] = []
    async for page in pages(anna, "word", room.pk if where == "here" else None, 7, order):
        seen += page
        await put(room, anna, [f"word, new {len(seen)}"], timezone.now())
        gone = await Message.objects.filter(room=room).exclude(body__in=seen).afirst()
        if gone is not None and len(seen) < 30:
            await Message.objects.filter(pk=gone.pk).aupdate(deleted_at=timezone.now())

    stand = [row.body async for row in Message.objects.filter(deleted_at=None, body__in=bodies)]
    assert len(seen) == len(set(seen))
    assert set(stand) <= set(seen)
    assert not any("new" in body for body in seen)
    if order == "time":
        numbers = [int(body.split()[-1]) for body in seen if body != "word elsewhere"]
        assert numbers == sorted(numbers, reverse=True)


async def test_pages_go_on_beyond_fifty() -> None:
    anna = await make_user("anna")
    room = await room_of(anna)
    await put(room, anna, [f"word {number}" for number in range(130)])

    found = [page async for page in pages(anna, "word", limit=50)]

    assert [len(page) for page in found] == [50, 50, 30]
    assert [body for page in found for body in page] == [
        f"word {number}" for number in range(129, -1, -1)
    ]


async def test_most_relevant_have_the_words_as_typed_often_and_recently() -> None:
    anna = await make_user("anna")
    room = await room_of(anna)
    long_ago = BEGIN - timedelta(days=3_000)
    await put(room, anna, ["release notes"], long_ago)
    await put(
        room, anna, ["release notes", "releasing a few more notes of mine", "notes, released"]
    )
    await put(room, anna, ["release, " + "and other things " * 30 + " notes"], timezone.now())

    [by_relevance] = [page async for page in pages(anna, "release notes", order="relevance")]
    [by_time] = [page async for page in pages(anna, "release notes")]

    assert by_relevance[0] == "release notes"
    assert len(by_time) == len(by_relevance)
    assert by_time[0].startswith("release, and other")
    assert by_relevance.index("notes, released") < by_relevance.index(by_time[0])


async def test_search_without_words_is_by_time_whatever_is_asked_for() -> None:
    anna = await make_user("anna")
    await put(await room_of(anna), anna, ["one", "two", "three"])

    found = [page async for page in pages(anna, "from:me", order="relevance", limit=2)]

    assert found == [["three", "two"], ["one"]]


@pytest.mark.parametrize("cursor", ["AAAA", "", "W10", "W1stMSwxXV0"])
async def test_cursor_that_is_from_no_answer_is_refused(cursor: str) -> None:
    answer = await Api(await make_user("anna")).get(f"search?q=word&cursor={cursor}")

    assert (answer.status, answer.body["rule"]) == (400, "cursor_from_an_answer")


async def test_cursor_of_somebody_else_opens_nothing() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await room_of(anna)
    await put(room, anna, [f"word {number}" for number in range(5)])
    theirs = (await Api(anna).get("search?q=word&limit=2")).body["cursor"]

    answer = await Api(boris).get(f"search?q=word&cursor={theirs}")

    assert answer.body == {"found": [], "more": False, "cursor": None}
