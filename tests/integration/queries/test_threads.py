"""Threads: replies are events of the room that raise no count of it, and are counted apart."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import OperationalError

from chat import room_log
from chat.actions import messages, moderation, threads
from chat.errors import ClientError, RefusalReason, Unavailable
from chat.events import EventType, Role, RoomEvent, shard_of
from chat.models import Message, Room, Thread, ThreadFollow, User
from chat.persistence.drain import drain
from chat.protocol import MAX_ID, ThreadSummary
from chat.queries import history, room_list, search
from chat.queries import threads as queries
from chat.room_log.unloading import unload_idle
from chat.verify import Verifier
from tests.support.chat_world import by, code_of, store
from tests.support.dead_letter_world import assert_projections_equal_a_replay, retry, set_apart
from tests.support.moderation_world import WHY
from tests.support.rooms import new_key, new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def reply(
    room: Room, who: User, root: int, body: str = "me too", *, to_room: bool = False
) -> RoomEvent:
    appended = await messages.post_reply(who.pk, room.pk, new_key(), root, body, to_room=to_room)
    return appended.event


async def three_people() -> tuple[User, User, User, Room, int]:
    """Ann, who owns a room and has said something in it; Bob, a moderator; Eve; its seq."""
    ann, bob, eve = [await new_person(name) for name in ("ann", "bob", "eve")]
    room = await new_room(ann, bob, eve)
    await moderation.set_role(by(ann), room.pk, bob.pk, Role.MODERATOR)
    return ann, bob, eve, room, (await post(room, ann, "Lunch?")).event.seq


async def forget(room: Room) -> None:
    """From now on only PostgreSQL knows the room's messages."""
    await store(room.pk)
    await sync_to_async(unload_idle)(shard_of(room.pk, settings.ENV.shards), -60_000)


async def page_of(
    room: Room, root: int, viewer: User, before: int = MAX_ID, limit: int = 50
) -> history.ThreadPage:
    return await history.replies_before(room.pk, root, before, limit, viewer.pk)


async def relation(user: User, room: Room, root: int) -> tuple[bool | None, int] | None:
    found = ThreadFollow.objects.filter(user=user, room=room, root=root)
    return await found.values_list("following", "read_seq").afirst()


def refuse(*_: Any) -> Any:
    raise OperationalError


# --- the event ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["log", "PostgreSQL"])
async def test_reply_has_a_place_in_the_room_but_no_number(where: str) -> None:
    ann, bob, _, room, root = await three_people()
    if where == "PostgreSQL":
        await forget(room)

    event = await reply(room, bob, root)
    shown = await reply(room, bob, root, "everybody, look", to_room=True)

    assert (event.seq, event.n, shown.seq, shown.n) == (root + 1, 1, root + 2, 2)
    assert event.type is EventType.REPLY_POSTED
    told = [bytes(one.data) for one in (event, shown)]
    assert all(b'"root_author":%d' % ann.pk in data for data in told)
    assert [bytes(one.data) for one in await history.events_after(room.pk, root, 10)] == told


async def test_same_key_gives_the_same_reply_and_another_body_is_refused() -> None:
    _, bob, _, room, root = await three_people()
    key = new_key()

    first = await messages.post_reply(bob.pk, room.pk, key, root, "once")
    again = await messages.post_reply(bob.pk, room.pk, key, root, "once")

    assert (again.event.seq, again.repeat) == (first.event.seq, True)
    other = messages.post_reply(bob.pk, room.pk, key, root, "twice")
    assert await code_of(other) == "key_conflict"


@pytest.mark.parametrize("where", ["log", "PostgreSQL"])
async def test_thread_begins_only_at_a_message_of_the_room(where: str) -> None:
    _, bob, _, room, root = await three_people()
    inner = await reply(room, bob, root)
    shown = await reply(room, bob, root, to_room=True)
    gone = (await post(room, bob, "never mind")).event.seq
    await messages.delete_message(bob.pk, room.pk, new_key(), gone)
    if where == "PostgreSQL":
        await forget(room)

    for place in (1, inner.seq, shown.seq, 10_000):
        assert await code_of(reply(room, bob, place)) == "not_found"
    with pytest.raises(ClientError) as refused:
        await reply(room, bob, gone)
    assert (refused.value.code, refused.value.reason) == ("not_found", RefusalReason.DELETED)


