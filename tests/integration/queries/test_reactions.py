"""Reactions: how many a message may have, even if many people react at once, and what is shown."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from importlib import import_module
from urllib.parse import quote

import pytest
import redis
from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from analytics.models import EmojiDay
from chat import room_log
from chat.actions import messages
from chat.errors import ClientError
from chat.events import Reaction, RoomKind, decode_data, shard_of
from chat.models import Message, Room, User
from chat.models import Reaction as StoredReaction
from chat.protocol import MAX_NAMED_PEOPLE
from chat.queries import history, reactions
from chat.room_log import epochs, keys
from chat.room_log.unloading import unload_idle
from tests.support.chat_world import Api, code_of, make_user, store
from tests.support.rooms import new_key, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)

EMOJI = [chr(code) for code in range(0x1F400, 0x1F43F)]
LIMIT, LIMIT_OF_PERSON = 50, 20


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


@pytest.fixture
def names() -> Iterator[str]:
    return (f"person{number}" for number in itertools.count())


async def crowd(names: Iterator[str], size: int) -> list[User]:
    return [await make_user(next(names)) for _ in range(size)]


async def react(user: User, room: Room, seq: int, emoji: str, on: bool = True) -> str:
    """`ok` or the code of the refusal."""
    try:
        await messages.react(user.pk, room.pk, new_key(), seq, emoji, on)
    except ClientError as refused:
        return refused.code
    return "ok"


async def said(room: Room, author: User) -> int:
    return (await post(room, author, "hello")).event.seq


async def out_of_the_log(room: Room) -> None:
    """Stores everything and unloads the room."""
    await store(room.pk)
    shard = shard_of(room.pk, settings.ENV.shards)
    assert await sync_to_async(unload_idle)(shard, idle_ms=-10_000) >= 1


async def stored_reactions(room: Room, seq: int) -> list[tuple[int, str]]:
    await store(room.pk)
    rows = StoredReaction.objects.filter(room=room, target=seq).values_list("user_id", "emoji")
    return [row async for row in rows]


async def make_it(place: str, room: Room, log_redis: redis.Redis) -> None:
    """Brings the log to a state in which it finds the room's reactions in another place."""
    shard = shard_of(room.pk, settings.ENV.shards)
    if place == "forgotten":  # as when the hash's time is over, while the tail holds the message
        for key in log_redis.scan_iter(f"{keys.room(shard, room.pk)}:reactions:*"):
            log_redis.delete(key)
    elif place == "unloaded":
        await out_of_the_log(room)
    elif place == "lost":  # a new epoch
        await store(room.pk)
        log_redis.flushall()
        await sync_to_async(epochs.establish)(shard)
    else:
        assert place == "hot"


PLACES = ["hot", "forgotten", "unloaded", "lost"]


