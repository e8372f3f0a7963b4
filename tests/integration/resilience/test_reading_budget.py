"""What one person may ask of the past of a real web process, and what others notice of it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chat.accounts import tokens
from chat.middleware.unpaid_requests import PERSON_BURST, PERSON_PER_SECOND
from chat.models import User
from chat.resilience.reading_budget import UNITS_BURST, UNITS_PER_SECOND
from localstack.web_process import WebProcess
from tests.support.chat_world import store
from tests.support.rooms import new_person, new_room, post
from tests.support.web_process import ChatClient, Frame, web_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

LONG_MESSAGES = 30


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with django_db_blocker.unblock(), web_process(log, ASGI_SERVER=request.param) as process:
        yield process


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: Any


@dataclass(frozen=True)
class Reader:
    """A person who reads over REST."""

    server: WebProcess
    token: str

    @classmethod
    async def of(cls, server: WebProcess, user: User) -> Reader:
        _, token = await sync_to_async(tokens.issue)(user.pk, "test")
        return cls(server, token)

    async def get(self, path: str) -> Answer:
        return await asyncio.to_thread(self._get, path)

    def post_once(self, path: str) -> int:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.port}/api/v1/{path}",
            method="POST",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)

    def _get(self, path: str) -> Answer:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.port}/api/v1/{path}",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, json.load(answer))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, json.load(error))


async def room_of_long_messages(anna: User, boris: User) -> int:
    """Half a megabyte of history, which a page gives nearly all of."""
    room = await new_room(anna, boris)
    for _ in range(LONG_MESSAGES):
        await post(room, anna, "ж" * 8_000)
    await store(room.pk)
    return room.pk


async def page(client: ChatClient, room: int, limit: int) -> Frame:
    return await client.ask(t="history", room=room, before=1_000_000, limit=limit)


async def use_up_over_the_socket(client: ChatClient, room: int) -> None:
    while (answer := await page(client, room, LONG_MESSAGES))["t"] == "page":
        pass
    assert (answer["t"], answer["code"]) == ("error", "rate_limited")
    assert answer["retry_after"] >= 1.0


async def test_person_on_ten_sockets_reads_no_more_than_one_budget_and_others_read_on(
    server: WebProcess,
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = (await new_room(anna)).pk
    own = (await new_room(boris)).pk
    await store(room)
    await store(own)
    others = await Reader.of(server, anna)
    pages = 0

    async def ask_on(client: ChatClient) -> None:
        nonlocal pages
        while True:
            answer = await page(client, own, 1)
            if answer["t"] == "page":
                pages += 1
            else:
                await asyncio.sleep(answer["retry_after"])

    async with contextlib.AsyncExitStack() as stack:
        began = time.monotonic()
        clients = [
            await stack.enter_async_context(await ChatClient.hello(server, boris))
            for _ in range(10)
        ]
        a = await stack.enter_async_context(await ChatClient.hello(server, anna))
        asking = [asyncio.create_task(ask_on(client)) for client in clients]
        read = []
        while pages < UNITS_BURST * 1.6:
            read.append((await others.get(f"rooms/{room}/messages?limit=50")).status)
            read.append(200 if (await page(a, room, 50))["t"] == "page" else 0)
            await asyncio.sleep(2 / UNITS_PER_SECOND)  # She stays within a budget of her own.
        seconds = time.monotonic() - began
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    assert pages <= UNITS_BURST + UNITS_PER_SECOND * seconds
    assert set(read) == {200}


async def test_sockets_and_rest_draw_on_the_same_budget(server: WebProcess) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await room_of_long_messages(anna, boris)
    of_anna, of_boris = await Reader.of(server, anna), await Reader.of(server, boris)

    async with await ChatClient.hello(server, boris) as b:
        await use_up_over_the_socket(b, room)
        paths = [f"rooms/{room}/messages", f"rooms/{room}/members", "rooms", "search?q=word", "me"]
        # Many at once, as it fills again while they are looked at.
        each = [await asyncio.gather(*map(of_boris.get, [path] * 20)) for path in paths]
        other = await of_anna.get(f"rooms/{room}/members")
        written = await b.post(room, "Writing goes on.")

    refused = [[one for one in answers if one.status == 429] for answers in each]
    assert all(refused)
    assert {one.body["code"] for answers in refused for one in answers} == {"rate_limited"}
    assert all(int(one.headers["Retry-After"]) >= 1 for answers in refused for one in answers)
    assert other.status == 200
    assert written["t"] == "ok"


async def test_what_was_read_over_rest_is_missing_on_the_sockets(server: WebProcess) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await room_of_long_messages(anna, boris)
    of_boris = await Reader.of(server, boris)

    async with await ChatClient.hello(server, boris) as b:
        while (await of_boris.get(f"rooms/{room}/messages?limit={LONG_MESSAGES}")).status == 200:
            pass
        refused = [
            await b.ask(t="history", room=room, before=100, limit=1),
            await b.ask(t="sync", room=room, after=0, limit=1),
        ]
        await asyncio.sleep(refused[0]["retry_after"])
        later = await b.ask(t="history", room=room, before=100, limit=1)

    assert [answer["code"] for answer in refused] == ["rate_limited", "rate_limited"]
    assert later["t"] == "page"


async def test_what_was_missed_comes_late_but_whole_to_who_has_read_too_much(
    server: WebProcess,
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await room_of_long_messages(anna, boris)
    last = 3 + LONG_MESSAGES

    async with await ChatClient.hello(server, boris) as b:
        await use_up_over_the_socket(b, room)
        async with await ChatClient.hello(server, boris, {room: (1, last - 5)}) as back:
            events = await back.events_until(room, last)

    assert [event["seq"] for event in events] == list(range(last - 4, last + 1))


def total(server: WebProcess, name: str, labels: str = "") -> float:
    """The value of a counter of the web process."""
    line = next(
        (one for one in server.metrics().splitlines() if one.startswith(f"{name}{labels} ")), "0"
    )
    return float(line.rpartition(" ")[2])


def refused_by_django(server: WebProcess) -> float:
    return total(server, "django_http_responses_total_by_status_total", '{status="429"}')


def refused_in_front(server: WebProcess) -> float:
    return total(server, "veche_requests_refused_total")


def ask_until_refused_in_front(reader: Reader, method: str, path: str, body: bytes) -> list[int]:
    """Asks on one connection without waiting when told to; the statuses of the answers."""
    before = refused_in_front(reader.server)
    statuses: list[int] = []
    headers = {"Authorization": f"Bearer {reader.token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", reader.server.port, timeout=60)
    with contextlib.closing(connection):
        while len(statuses) % 10 or refused_in_front(reader.server) < before + 3:
            connection.request(method, f"/api/v1/{path}", body=body, headers=headers)
            with connection.getresponse() as answer:
                answer.read()
                statuses.append(answer.status)
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                    assert answer.headers["Content-Type"] == "application/problem+json"
                    assert answer.headers["X-Request-ID"]
    return statuses


async def test_who_goes_on_after_refusals_is_refused_in_front_of_django(
    server: WebProcess,
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = (await new_room(anna, boris)).pk
    await store(room)
    of_anna, of_boris = await Reader.of(server, anna), await Reader.of(server, boris)
    before, began = refused_by_django(server), time.monotonic()

    ways = [("GET", f"rooms/{room}", b""), ("GET", "me", b""), ("GET", "search?q=word", b"")]
    each = await asyncio.gather(
        *(asyncio.to_thread(ask_until_refused_in_front, of_boris, *way) for way in ways)
    )
    most = PERSON_BURST + PERSON_PER_SECOND * (time.monotonic() - began)
    by_django = refused_by_django(server) - before
    other = await of_anna.get(f"rooms/{room}")
    written = await asyncio.to_thread(of_boris.post_once, f"rooms/{room}/show")

    assert {status for statuses in each for status in statuses} == {200, 429}
    assert 0 < by_django <= most
    assert (other.status, written) == (200, 200)


async def test_refused_body_does_not_stand_in_the_way_of_the_next_request(
    server: WebProcess,
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = (await new_room(anna, boris)).pk
    of_boris = await Reader.of(server, boris)

    statuses = await asyncio.to_thread(
        ask_until_refused_in_front, of_boris, "POST", f"rooms/{room}/show", b" " * 30_000
    )
    read = await of_boris.get(f"rooms/{room}")

    assert set(statuses) == {200, 429}
    assert read.status == 200