async def test_whoever_may_not_post_may_not_reply() -> None:
    ann, bob, eve, room, root = await three_people()
    stranger = await new_person("stranger")

    assert await code_of(reply(room, stranger, root)) == "not_found"
    await moderation.mute_member(by(ann), room.pk, eve.pk, 60, WHY)
    assert await code_of(reply(room, eve, root)) == "muted"
    await moderation.remove_member(by(ann), room.pk, eve.pk, WHY)
    assert await code_of(reply(room, eve, root)) == "not_found"
    await moderation.archive_room(by(ann), room.pk, True)
    assert await code_of(reply(room, bob, root)) == "archived"
    assert [one.seq for one in (await page_of(room, root, bob)).messages] == []


async def test_slow_mode_counts_replies_as_posts() -> None:
    ann, _, eve, room, root = await three_people()
    await moderation.set_slow_mode(by(ann), room.pk, 60)

    await reply(room, eve, root)

    assert await code_of(reply(room, eve, root)) == "rate_limited"
    assert await code_of(messages.post_message(eve.pk, room.pk, new_key(), "hello")) == (
        "rate_limited"
    )


async def test_reply_quotes_what_its_own_readers_can_see() -> None:
    ann, bob, _, room, root = await three_people()
    inner = await reply(room, bob, root)
    elsewhere = (await post(room, ann, "another thing")).event.seq

    async def quote(seq: int) -> str:
        return await code_of(
            messages.post_reply(bob.pk, room.pk, new_key(), root, "that", reply_to=seq)
        )

    for seq in (root, inner.seq):
        await messages.post_reply(bob.pk, room.pk, new_key(), root, "that", reply_to=seq)
    assert await quote(elsewhere) == "not_found"
    said = messages.post_message(bob.pk, room.pk, new_key(), "that", reply_to=inner.seq)
    assert await code_of(said) == "not_found"


@pytest.mark.parametrize("where", ["log", "PostgreSQL"])
async def test_log_says_how_a_deletion_changes_the_thread(where: str) -> None:
    ann, bob, eve, room, root = await three_people()
    inner = await reply(room, eve, root)
    shown = await reply(room, eve, root, to_room=True)
    if where == "PostgreSQL":
        await forget(room)

    await moderation.delete_message(by(bob), room.pk, inner.seq, WHY)
    await store(room.pk)
    await moderation.restore_message(by(bob), room.pk, inner.seq)
    await moderation.delete_message(by(bob), room.pk, inner.seq, WHY)
    await messages.delete_message(eve.pk, room.pk, new_key(), inner.seq)
    await messages.delete_message(eve.pk, room.pk, new_key(), shown.seq)
    await messages.delete_message(ann.pk, room.pk, new_key(), root)

    past = await history.events_after(room.pk, shown.seq, 10)
    inside = {"target": inner.seq, "thread": root, "in_room": False}
    assert [msgspec.json.decode(one.data) for one in past] == [
        {**inside, "replies": -1},
        {**inside, "replies": 1},
        {**inside, "replies": -1},
        {**inside, "replies": 0},
        {"target": shown.seq, "thread": root, "in_room": True, "replies": -1},
        {"target": root},
    ]
    await store(room.pk)
    thread = await Thread.objects.aget(room=room, root=root)
    assert (thread.replies, thread.people) == (0, 1)
    await assert_projections_equal_a_replay(room)


# --- what is stored -----------------------------------------------------------------------------


async def test_thread_counts_standing_replies_people_and_the_last() -> None:
    ann, bob, eve, room, root = await three_people()
    first = await reply(room, bob, root)
    await store(room.pk)
    await reply(room, eve, root)
    await reply(room, bob, root)
    last = await reply(room, ann, root, to_room=True)
    await messages.delete_message(bob.pk, room.pk, new_key(), first.seq)
    await store(room.pk)

    thread = await Thread.objects.aget(room=room)

    assert (thread.root, thread.replies, thread.people) == (root, 3, 3)
    assert (thread.first_people, thread.last_seq) == ([bob.pk, eve.pk, ann.pk], last.seq)
    numbers = Message.objects.filter(room=room).order_by("seq").values_list("n", "thread")
    assert [row async for row in numbers] == [
        (1, None),
        (None, root),
        (None, root),
        (None, root),
        (2, root),
    ]
    verifier = Verifier(settings.ENV.shards, None, since=None, pause=lambda: None)
    assert (await sync_to_async(verifier.verify)([room.pk])).findings == []


