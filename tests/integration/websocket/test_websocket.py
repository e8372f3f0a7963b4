"""People on real connections to a real web process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chat.accounts import revocation, tickets
from chat.actions import moderation, rooms
from chat.events import RoomKind, shard_of
from chat.hints import to_hubs
from chat.models import ReadMarker, Room, User
from chat.room_log import epochs
from localstack.web_process import WebProcess
from tests.support.chat_world import by, log_of, store
from tests.support.moderation_world import WHY
from tests.support.rooms import key_of_age, new_key, new_person, new_room, post
from tests.support.web_process import ChatClient, session_cookie, web_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with (
        django_db_blocker.unblock(),
        web_process(log, SENDS_BURST="300", HEARTBEAT_SECONDS="1", UNSEEN_BYTES="65536") as process,
    ):
        yield process


async def two_people() -> tuple[User, User, int]:
    """Two people in a room of three events, stored."""
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await new_room(anna, boris)
    await store(room.pk)
    return anna, boris, room.pk


def bodies(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["body"] for event in events if event["type"] == "message.posted"]


# Talking


async def test_message_is_acknowledged_and_reaches_everybody(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris) as b,
    ):
        ok = await a.post(room, "Привет")
        [seen_by_anna] = await a.events_until(room, ok["seq"])
        [seen_by_boris] = await b.events_until(room, ok["seq"])

    assert (ok["t"], ok["seq"], ok["n"]) == ("ok", 4, 1)
    assert seen_by_anna == seen_by_boris
    assert seen_by_boris["data"]["body"] == "Привет"
    assert [info["id"] for info in a.welcome["rooms"]] == [room]


async def test_message_of_another_process_arrives_live(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    async with await ChatClient.hello(server, boris) as b:
        await b.pong()
        posted = await post(await Room.objects.aget(pk=room), anna, "from elsewhere")

        events = await b.events_until(room, posted.event.seq)

    assert bodies(events) == ["from elsewhere"]


async def test_sends_of_one_connection_are_logged_in_their_order(server: WebProcess) -> None:
    anna, _, room = await two_people()
    keys = [key_of_age(hours=7) if index % 10 == 5 else new_key() for index in range(60)]
    async with await ChatClient.hello(server, anna) as a:
        for index, key in enumerate(keys):
            await a.send(t="send", id=f"m{index}", room=room, key=key, body=str(index))
        answers = [await a.answer_to(f"m{index}") for index in range(60)]
        events = await a.events_until(room, 63)

    assert [answer["seq"] for answer in answers] == list(range(4, 64))
    assert bodies(events) == [str(index) for index in range(60)]


async def test_repeat_gets_the_same_place_and_another_body_is_refused(server: WebProcess) -> None:
    anna, _, room = await two_people()
    key = new_key()
    async with await ChatClient.hello(server, anna) as a:
        first = await a.post(room, "once", key)
        again = await a.post(room, "once", key)
        other = await a.post(room, "twice", key)

    assert {**again, "id": first["id"]} == first
    assert (other["t"], other["code"]) == ("error", "key_conflict")
    assert len(await log_of(room)) == 4


async def test_edit_delete_and_reaction_arrive_as_events(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris) as b,
    ):
        target = (await a.post(room, "first"))["seq"]
        await a.ask(t="edit", room=room, key=new_key(), target=target, body="second")
        await b.ask(t="react", room=room, key=new_key(), target=target, emoji="👍")
        await b.ask(t="react", room=room, key=new_key(), target=target, emoji="👍", on=False)
        await a.ask(t="delete", room=room, key=new_key(), target=target)
        forbidden = await b.ask(t="edit", room=room, key=new_key(), target=target, body="mine")
        events = await b.events_until(room, target + 4)

    assert [event["type"] for event in events] == [
        "message.posted",
        "message.edited",
        "reaction.added",
        "reaction.removed",
        "message.deleted",
    ]
    assert forbidden["code"] == "forbidden"


# Coming back


async def test_resuming_client_gets_exactly_what_it_missed(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        await a.post(room, "before")
        for index in range(5):
            await a.post(room, f"missed {index}")
        await store(room)
        async with await ChatClient.hello(server, boris, {room: (1, 4)}) as b:
            await b.events_until(room, 9)
            await a.post(room, "after")
            events = await b.events_until(room, 10)

    assert [event["seq"] for event in events] == [5, 6, 7, 8, 9, 10]
    assert bodies(events) == [*(f"missed {index}" for index in range(5)), "after"]


async def test_long_absence_is_caught_up_at_the_clients_pace(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    row = await Room.objects.aget(pk=room)
    await asyncio.gather(*(post(row, anna, "x" * 1_000) for _ in range(400)))
    await store(room)

    async with await ChatClient.hello(server, boris, {room: (1, 0)}, confirm=False) as b:
        while not b.events:
            b.frames.append(await b._next())
        await b.pong()
        assert len(b.events[room]) < 403  # 64 KiB may be unconfirmed in this test

        b.confirm = True
        await b.send(t="seen", f=max(f["f"] for f in b.frames if f["t"] == "events"))
        events = await b.events_until(room, 403)

    assert [event["seq"] for event in events] == list(range(1, 404))


async def test_position_of_the_future_or_of_another_epoch_is_reset(server: WebProcess) -> None:
    _, boris, room = await two_people()

    for position in ((1, 99), (7, 2)):
        async with await ChatClient.hello(server, boris, {room: position}) as b:
            assert await b.receive("reset") == {"t": "reset", "room": room, "epoch": 1, "head": 3}


async def test_sync_and_history_answer_from_the_log_and_from_postgresql(server: WebProcess) -> None:
    anna, _, room = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        for index in range(6):
            await a.post(room, f"m{index}")
            if index == 2:
                await store(room)
        batch = await a.ask(t="sync", room=room, after=5, limit=3)
        past_the_end = await a.ask(t="sync", room=room, after=999)
        page = await a.ask(t="history", room=room, before=9, limit=3)
        first = await a.ask(t="history", room=room, before=5)

    assert ([event["seq"] for event in batch["events"]], batch["head"]) == ([6, 7, 8], 9)
    assert past_the_end["events"] == []
    assert [message["body"] for message in page["messages"]] == ["m2", "m3", "m4"]
    assert (page["more"], page["upto"]) == (True, 9)
    assert (first["more"], [message["seq"] for message in first["messages"]]) == (False, [4])


async def test_largest_history_page_fits_into_one_message(server: WebProcess) -> None:
    anna, _, room = await two_people()
    row = await Room.objects.aget(pk=room)
    await asyncio.gather(*(post(row, anna, "я" * 8_000) for _ in range(100)))
    await store(room)

    async with await ChatClient.hello(server, anna) as a:
        page = await a.ask(t="history", room=room, before=104, limit=100)

    assert page["more"]
    assert 1 <= len(page["messages"]) < 100
    assert page["messages"][-1]["seq"] == 103


async def test_lost_hint_is_noticed_in_a_quiet_room(
    server: WebProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, boris, room = await two_people()
    monkeypatch.setattr(to_hubs.Publisher, "events", lambda self, events: None)
    async with await ChatClient.hello(server, boris) as b:
        for _ in range(2):
            # By then the hub has taken its second look at a room that it has only just joined.
            await b.receive("heads")
        posted = await post(await Room.objects.aget(pk=room), anna, "nobody was told")

        events = await b.events_until(room, posted.event.seq)
        heads = await b.receive("heads", rooms={str(room): [1, posted.event.seq]})

    assert bodies(events) == ["nobody was told"]
    assert heads


async def test_lost_log_is_reported_to_its_readers_and_the_room_goes_on(
    server: WebProcess, log_redis: redis.Redis
) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris) as b,
    ):
        await a.post(room, "stored")
        await store(room)
        await a.post(room, "lost with the log")
        await b.events_until(room, 5)

        log_redis.flushall()
        await sync_to_async(epochs.establish)(shard_of(room, settings.ENV.shards))
        reset = await b.receive("reset")
        b.events.clear()
        ok = await a.post(room, "after the loss")
        events = await b.events_until(room, ok["seq"])

    assert reset == {"t": "reset", "room": room, "epoch": ok["epoch"], "head": 4}
    assert (ok["epoch"] > 1, ok["seq"]) == (True, 5)
    assert bodies(events) == ["after the loss"]


async def test_lost_reset_of_a_quiet_room_is_made_good_by_the_next_heartbeat(
    server: WebProcess, log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, boris, room = await two_people()
    await store(room)
    async with await ChatClient.hello(server, boris) as b:
        monkeypatch.setattr(to_hubs, "publish_blocking", lambda *_: None)
        log_redis.flushall()
        await sync_to_async(epochs.establish)(shard_of(room, settings.ENV.shards))

        reset = await b.receive("reset")
        heads = await b.receive("heads", rooms={str(room): [reset["epoch"], 3]})
        ok = await post(await Room.objects.aget(pk=room), anna, "after the loss")

    assert (reset["room"], reset["epoch"] > 1, reset["head"]) == (room, True, 3)
    assert heads
    assert (ok.event.epoch, ok.event.seq) == (reset["epoch"], 4)


# Who is in a room


async def test_entering_a_room_while_connected_gives_the_room_and_its_events(
    server: WebProcess,
) -> None:
    anna, _, room = await two_people()
    clara = await new_person("clara")
    async with (
        await ChatClient.hello(server, clara) as c,
        await ChatClient.hello(server, anna) as a,
    ):
        assert room not in {one["id"] for one in c.welcome["rooms"]}
        await rooms.invite(anna.pk, room, clara.pk)
        entered = await c.receive("room")
        ok = await a.post(room, "welcome")
        events = await c.events_until(room, ok["seq"])

    assert (entered["room"]["id"], entered["room"]["head"]) == (room, 4)
    assert bodies(events) == ["welcome"]


@pytest.mark.parametrize(
    ("kind", "code"), [(RoomKind.PUBLIC, "not_member"), (RoomKind.PRIVATE, "not_found")]
)
async def test_somebody_outside_is_told_the_same_whether_they_read_or_write(
    server: WebProcess, kind: RoomKind, code: str
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = (await new_room(anna, kind=kind)).pk
    await store(room)
    async with await ChatClient.hello(server, boris) as b:
        answers = [
            await b.post(room, "hello"),
            await b.ask(t="sync", room=room, after=0),
            await b.ask(t="history", room=room, before=9),
        ]

    assert [answer.get("code") for answer in answers] == [code] * 3


async def test_room_that_one_entered_is_given_although_no_hint_said_so(
    server: WebProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, _, room = await two_people()
    clara = await new_person("clara")
    monkeypatch.setattr(to_hubs.Publisher, "events", lambda self, events: None)
    monkeypatch.setattr(to_hubs.Publisher, "to_hubs", lambda self, message: None)
    async with await ChatClient.hello(server, clara) as c:
        await rooms.invite(anna.pk, room, clara.pk)
        await store(room)

        entered = await c.receive("room")

    assert entered["room"]["id"] == room


async def test_removed_person_gets_the_removal_and_nothing_more(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris) as b,
    ):
        await moderation.remove_member(by(anna), room, boris.pk, WHY)
        removal = (await b.events_until(room, 4))[-1]
        await a.post(room, "behind his back")
        refused = await b.post(room, "let me in")
        sync = await b.ask(t="sync", room=room, after=0)
        history = await b.ask(t="history", room=room, before=9)
        await b.pong()

    assert (removal["type"], removal["data"]["user"]) == ("member.removed", boris.pk)
    assert [event["seq"] for event in b.events[room]] == [4]
    assert refused["code"] in {"not_member", "not_found"}
    assert (sync["code"], history["code"]) == ("not_found", "not_found")
    assert len(await log_of(room)) == 5


async def test_signing_out_elsewhere_closes_the_connection(server: WebProcess) -> None:
    anna, boris, _ = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris) as b,
    ):
        await sync_to_async(revocation.announce)(anna.pk, None)

        assert await a.close_code() == 4403
        assert await b.pong()


async def test_ended_session_is_noticed_without_any_hint(server: WebProcess) -> None:
    anna, boris, _ = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        await Session.objects.all().adelete()
        async with await ChatClient.hello(server, boris) as b:
            assert await a.close_code() == 4403
            assert await b.pong()


async def test_deactivated_person_is_closed_and_cannot_come_back(server: WebProcess) -> None:
    anna, _, _ = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        anna.is_active = False
        await anna.asave()

        assert await a.close_code() == 4403
    async with await ChatClient.open(server, anna) as again:
        assert await again.close_code() == 4401


# Presence, typing, reading, storing


async def test_people_see_each_other_come_type_and_go(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        await a.pong()
        async with await ChatClient.hello(server, boris) as b:
            snapshot = await b.receive("presence", full=True)
            came = await a.wait_for(lambda frame: boris.pk in frame.get("online", ()))
            await b.send(t="typing", room=room)
            await b.send(t="typing", room=room)
            typing = await a.receive("typing")
        went = await a.wait_for(lambda frame: boris.pk in frame.get("offline", ()))
        await a.pong()

    assert sorted(snapshot["online"]) == sorted([anna.pk, boris.pk])
    assert came["room"] == went["room"] == room
    assert (typing["room"], typing["user"]) == (room, boris.pk)
    assert not [frame for frame in a.frames if frame["t"] == "typing"]


async def test_typing_alone_is_not_published(server: WebProcess) -> None:
    anna, _, room = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        await a.send(t="typing", room=room)
        await a.pong()

    assert [frame for frame in a.frames if frame["t"] in {"typing", "presence"}] == []


async def test_read_marker_moves_forward_only_and_not_past_the_head(server: WebProcess) -> None:
    anna, _, room = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        await a.post(room, "one")
        for seq in (2, 4, 1, 999):
            await a.send(t="read", room=room, seq=seq)
        await a.pong()
        async with asyncio.timeout(10):
            while await ReadMarker.objects.filter(user=anna, room=room, seq__gte=4).acount() == 0:
                await a.receive("heads")
        await a.send(t="read", room=room, seq=1)
    async with await ChatClient.hello(server, anna) as a:
        [info] = a.welcome["rooms"]

    assert (info["read"], info["head"]) == (4, 4)


async def test_sender_learns_that_the_message_is_stored(server: WebProcess) -> None:
    anna, _, room = await two_people()
    async with await ChatClient.hello(server, anna) as a:
        ok = await a.post(room, "keep this")
        await store(room)

        stored = await a.receive("stored")

    assert stored["rooms"] == {str(room): ok["seq"]}


# Handshake


async def test_program_connects_once_with_a_ticket_and_without_origin(server: WebProcess) -> None:
    anna, _, _ = await two_people()
    token = await sync_to_async(anna.api_tokens.create)(name="bot", prefix="x", digest="y")
    ticket = await tickets.issue(anna.pk, revocation.token_grant(token.pk))
    offer = ("veche.v1", f"ticket.{ticket}")

    async with await ChatClient.open(server, origin=None, subprotocols=offer) as program:
        assert program.connection.subprotocol == "veche.v1"
        await program.send(t="hello", rooms={})
        assert (await program.receive("welcome"))["user"]["id"] == anna.pk
        async with await ChatClient.open(server, origin=None, subprotocols=offer) as again:
            assert await again.close_code() == 4401


@pytest.mark.parametrize(
    "options",
    [
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"subprotocols": ("chat",)},
        {"subprotocols": ()},
    ],
)
async def test_handshake_that_is_not_ours_is_refused(
    server: WebProcess, options: dict[str, Any]
) -> None:
    anna, _, _ = await two_people()

    with pytest.raises(InvalidStatus) as caught:
        await ChatClient.open(server, anna, **options)

    assert caught.value.response.status_code == 403


async def test_stranger_is_told_that_nobody_is_signed_in(server: WebProcess) -> None:
    async with await ChatClient.open(server) as nobody:
        assert await nobody.close_code() == 4401


async def test_who_signed_up_while_the_log_was_away_enters_general_on_the_first_connection(
    server: WebProcess,
) -> None:
    newcomer = await new_person("newcomer")

    async with await ChatClient.hello(server, newcomer) as n:
        [general] = n.welcome["rooms"]
    await store(general["id"])
    await rooms.leave_room(newcomer.pk, general["id"], new_key())
    async with await ChatClient.hello(server, newcomer) as n:
        after_leaving = n.welcome["rooms"]

    assert general["slug"] == "general"
    assert after_leaving == []


# Limits


async def test_reader_that_confirms_nothing_is_closed_and_can_come_back(
    server: WebProcess,
) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris, confirm=False) as slow,
    ):
        ending = asyncio.create_task(slow.close_code())
        while not ending.done():  # how many it takes depends on how they share frames
            head = (await a.post(room, "x" * 8_000))["seq"]
        assert await ending == 4408
        assert await a.pong()
    last = slow.events[room][-1]["seq"]
    async with await ChatClient.hello(server, boris, {room: (1, last)}) as b:
        events = await b.events_until(room, head)

    assert [event["seq"] for event in events] == list(range(last + 1, head + 1))


@pytest.mark.parametrize("asgi_server", ["daphne", "uvicorn"])
async def test_client_that_asks_on_and_reads_nothing_is_cut_off_and_costs_no_memory(
    tmp_path: Path, asgi_server: str
) -> None:
    closed_as_slow = 'veche_sockets_closed_total{code="4408"} 1.0'
    anna, boris, room = await two_people()
    context = web_process(tmp_path / "server.log", ASGI_SERVER=asgi_server, SENDS_BURST="300")
    process = await asyncio.to_thread(context.__enter__)
    try:
        async with await ChatClient.hello(process, anna) as a:
            for _ in range(40):
                await a.post(room, "ж" * 8_000)
            before = process.resident_bytes()
            deaf = await ChatClient.hello(process, boris)
            # From here on nothing is taken from the network any more.
            deaf.connection.transport.pause_reading()

            with contextlib.suppress(ConnectionClosed, OSError):
                for number in range(100):
                    await deaf.send(
                        t="history", id=f"h{number}", room=room, before=1_000_000, limit=100
                    )
                    # Slower than anybody may read, or that limit would end it.
                    await asyncio.sleep(0.3)
                    if closed_as_slow in await asyncio.to_thread(process.metrics):
                        break
            shown = await asyncio.to_thread(process.metrics)
            await a.pong()
            grown = process.resident_bytes() - before
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)

    assert closed_as_slow in shown
    assert grown < 64 * 1024 * 1024


async def test_flood_of_large_frames_is_cut_off_and_costs_no_memory(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris) as b,
    ):
        before = server.resident_bytes()
        text = json.dumps({"t": "send", "id": "x", "body": "x" * 60_000})

        async def flood() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await b.connection.send(text)

        sender = asyncio.create_task(flood())
        code = await b.close_code()
        await sender
        ok = await a.post(room, "undisturbed")

    assert code in {4400, 4429}
    assert ok["t"] == "ok"
    assert server.resident_bytes() - before < 64 * 1024 * 1024


async def test_slow_database_holds_up_nobody_who_is_connected(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    locked, release = threading.Event(), threading.Event()

    def hold_the_users_table() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE chat_user IN ACCESS EXCLUSIVE MODE")
                locked.set()
                release.wait(20)
        finally:
            connection.close()

    headers = {"Cookie": await sync_to_async(session_cookie)(boris)}
    async with await ChatClient.hello(server, anna) as a:
        holder = asyncio.create_task(asyncio.to_thread(hold_the_users_table))
        await asyncio.to_thread(locked.wait, 20)
        coming = asyncio.create_task(ChatClient.hello(server, None, headers=headers))
        started = time.monotonic()
        answers = [await a.post(room, str(index)) for index in range(10)]
        took = time.monotonic() - started
        arrived_while_locked = coming.done()
        release.set()
        await holder
        async with await coming as b:
            assert b.welcome["user"]["id"] == boris.pk

    assert [answer["t"] for answer in answers] == ["ok"] * 10
    assert not arrived_while_locked
    assert took < 10.0  # the table is locked for 20 s


async def test_stopping_process_says_bye_and_closes_with_1012(
    tmp_path: Path,
) -> None:
    anna, _, room = await two_people()
    context = web_process(tmp_path / "server.log")
    process = await asyncio.to_thread(context.__enter__)
    try:
        async with await ChatClient.hello(process, anna) as a:
            await a.post(room, "before")
            process.process.terminate()
            bye = await a.receive("bye")
            code = await a.close_code()
        # A second signal, as the end of `context` sends, would not wait for it.
        await asyncio.to_thread(process.process.wait, 15)
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)

    assert 0 < bye["reconnect_after_ms"] < 10_000
    assert code == 1012
    assert process.process.returncode == 0


async def test_two_web_processes_share_their_rooms(server: WebProcess, tmp_path: Path) -> None:
    anna, boris, room = await two_people()
    context = web_process(tmp_path / "server.log", ASGI_SERVER="uvicorn")
    other = await asyncio.to_thread(context.__enter__)
    try:
        async with (
            await ChatClient.hello(server, anna) as a,
            await ChatClient.hello(other, boris) as b,
        ):
            ok = await a.post(room, "from Daphne")
            await b.events_until(room, ok["seq"])
            ok = await b.post(room, "from uvicorn")
            events = await a.events_until(room, ok["seq"])
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)

    assert bodies(events) == ["from Daphne", "from uvicorn"]
