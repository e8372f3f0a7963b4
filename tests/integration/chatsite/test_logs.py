"""A whole conversation through real processes leaves ids in the logs, and nobody's words."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from chat import dead_letters, events, room_log
from chat.accounts import tokens
from chat.models import RoomEvent
from chat.room_log import keys
from chat.servers.redis_log import blocking_client
from localstack.web_process import WebProcess
from tests.integration.monitoring.test_metrics_worker import MeasuredWorker
from tests.support.rooms import new_key, new_person, new_room
from tests.support.web_process import ChatClient, web_process

# Several processes have to start, on whatever else the machine does.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

WORDS = "zebra-and-quagga-walked"
SEARCHED = "okapi-is-searched"
PASSWORD = "the-password-that-ann-typed-wrong"
MAIL = "ann.secret@example.org"
ONE_TIME = "one-time-secret-in-a-path"
REQUEST_ID = "id-of-the-proxy-in-front"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[tuple[WebProcess, MeasuredWorker]]:
    worker = MeasuredWorker(tmp_path, LOG_FORMAT="json", LOG_LEVEL="DEBUG")
    try:
        with web_process(tmp_path / "web.log", LOG_FORMAT="json", LOG_LEVEL="DEBUG") as web:
            yield web, worker
    finally:
        worker.end(signal.SIGKILL)


def ask(web: WebProcess, path: str, **headers: str) -> urllib.error.HTTPError | Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{web.port}{path}", headers={"Host": "testserver", **headers}
    )
    try:
        return urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as refused:
        return refused


def sign_in(web: WebProcess, name: str, password: str) -> None:
    """Tries to sign in. Wrong input matters too: it is often the password of another account."""
    page = ask(web, "/accounts/login/")
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    form = {"login": name, "password": password, "csrfmiddlewaretoken": cookie.partition("=")[2]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{web.port}/accounts/login/",
        data=urllib.parse.urlencode(form).encode(),
        headers={"Host": "testserver", "Cookie": cookie, "Origin": "http://testserver"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


async def eventually(is_so: Any) -> None:
    async with asyncio.timeout(60):
        while not await sync_to_async(is_so)():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_conversation_leaves_no_words_and_no_secrets_in_the_logs(
    log_redis: redis.Redis,
    processes: tuple[WebProcess, MeasuredWorker],
) -> None:
    web, worker = processes
    ann = await new_person("ann")
    room = await new_room(ann)
    _, token = await sync_to_async(tokens.issue)(ann.pk, "for the log test")
    bearer = {"Authorization": f"Bearer {token}"}
    # An entry that cannot be stored. The conversation wakes the drain, which finds it.
    shard = events.shard_of(room.pk, settings.ENV.shards)
    blocking_client().xadd(keys.ingest(shard), {"room": "x", "data": WORDS, "key": MAIL})

    async with await ChatClient.hello(web, ann, headers={"X-Request-ID": REQUEST_ID}) as client:
        posted = await client.post(room.pk, WORDS)
        await client.ask(
            t="edit", room=room.pk, key=new_key(), target=posted["seq"], body=WORDS + " on"
        )
        await client.ask(t="send", room=room.pk, key="no key at all", body=WORDS)
        await client.send(t=WORDS)
        await client.connection.send("{" + WORDS)
    search = urllib.parse.urlencode({"q": SEARCHED})
    ours = await asyncio.to_thread(
        ask, web, f"/api/v1/search?{search}", **bearer, **{"X-Request-ID": REQUEST_ID}
    )
    await asyncio.to_thread(ask, web, f"/accounts/{ONE_TIME}/", **{"X-Request-ID": "bad\tid"})
    await asyncio.to_thread(sign_in, web, MAIL, PASSWORD)
    await eventually(
        lambda: RoomEvent.objects.filter(room=room, seq__gte=posted["seq"]).count() == 2
    )
    await eventually(lambda: blocking_client().xlen(dead_letters.STREAM) == 1)
    await room_log.close()

    text = web.log.read_text() + worker.log.read_text()
    for secret in (WORDS, SEARCHED, PASSWORD, MAIL, ONE_TIME, token):
        assert secret not in text, secret
    assert ours.status == 200
    assert ours.headers["X-Request-ID"] == REQUEST_ID
    said = lines(web.log)
    [searched] = [line for line in said if line.get("route", "").endswith("search")]
    assert (searched["request_id"], searched["user_id"]) == (REQUEST_ID, ann.pk)
    [lost] = [line for line in said if line.get("route") == "-" and line["status"] == 404]
    assert len(lost["request_id"]) == 32
    [letter] = [line for line in lines(worker.log) if line.get("dead_letter")]
    assert (letter["task"], letter["shard"]) == ("chat.tasks.persist_shard", shard)
    assert letter["task_id"]