@pytest.mark.parametrize("place", PLACES)
async def test_message_has_50_different_reactions_and_20_of_one_person(
    place: str, names: Iterator[str], log_redis: redis.Redis
) -> None:
    people = await crowd(names, 4)
    room = await new_room(*people)
    seq = await said(room, people[0])

    first = [await react(people[0], room, seq, emoji) for emoji in EMOJI[:15]]
    await make_it(place, room, log_redis)
    of_one = [await react(people[0], room, seq, emoji) for emoji in EMOJI[15:25]]
    of_others = [
        await react(people[1 + index // 20], room, seq, emoji)
        for index, emoji in enumerate(EMOJI[20:52])
    ]
    shared = await react(people[3], room, seq, EMOJI[0])

    assert set(first) == {"ok"}
    assert of_one == ["ok"] * 5 + ["too_many"] * 5
    assert of_others == ["ok"] * 30 + ["too_many"] * 2
    assert shared == "ok"
    rows = await stored_reactions(room, seq)
    assert len({emoji for _, emoji in rows}) == LIMIT
    assert len([user for user, _ in rows if user == people[0].pk]) == LIMIT_OF_PERSON


@pytest.mark.parametrize("place", PLACES)
async def test_limits_hold_when_many_react_at_once(
    place: str, names: Iterator[str], log_redis: redis.Redis
) -> None:
    people = await crowd(names, 6)
    room = await new_room(*people)
    seq = await said(room, people[0])
    await react(people[0], room, seq, EMOJI[0])
    await make_it(place, room, log_redis)

    asked = [(user, emoji) for user in people for emoji in random.sample(EMOJI[1:], 30)]
    random.shuffle(asked)
    answers = await asyncio.gather(*(react(user, room, seq, emoji) for user, emoji in asked))

    rows = await stored_reactions(room, seq)
    assert set(answers) == {"ok", "too_many"}
    assert len(rows) == answers.count("ok") + 1
    assert len({emoji for _, emoji in rows}) <= LIMIT
    by_person = [len([1 for user, _ in rows if user == person.pk]) for person in people]
    assert max(by_person) <= LIMIT_OF_PERSON
    # Nothing was refused without need.
    assert max(by_person) == LIMIT_OF_PERSON or len({emoji for _, emoji in rows}) == LIMIT


@pytest.mark.parametrize("place", PLACES)
async def test_what_is_taken_away_makes_room(
    place: str, names: Iterator[str], log_redis: redis.Redis
) -> None:
    ann, bob = await crowd(names, 2)
    room = await new_room(ann, bob)
    seq = await said(room, ann)
    for emoji in EMOJI[:20]:
        assert await react(ann, room, seq, emoji) == "ok"
    assert await react(ann, room, seq, EMOJI[20]) == "too_many"
    await make_it(place, room, log_redis)

    assert await react(bob, room, seq, EMOJI[3], on=False) == "ok"  # not theirs: changes nothing
    assert await react(ann, room, seq, EMOJI[21], on=False) == "ok"  # nor is that there
    assert await react(ann, room, seq, EMOJI[20]) == "too_many"
    assert await react(ann, room, seq, EMOJI[3], on=False) == "ok"
    assert await react(ann, room, seq, EMOJI[3], on=False) == "ok"
    assert [await react(ann, room, seq, emoji) for emoji in EMOJI[20:22]] == ["ok", "too_many"]


async def test_repeat_of_a_reaction_is_answered_when_the_message_is_full(
    names: Iterator[str], log_redis: redis.Redis
) -> None:
    [ann] = await crowd(names, 1)
    room = await new_room(ann)
    seq = await said(room, ann)
    key = new_key()
    first = await messages.react(ann.pk, room.pk, key, seq, EMOJI[0])
    for emoji in EMOJI[1:20]:
        await react(ann, room, seq, emoji)

    again = await messages.react(ann.pk, room.pk, key, seq, EMOJI[0])
    await store(room.pk)
    refused_key = new_key()
    refused = await code_of(messages.react(ann.pk, room.pk, refused_key, seq, EMOJI[30]))
    await react(ann, room, seq, EMOJI[0], on=False)
    accepted = await messages.react(ann.pk, room.pk, refused_key, seq, EMOJI[30])

    assert (again.event.seq, again.repeat) == (first.event.seq, True)
    assert refused == "too_many"
    assert not accepted.repeat
    assert await react(ann, room, seq, EMOJI[30]) == "ok"  # it stands there already


async def test_old_key_of_a_reaction_gives_its_place(names: Iterator[str]) -> None:
    from tests.support.rooms import key_of_age

    [ann] = await crowd(names, 1)
    room = await new_room(ann)
    seq = await said(room, ann)
    key = key_of_age(hours=7)
    first = await messages.react(ann.pk, room.pk, key, seq, EMOJI[0])
    await store(room.pk)

    again = await messages.react(ann.pk, room.pk, key, seq, EMOJI[0])

    assert (again.event.seq, again.repeat) == (first.event.seq, True)


@pytest.mark.parametrize("place", PLACES)
async def test_event_says_how_many_people_have_the_emoji(
    place: str, names: Iterator[str], log_redis: redis.Redis
) -> None:
    ann, bob, eve = await crowd(names, 3)
    room = await new_room(ann, bob, eve)
    seq = await said(room, ann)
    await react(ann, room, seq, "👍")
    await make_it(place, room, log_redis)
    answer = await messages.react(bob.pk, room.pk, new_key(), seq, "👍")
    await react(bob, room, seq, "👍")
    await react(eve, room, seq, "👍", on=False)
    await react(ann, room, seq, "👍", on=False)

    last = answer.event.seq + 3
    found = await history.events_after(room.pk, last - 4, 4)
    data = [decode_data(event.type, event.data) for event in found]
    assert [one.count for one in data if isinstance(one, Reaction)] == [2, 2, 2, 1]
    assert decode_data(answer.event.type, answer.event.data) == data[0]
    await store(room.pk)
    again = await history.events_after(room.pk, last - 4, 4)
    assert [decode_data(event.type, event.data) for event in again] == data


@pytest.mark.parametrize("seed", range(3))
async def test_page_and_the_events_after_it_are_the_page_of_later(
    seed: int, names: Iterator[str]
) -> None:
    """For a reader who folds as `chat.queries.reactions.changed` and the web client do."""
    dice = random.Random(seed)
    people = await crowd(names, 2 * MAX_NAMED_PEOPLE)
    room = await new_room(*people)
    seq, viewer = await said(room, people[0]), people[-1].pk

    async def some_happen(number: int) -> None:
        for _ in range(number):
            on = dice.random() < 0.75
            await react(dice.choice(people), room, seq, dice.choice(EMOJI[:3]), on)

    async def page() -> history.HistoryPage:
        return await history.messages_before(room.pk, 2**53, 10, viewer)

    await some_happen(40)
    await store(room.pk)
    await some_happen(5)
    early = await page()
    await some_happen(30)
    newer = await history.events_after(room.pk, early.upto, 500)
    [live] = history.fold({seq: early.messages[0]}, newer, 2**53, viewer).values()
    [unstored] = (await page()).messages
    await store(room.pk)
    [fresh] = (await page()).messages

    for shown in (live, unstored):
        assert shown.reaction_counts == fresh.reaction_counts
        assert shown.reactions.keys() == fresh.reactions.keys()
        for emoji, named in shown.reactions.items():
            assert len(named) == len(set(named)) <= fresh.reaction_counts[emoji]
            assert (viewer in named) == (viewer in fresh.reactions[emoji])
            assert len(named) <= MAX_NAMED_PEOPLE + 1


async def old_reactions(room: Room, seqs: Sequence[int], people: Sequence[User]) -> None:
    """Reactions as in a database from before the limits: 2,500 different ones on each message."""
    emoji = [chr(0x1F400 + a) + "\u200d" + chr(0x1F400 + b) for a in range(50) for b in range(50)]
    await StoredReaction.objects.abulk_create(
        StoredReaction(room=room, target=seq, user=user, emoji=one)
        for seq in seqs
        for one in emoji
        for user in people
    )


async def test_page_stays_small_with_thousands_of_old_reactions(names: Iterator[str]) -> None:
    people = await crowd(names, 2)
    room = await new_room(*people)
    seqs = [await said(room, people[0]) for _ in range(12)]
    await store(room.pk)
    await old_reactions(room, seqs, people)

    answer = await Api(people[1]).get(f"rooms/{room.pk}/messages")

    shown = answer.body["messages"]
    assert [message["seq"] for message in shown] == seqs
    assert all(len(message["reactions"]) == LIMIT for message in shown)
    assert all(set(message["reaction_counts"].values()) == {2} for message in shown)
    assert len(str(answer.body)) < len(seqs) * 10_000
    # They stay, and no new one is accepted.
    await out_of_the_log(room)
    assert await react(people[0], room, seqs[0], "🎉") == "too_many"
    [emoji, *_] = shown[0]["reactions"]
    assert await react(people[0], room, seqs[0], emoji, on=False) == "ok"


async def test_reader_is_named_among_many(names: Iterator[str]) -> None:
    people = await crowd(names, MAX_NAMED_PEOPLE + 5)
    room = await new_room(*people)
    seq = await said(room, people[0])
    for user in people:
        await react(user, room, seq, "👍")

    async def named(viewer: User) -> list[int]:
        page = await history.messages_before(room.pk, 2**53, 10, viewer.pk)
        assert page.messages[0].reaction_counts == {"👍": len(people)}
        return page.messages[0].reactions["👍"]

    first = [user.pk for user in people[:MAX_NAMED_PEOPLE]]
    for _ in range(2):
        assert await named(people[0]) == first
        assert await named(people[-1]) == [*first, people[-1].pk]
        await store(room.pk)


async def test_who_reacted_is_told_page_by_page_also_what_is_not_stored(
    names: Iterator[str],
) -> None:
    people = await crowd(names, 9)
    room = await new_room(*people)
    seq = await said(room, people[0])
    for user in people[:7]:
        await react(user, room, seq, "👍")
    await react(people[0], room, seq, "🎉")
    await store(room.pk)
    await react(people[8], room, seq, "👍")
    await react(people[2], room, seq, "👍", on=False)
    expected = [user.pk for user in people if user not in (people[2], people[7])]
    api = Api(people[0])

    found: list[int] = []
    pages = 0
    while True:
        query = f"emoji=👍&limit=3&after={max(found, default=0)}"
        answer = await api.get(f"rooms/{room.pk}/messages/{seq}/reactions?{query}")
        found += answer.body["users"]
        pages += 1
        if not answer.body["more"]:
            break

    assert found == expected
    assert pages <= 4


async def test_who_reacted_is_for_members_and_for_messages_that_stand(
    names: Iterator[str],
) -> None:
    ann, outsider = await crowd(names, 2)
    room = await new_room(ann)
    public = await new_room(ann, kind=RoomKind.PUBLIC)
    seq = await said(room, ann)
    await react(ann, room, seq, "👍")
    path = f"messages/{seq}/reactions?emoji=👍"

    async def status(user: User, of: Room, path: str = path) -> int:
        return (await Api(user).get(f"rooms/{of.pk}/{path}")).status

    assert await status(ann, room) == 200
    assert await status(outsider, room) == 404
    assert await status(outsider, public) == 403
    assert await status(ann, room, f"messages/{seq + 5}/reactions?emoji=👍") == 404
    assert await status(ann, room, f"messages/{seq}/reactions?emoji=word") == 400
    assert await status(ann, room, f"{path}&limit=101") == 400
    await messages.delete_message(ann.pk, room.pk, new_key(), seq)
    assert await status(ann, room) == 404
    await store(room.pk)
    assert await status(ann, room) == 404


async def test_reaction_to_what_is_no_message_is_refused(names: Iterator[str]) -> None:
    ann, outsider = await crowd(names, 2)
    room = await new_room(ann)
    seq = await said(room, ann)

    assert await react(ann, room, seq - 1, "👍") == "not_found"
    assert await react(ann, room, seq + 9, "👍") == "not_found"
    assert await react(outsider, room, seq, "👍") == "not_found"
    await out_of_the_log(room)
    assert await react(ann, room, seq - 1, "👍") == "not_found"
    assert await react(outsider, room, seq, "👍") == "not_found"
    assert await react(ann, room, seq, "👍") == "ok"


async def test_hash_of_reactions_expires(names: Iterator[str], log_redis: redis.Redis) -> None:
    [ann] = await crowd(names, 1)
    room = await new_room(ann)
    seq = await said(room, ann)

    await react(ann, room, seq, "👍")

    shard = shard_of(room.pk, settings.ENV.shards)
    assert 0 < log_redis.pttl(f"{keys.room(shard, room.pk)}:reactions:{seq}") <= 15 * 60 * 1000


async def test_deleted_message_shows_no_reactions_and_a_restored_one_shows_them(
    names: Iterator[str],
) -> None:
    ann, mod = await crowd(names, 2)
    room = await new_room(mod, ann)
    seq = await said(room, ann)
    await react(ann, room, seq, "👍")
    await messages.delete_message(mod.pk, room.pk, new_key(), seq)
    await store(room.pk)

    [deleted] = (await history.messages_before(room.pk, 2**53, 10, ann.pk)).messages
    await Message.objects.filter(room=room, seq=seq).aupdate(deleted_at=None, deleted_by=None)
    [restored] = (await history.messages_before(room.pk, 2**53, 10, ann.pk)).messages

    assert (deleted.reactions, deleted.reaction_counts) == ({}, {})
    assert (restored.reactions, restored.reaction_counts) == ({"👍": [ann.pk]}, {"👍": 1})
    assert await reactions.who_reacted(room.pk, seq, "👍", 0, 10) == reactions.WhoReacted(
        [ann.pk], False
    )


FORMS = [
    ("\U0001f44d", "\U0001f44d\ufe0f"),
    ("\u2764\ufe0f", "\u2764"),
    ("\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f3f3\u200d\U0001f308"),
]


@pytest.mark.parametrize(("form", "other"), FORMS)
async def test_emoji_typed_in_two_ways_is_one_reaction(
    form: str, other: str, names: Iterator[str]
) -> None:
    ann, bob = await crowd(names, 2)
    room = await new_room(ann, bob)
    seq = await said(room, ann)

    await react(ann, room, seq, form)
    await react(bob, room, seq, other)
    await react(bob, room, seq, form)
    both = await Api(ann).get(f"rooms/{room.pk}/messages/{seq}/reactions?emoji={other}")
    stored = await stored_reactions(room, seq)
    await react(ann, room, seq, other, on=False)
    left = await stored_reactions(room, seq)

    assert both.body["users"] == [ann.pk, bob.pk]
    assert stored == [(ann.pk, form), (bob.pk, form)]
    assert left == [(bob.pk, form)]


@pytest.mark.parametrize(
    "text",
    ["+49 170 1234567", "\ufe0f", "\u0301" * 30, "\u202e", "\U0001f1f7", "\u2713", "\U0001f3fd"],
)
async def test_what_is_no_emoji_is_no_reaction(text: str, names: Iterator[str]) -> None:
    [ann] = await crowd(names, 1)
    room = await new_room(ann)
    seq = await said(room, ann)

    assert await react(ann, room, seq, text) == "bad_request"
    assert await react(ann, room, seq, text, on=False) == "bad_request"
    asked = await Api(ann).get(f"rooms/{room.pk}/messages/{seq}/reactions?emoji={quote(text)}")
    assert asked.status == 400


async def test_what_an_older_version_took_is_shown_and_can_be_taken_back(
    names: Iterator[str],
) -> None:
    [ann] = await crowd(names, 1)
    room = await new_room(ann)
    seq = await said(room, ann)
    await store(room.pk)
    await StoredReaction.objects.acreate(room=room, target=seq, user=ann, emoji="\u2713")

    shown = await Api(ann).get(f"rooms/{room.pk}/messages/{seq}/reactions?emoji=\u2713")
    taken_back = await react(ann, room, seq, "\u2713", on=False)

    assert shown.body["users"] == [ann.pk]
    assert taken_back == "ok"
    assert await stored_reactions(room, seq) == []


async def test_migration_brings_stored_reactions_into_one_form(names: Iterator[str]) -> None:
    ann, bob = await crowd(names, 2)
    room = await new_room(ann, bob)
    seq = await said(room, ann)
    await store(room.pk)
    for user, emoji in [(ann, "\u2764\ufe0f"), (ann, "\u2764"), (bob, "\u2764"), (bob, "\u2713")]:
        await StoredReaction.objects.acreate(room=room, target=seq, user=user, emoji=emoji)

    for _ in range(2):
        await sync_to_async(bring_into_one_form)("chat.migrations.0035_reactions_in_one_form")

    assert sorted(await stored_reactions(room, seq)) == [
        (ann.pk, "\u2764\ufe0f"),
        (bob.pk, "\u2713"),
        (bob.pk, "\u2764\ufe0f"),
    ]


async def test_migration_adds_up_what_was_counted_in_two_forms() -> None:
    day = date(2026, 11, 1)
    for emoji, added, removed in [
        ("\u2764\ufe0f", 5, 1),
        ("\u2764", 2, 1),
        ("\U0001f44d\ufe0f", 3, 0),
    ]:
        await EmojiDay.objects.acreate(room=7, day=day, emoji=emoji, added=added, removed=removed)

    for _ in range(2):
        await sync_to_async(bring_into_one_form)("analytics.migrations.0003_emoji_in_one_form")

    rows = EmojiDay.objects.values_list("emoji", "added", "removed")
    assert {row async for row in rows} == {("\u2764\ufe0f", 7, 2), ("\U0001f44d", 3, 0)}


def bring_into_one_form(name: str) -> None:
    with transaction.atomic(), connection.schema_editor() as editor:
        import_module(name).bring_into_one_form(apps, editor)