async def test_wrong_thread_is_found_by_verification() -> None:
    _, bob, _, room, root = await three_people()
    await reply(room, bob, root)
    await store(room.pk)
    await Thread.objects.filter(room=room).aupdate(replies=7)

    verifier = Verifier(settings.ENV.shards, None, since=None, pause=lambda: None)
    findings = (await sync_to_async(verifier.verify)([room.pk])).findings

    assert [(one.seq, one.what, one.expected, one.found) for one in findings] == [
        (root, "thread replies", "1", "7")
    ]


@pytest.mark.parametrize("which", ["reply", "root", "deletion"])
async def test_event_that_comes_late_leaves_the_thread_as_it_should_be(which: str) -> None:
    _, bob, eve, room, root = await three_people()
    lost = await reply(room, bob, root, "lost and found")
    await reply(room, eve, root)
    await messages.delete_message(bob.pk, room.pk, new_key(), lost.seq)
    deletion = lost.seq + 2
    seq = {"reply": lost.seq, "root": root, "deletion": deletion}[which]
    [letter] = await set_apart(room, seq)

    await retry(letter)

    assert (await Thread.objects.aget(room=room)).replies == 1
    await assert_projections_equal_a_replay(room)


async def test_room_counts_and_pages_go_on_as_if_there_were_no_replies() -> None:
    ann, bob, eve, room, root = await three_people()
    for stored in (True, False):
        inner = await reply(room, bob, root)
        await messages.delete_message(bob.pk, room.pk, new_key(), inner.seq)
        await reply(room, eve, root)
        if stored:
            await store(room.pk)

        [info] = await room_list.rooms_of(eve.pk)
        assert (info.n, info.n - info.read_n) == (1, 1)
        page = await history.messages_before(room.pk, MAX_ID, 50, ann.pk)
        assert [one.seq for one in page.messages] == [root]
        assert not page.more
        assert page.upto == info.head


# --- pages --------------------------------------------------------------------------------------


async def test_page_of_a_thread_is_the_same_before_and_after_it_is_stored() -> None:
    ann, bob, eve, room, root = await three_people()
    seqs = [(await reply(room, who, root, f"reply {who}")).seq for who in (bob, eve, ann) * 3]
    await messages.react(ann.pk, room.pk, new_key(), seqs[1], "👍", True)
    await messages.edit_message(bob.pk, room.pk, new_key(), seqs[0], "in other words")
    await moderation.delete_message(by(bob), room.pk, seqs[4], WHY)

    fresh = await page_of(room, root, ann)
    part = await page_of(room, root, ann, before=seqs[5], limit=3)
    await forget(room)
    stored = await page_of(room, root, ann)

    assert fresh == stored
    assert await page_of(room, root, ann, before=seqs[5], limit=3) == part
    assert [one.seq for one in fresh.messages] == seqs
    assert [one.seq for one in part.messages] == seqs[2:5]
    assert part.more
    assert fresh.root is not None
    assert fresh.root.body == "Lunch?"
    assert {one.n for one in fresh.messages} == {0}


async def test_half_stored_thread_is_read_as_one_and_so_is_its_summary() -> None:
    ann, bob, eve, room, root = await three_people()
    first = await reply(room, bob, root)
    await store(room.pk)
    second = await reply(room, eve, root)
    await messages.delete_message(bob.pk, room.pk, new_key(), first.seq)

    page = await page_of(room, root, ann)
    [shown] = (await history.messages_before(room.pk, MAX_ID, 50, ann.pk)).messages

    assert [(one.seq, one.deleted) for one in page.messages] == [
        (first.seq, True),
        (second.seq, False),
    ]
    assert page.root == shown
    summary = shown.replies
    assert isinstance(summary, ThreadSummary)
    assert (summary.replies, summary.people, summary.last_seq) == (1, 2, second.seq)
    await store(room.pk)
    assert (await history.messages_before(room.pk, MAX_ID, 50, ann.pk)).messages == [shown]


async def test_thread_in_the_hot_tail_is_read_while_postgresql_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, bob, _, room, root = await three_people()
    inner = await reply(room, bob, root)
    await store(room.pk)
    expected = await page_of(room, root, bob)
    monkeypatch.setattr(history, "_read_page", refuse)

    assert await page_of(room, root, bob) == expected
    assert [one.seq for one in expected.messages] == [inner.seq]
    await forget(room)
    with pytest.raises(Unavailable):
        await page_of(room, root, bob)


async def test_stored_thread_is_read_while_the_log_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, bob, _, room, root = await three_people()
    inner = await reply(room, bob, root)
    await store(room.pk)

    async def down(*_: Any) -> Any:
        raise Unavailable("The log is down.")

    for name in ("hot_events", "hot_events_up_to", "hot_part", "room_states"):
        monkeypatch.setattr(room_log, name, down)

    page = await page_of(room, root, bob, before=inner.seq + 1)

    assert [one.seq for one in page.messages] == [inner.seq]


