"""Threads over real connections to a real web process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from chat import room_log
from chat.models import ThreadFollow, User
from localstack.web_process import WebProcess
from tests.support.chat_world import store
from tests.support.rooms import new_key, new_person, new_room, post
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with (
        django_db_blocker.unblock(),
        web_process(log, ASGI_SERVER=request.param, HEARTBEAT_SECONDS="1") as process,
    ):
        yield process


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def two_people() -> tuple[User, User, int, int]:
    """Anna and Boris, their room, and the seq of what Anna said in it."""
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await new_room(anna, boris)
    root = (await post(room, anna, "Lunch?")).event.seq
    await store(room.pk)
    return anna, boris, room.pk, root


def reply(room: int, root: int, body: str, **more: Any) -> dict[str, Any]:
    return {"t": "reply", "room": room, "key": new_key(), "root": root, "body": body, **more}


async def test_reply_is_acknowledged_reaches_everybody_and_is_in_the_page(
    server: WebProcess,
) -> None:
    anna, boris, room, root = await two_people()
    async with (
        await ChatClient.hello(server, anna) as a,
        await ChatClient.hello(server, boris) as b,
    ):
        inner = await b.ask(**reply(room, root, "yes"))
        shown = await b.ask(**reply(room, root, "all of you", to_room=True))
        events = await a.events_until(room, shown["seq"])
        page = await a.ask(t="thread", room=room, root=root)
        history = await a.ask(t="history", room=room, before=1_000)

    assert (inner["t"], inner["n"], shown["n"]) == ("ok", 1, 2)
    assert [(one["type"], one["data"]["body"]) for one in events] == [
        ("reply.posted", "yes"),
        ("message.posted", "all of you"),
    ]
    assert (page["t"], page["root"], page["more"]) == ("thread_page", root, False)
    assert page["message"]["body"] == "Lunch?"
    assert [one["body"] for one in page["messages"]] == ["yes", "all of you"]
    assert [(one["seq"], one.get("thread")) for one in history["messages"]] == [
        (root, None),
        (shown["seq"], root),
    ]
    summary = history["messages"][0]["replies"]
    assert (summary["replies"], summary["first_people"]) == (2, [boris.pk])


async def test_marker_of_a_thread_reaches_all_devices_of_its_owner_and_nobody_else(
    server: WebProcess,
) -> None:
    anna, boris, room, root = await two_people()
    async with (
        await ChatClient.hello(server, anna) as desk,
        await ChatClient.hello(server, anna) as phone,
        await ChatClient.hello(server, boris) as b,
    ):
        inner = await b.ask(**reply(room, root, "yes"))
        await store(room)
        await desk.send(t="thread_read", room=room, root=root, seq=inner["seq"])
        told = await phone.receive("thread")
        page = await desk.ask(t="thread", room=room, root=root)
        await b.pong()

    assert told == {
        "t": "thread",
        "room": room,
        "root": root,
        "following": True,
        "read": inner["seq"],
    }
    assert (page["following"], page["read"]) == (True, inner["seq"])
    assert [frame for frame in b.frames if frame["t"] == "thread"] == []


async def test_stranger_learns_nothing_of_a_thread(server: WebProcess) -> None:
    _, _, room, root = await two_people()
    async with await ChatClient.hello(server, await new_person("stranger")) as s:
        answers = [
            await s.ask(t="thread", room=room, root=root),
            await s.ask(**reply(room, root, "hello")),
        ]
        await s.send(t="thread_read", room=room, root=root, seq=9)
        answers.append(await s.receive("error", id=None))

    assert [one["code"] for one in answers] == ["not_found"] * 3
    assert await ThreadFollow.objects.acount() == 0


async def test_old_client_that_resumes_gets_the_same_room(server: WebProcess) -> None:
    """It ignores the replies, and its counts are those of the room."""
    anna, boris, room, root = await two_people()
    async with await ChatClient.hello(server, boris) as b:
        for _ in range(3):
            await b.ask(**reply(room, root, "yes"))
        last = await b.post(room, "afterwards")
    async with await ChatClient.hello(server, anna) as a:
        [info] = a.welcome["rooms"]

    assert (last["n"], info["n"], info["head"]) == (2, 2, root + 4)
    assert info["n"] - info["read_n"] == 1