@pytest.mark.parametrize("seed", range(3))
async def test_page_and_later_events_are_the_page_of_later(seed: int) -> None:
    dice = random.Random(seed)
    people = [await new_person(f"person{number}") for number in range(3)]
    room = await new_room(*people)
    await moderation.set_role(by(people[0]), room.pk, people[1].pk, Role.MODERATOR)
    root = (await post(room, people[0], "root")).event.seq
    seqs = [(await reply(room, people[0], root)).seq]

    async def something_happens() -> None:
        who, seq, what = dice.choice(people), dice.choice(seqs), dice.random()
        if what < 0.2:
            await messages.edit_message(who.pk, room.pk, new_key(), seq, f"text {dice.random()}")
        elif what < 0.5:
            await messages.delete_message(who.pk, room.pk, new_key(), seq)
        elif what < 0.6:
            await messages.react(who.pk, room.pk, new_key(), seq, "👍", dice.random() < 0.7)
        else:
            seqs.append((await reply(room, who, root, to_room=dice.random() < 0.3)).seq)

    for _ in range(3):
        early = await page_of(room, root, people[0])
        for _ in range(12):
            with contextlib.suppress(ClientError):  # nothing happens to what is deleted
                await something_happens()
        if dice.random() < 0.5:
            await store(room.pk)
        newer = await history.events_after(room.pk, early.upto, 500)
        known = {one.seq: one for one in early.messages}
        assert early.root is not None
        known[root] = early.root
        folded = history.fold(known, newer, MAX_ID, people[0].pk, root)
        folded = queries.count_replies(folded, newer)
        fresh = await page_of(room, root, people[0])

        assert folded.pop(root) == fresh.root
        assert [folded[seq] for seq in sorted(folded)] == fresh.messages


async def test_past_replies_come_without_texts_that_were_deleted_or_replaced() -> None:
    _, bob, eve, room, root = await three_people()
    gone = await reply(room, bob, root, "secret")
    changed = await reply(room, eve, root, "secret")
    await messages.delete_message(bob.pk, room.pk, new_key(), gone.seq)
    await messages.edit_message(eve.pk, room.pk, new_key(), changed.seq, "public")

    for _ in ("log", "PostgreSQL"):
        past = await history.events_after(room.pk, root, 10)
        assert b"secret" not in b"".join(bytes(one.data) for one in past)
        assert [one.redacted for one in past[:2]] == [True, True]
        await forget(room)


async def test_reply_is_found_by_search_with_its_thread() -> None:
    _, bob, eve, room, root = await three_people()
    inner = await reply(room, bob, root, "pelmeni at noon")
    await store(room.pk)

    [found] = (await search.search(eve.pk, "pelmeni", None, 10)).found

    assert (found.seq, found.thread) == (inner.seq, root)


async def test_missing_thread_and_one_that_nobody_began_have_different_answers() -> None:
    ann, bob, _, room, root = await three_people()
    inner = await reply(room, bob, root)
    empty = (await post(room, ann, "silence")).event.seq

    for _ in ("log", "PostgreSQL"):
        page = await page_of(room, empty, bob)
        assert (page.messages, page.more) == ([], False)
        assert page.root is not None
        assert page.root.seq == empty
        for seq in (1, inner.seq, 999):
            assert await code_of(page_of(room, seq, bob)) == "not_found"
        await forget(room)


# --- who follows --------------------------------------------------------------------------------


async def test_author_of_the_root_and_who_replies_follow() -> None:
    ann, bob, eve, room, root = await three_people()
    first = await reply(room, bob, root)
    own = await reply(room, ann, root)
    await store(room.pk)

    assert await relation(bob, room, root) == (True, first.seq)
    assert await relation(ann, room, root) == (True, own.seq)
    assert await relation(eve, room, root) is None
    [thread] = (await queries.followed(bob.pk, 10)).threads
    assert (thread.root, thread.unread, thread.body) == (root, 1, "Lunch?")
    assert (await queries.followed(eve.pk, 10)).threads == []


async def test_muted_thread_stays_muted_whatever_one_writes() -> None:
    ann, bob, _, room, root = await three_people()
    await reply(room, bob, root)
    await store(room.pk)

    assert (await threads.follow(ann.pk, room.pk, root, False)).following is False
    await reply(room, ann, root)
    await store(room.pk)

    assert (await queries.followed(ann.pk, 10)).threads == []
    told = await threads.follow(ann.pk, room.pk, root, True)
    assert (told.following, told.read) == (True, root)


async def test_unread_are_standing_replies_of_others_after_the_marker() -> None:
    ann, bob, eve, room, root = await three_people()
    first = await reply(room, bob, root)
    await reply(room, ann, root)
    gone = await reply(room, eve, root)
    await reply(room, eve, root)
    await messages.delete_message(eve.pk, room.pk, new_key(), gone.seq)
    await threads.mark_read(ann.pk, room.pk, root, first.seq)  # before anything is stored
    await store(room.pk)

    assert await relation(ann, room, root) == (True, first.seq)
    [thread] = (await queries.followed(ann.pk, 10)).threads
    assert (thread.unread, thread.read) == (1, first.seq)
    await threads.mark_read(ann.pk, room.pk, root, MAX_ID)
    await threads.mark_read(ann.pk, room.pk, root, first.seq)  # a marker never goes back
    [thread] = (await queries.followed(ann.pk, 10)).threads
    assert (thread.unread, thread.read) == (0, gone.seq + 2)


async def test_followed_threads_come_in_pages_with_the_unread_ones_first() -> None:
    ann, bob, _, room, _ = await three_people()
    roots = [(await post(room, ann, f"question {number}")).event.seq for number in range(9)]
    last = [await reply(room, bob, root) for root in roots]
    await store(room.pk)
    for number in (3, 8):
        await threads.mark_read(ann.pk, room.pk, roots[number], last[number].seq)

    found: list[int] = []
    cursor: str | None = None
    for _ in range(5):
        page = await queries.followed(ann.pk, 2, cursor)
        found += [one.root for one in page.threads]
        assert page.unread == 7
        cursor = page.next

    unread = [roots[number] for number in (7, 6, 5, 4, 2, 1, 0)]
    assert (found, cursor) == ([*unread, roots[8], roots[3]], None)
    assert await code_of(queries.followed(ann.pk, 2, "nonsense")) == "bad_request"


async def test_whoever_is_removed_sees_none_of_the_threads() -> None:
    ann, bob, eve, room, root = await three_people()
    await reply(room, eve, root)
    await reply(room, bob, root)
    await store(room.pk)

    await moderation.remove_member(by(ann), room.pk, eve.pk, WHY)  # known to the log only

    assert (await queries.followed(eve.pk, 10)).threads == []
    await store(room.pk)
    assert (await queries.followed(eve.pk, 10)).threads == []


async def test_deleted_root_is_listed_without_its_text_at_once() -> None:
    ann, bob, _, room, root = await three_people()
    await reply(room, bob, root)
    await store(room.pk)
    await messages.delete_message(ann.pk, room.pk, new_key(), root)

    for _ in ("log", "PostgreSQL"):
        [thread] = (await queries.followed(bob.pk, 10)).threads
        assert thread.body == ""
        page = await page_of(room, root, bob)
        assert page.root is not None
        assert page.root.deleted
        assert len(page.messages) == 1
        await store(room.pk)


async def test_only_what_may_be_the_root_of_a_thread_is_followed() -> None:
    _, bob, _, room, root = await three_people()
    inner = await reply(room, bob, root)

    for _ in ("log", "PostgreSQL"):
        for seq in (1, inner.seq, 999):
            assert await code_of(threads.follow(bob.pk, room.pk, seq, True)) == "not_found"
            assert await code_of(threads.mark_read(bob.pk, room.pk, seq, 5)) == "not_found"
        await forget(room)


async def test_long_thread_is_paged_by_its_index() -> None:
    ann, bob, _, room, root = await three_people()
    await reply(room, bob, root)
    await store(room.pk)

    def fill() -> None:
        Message.objects.bulk_create(
            Message(room=room, seq=1000 + i, author=ann, at=room.created_at, body="x", thread=root)
            for i in range(5_000)
        )
        drain(shard_of(room.pk, settings.ENV.shards))

    await sync_to_async(fill)()

    def plans() -> list[str]:
        replies = Message.objects.filter(room=room, thread=root, seq__lt=4000).order_by("-seq")
        shown = Message.objects.filter(room=room, seq__lt=9999).exclude(n=None).order_by("-seq")
        return [query[:50].explain() for query in (replies, shown)]

    by_thread, by_room = await sync_to_async(plans)()
    assert "reply_of_thread" in by_thread
    assert "Sort" not in by_thread
    assert "shown_message" in by_room
