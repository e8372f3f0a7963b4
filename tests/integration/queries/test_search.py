"""What search finds: what people paste and type, in the rooms that are theirs."""

from __future__ import annotations

import asyncio
import re
import threading
import unicodedata
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone
from uuid_utils import uuid7

from chat.actions import moderation
from chat.actions.recorded_act import Options
from chat.models import Message
from chat.queries import found_messages, search
from chat.queries.found_messages import Sought
from chat.queries.message_search import matching, without_order_of_time
from chat.queries.search_filters import Filters
from chat.queries.search_query import parse
from tests.integration.api.test_api_rooms import a_private_room
from tests.support.chat_world import Api, by, make_user, store

WHY = Options(reason="It was a mistake.")

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://ci.example.com/job/4711/console?page=2&q=a%20b#L-10"
COMPOSED = "Pokémon und Café"

# The text of a message, and a query that finds it.
FINDS = [
    (f"see {URL}", URL),
    (f"see {URL}.", "ci.example.com"),
    (f"see {URL}", "example.com/job"),
    (f"see {URL}", "4711"),
    ("start ./run.sh now", "./run.sh"),
    ("start ./run.sh now", "run.sh"),
    ("edit ~/.bashrc", "~/.bashrc"),
    ("edit ~/.bashrc", ".bashrc"),
    ("connect to db.internal:5432", "db.internal:5432"),
    ("connect to db.internal:5432", "5432"),
    ("a <div> is missing", "<div>"),
    ("a <div> is missing", "div"),
    ("fixed PROJ-4711", "4711"),
    ("fixed PROJ-4711", "proj-4711"),
    ("fixed PROJ-4711", "PROJ"),
    ("set sess.opts first", "sess"),
    ("set sess.opts first", "opts"),
    ("in /etc/nginx/nginx.conf", "nginx.conf"),
    ("in /etc/nginx/nginx.conf", "/etc/nginx"),
    ("released v2.14.3", "2.14.3"),
    ("released v2.14.3", "v2.14.3"),
    ("released v2.14.3", "v2.14"),
    ("write to ivan.petrov@example.com", "ivan"),
    ("write to ivan.petrov@example.com", "petrov"),
    ("write to ivan.petrov@example.com", "ivan.petrov@example.com"),
    ("write to ivan.petrov@example.com", "@example.com"),
    ("runs C:\\Users\\anna\\run.cmd", "C:\\Users\\anna"),
    ("runs C:\\Users\\anna\\run.cmd", "run.cmd"),
    ("we write C++ and C#", "C++"),
    ("we write C++ and C#", "C#"),
    ("100% of it", "100%"),
    ("snake_case_name", "case"),
    ("snake_case_name", "snake_case_name"),
    ("commit 9f86d081884c7d659a2f", "9f86d081"),
    ("sha256:abcdef", "sha256"),
    ("it's Anna's", "anna"),
    ("don’t do it", "don't"),
    ("SELECT * FROM users WHERE id = 5;", "SELECT * FROM users WHERE id = 5;"),
    ("rm -rf /tmp/x", "rm -rf /tmp/x"),
    ("ls -la", "-la"),
    ("git push --force", "--force"),
    ('git commit -m "this or that"', 'git commit -m "this or that"'),
    ("to be or not to be", "to be or not to be"),
    ("5´ tall, 6´ wide", '"5´ tall, 6´ wide"'),
    ("ёлка", "елка"),
    ("елка", "ёлка"),
    ("ЁЛКИ", "елка"),
    (unicodedata.normalize("NFD", COMPOSED), COMPOSED),
    (COMPOSED, unicodedata.normalize("NFD", COMPOSED)),
    (COMPOSED, "pokemon"),
    (COMPOSED, "CAFÉ"),
    ("Йод и ёж", unicodedata.normalize("NFD", "йод")),
    ("Straße", "strasse"),
    ("İstanbul", "istanbul"),
    ("ΟΔΟΣ", "οδος"),
    ("done 👍", "👍"),
    ("done 👍🏽", "👍"),
    ("I ❤️ it", "❤"),
    ("I ❤ it", "❤️"),
    ("flag 🇷🇺", "🇷🇺"),
    ("work 👩‍💻", "👩‍💻"),
    ("new \U0001fa77 heart", "\U0001fa77"),
    ("5 € each", "€"),
    ("hello ✓", "✓"),
    ("maybe :)", ":)"),
    ("a -> b", "->"),
    ("notification", "notif"),
    ("развёртывание", "разв"),
    ("Привет всем", "прив"),
    ("hello", "he"),
    ("two messages", "message"),
    ("one message", "messages"),
    ("it was deployed", "deploying"),
    ("тестовый сервер", "серверами"),
    ("вопросы задавали", "вопросов"),
    ("the answer", "the"),
    ("не надо", "не"),
    ("我们下午三点开会讨论搜索功能", "搜索"),
    ("我们下午三点开会讨论搜索功能", "搜索功能"),
    ("我们下午三点开会讨论搜索功能", "三"),
    ("我们下午三点开会讨论搜索功能", "能"),
    ("東京タワーへ行きました", "タワー"),
    ("ﾃｽﾄです", "テスト"),
    ("猫が好き", "猫"),
    ("안녕하세요 여러분", "하세"),
    ("ภาษาไทยง่าย", "ไทย"),
    ("हिन्दी में लिखो", "हिन्दी"),
    ("soft\u00adhyphen and zero\u200bwidth", "softhyphen"),
    ("soft\u00adhyphen and zero\u200bwidth", "zerowidth"),
    ("ＦＵＬＬ width", "full"),
    ("Hello, world!", '"hello world"'),
    ("some\n\n  lines of text", '"lines of text"'),
    ("the end.", "end."),
    ("x" * 3_000, "x" * 400),
    ("a well-known fact", "well-known"),
    ("bread or butter", "jam or butter"),
    ("bread and butter", "bread -jam"),
    ("3 \u00d7 4", "\u00d7"),
]
FINDS_NOT = [
    ("released v2.14.3", "2.14.4"),
    ("released v2.14.3 and 3.2.14", "2.3.14"),
    ("div", "<div>"),
    ("run the sh", "./run.sh"),
    ("bread and jam", "bread -jam"),
    ("bread and jam", '"jam bread"'),
    ("cats", '"cat"'),
    ("индекс и сок", "搜索"),
    ("搜集线索", "搜索"),
    ("thumbs 👎", "👍"),
    ("half 🇷 🇺", "🇷🇺"),
    ("contain", "tain"),
    ("C", "C++"),
    ("100_000", "100%"),
]


async def found(body: str, query: str) -> list[dict[str, Any]]:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    await sync_to_async(put)(room, anna.pk, [body, "quite another text"])
    answer = await Api(anna).get(f"search?q={quote(query, safe='')}")
    assert answer.status == 200, answer.body
    return list(answer.body["found"])


def put(room: int, author: int, bodies: list[str]) -> None:
    Message.objects.bulk_create(
        Message(room_id=room, seq=seq, n=seq, author_id=author, at=timezone.now(), body=body)
        for seq, body in enumerate(bodies, 1_000)
    )


@pytest.mark.parametrize(("body", "query"), FINDS)
async def test_message_is_found_by(body: str, query: str) -> None:
    assert [one["body"] for one in await found(body, query)] == [body]


@pytest.mark.parametrize(("body", "query"), FINDS_NOT)
async def test_message_is_not_found_by(body: str, query: str) -> None:
    assert await found(body, query) == []


@pytest.mark.parametrize(
    ("body", "query", "marks"),
    [
        ("Deployed v2.14.3", "2.14.3", ["2.14.3"]),
        ("We Deployed it", "deploying", ["Deployed"]),
        ("Две ЁЛКИ", "елка", ["ЁЛКИ"]),
        ("see <DIV> there", "<div>", ["<DIV>"]),
        ("讨论搜索功能", "搜索", ["搜索"]),
        ("well 👍🏽", "👍", ["👍"]),
        ("Hello, world!", '"hello world"', ["Hello", "world"]),
        ("bread and butter", "bread -jam", ["bread"]),
        ("notification", "notif", ["notification"]),
    ],
)
async def test_result_says_what_to_mark(body: str, query: str, marks: list[str]) -> None:
    [one] = await found(body, query)

    assert one["marks"] == marks


async def test_query_of_more_than_500_characters_or_of_one_letter_is_refused() -> None:
    api = Api(await make_user("anna"))

    for query in ("x" * 501, "я"):
        assert (await api.get(f"search?q={quote(query)}")).status in {400, 413}
    assert (await api.get(f"search?q={quote('x' * 500)}")).status == 200


async def test_edited_text_is_found_and_the_old_one_no_more() -> None:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    await sync_to_async(put)(room, anna.pk, ["see old.example.com"])
    await Message.objects.filter(room_id=room, seq=1_000).aupdate(body="see new.example.com")
    api = Api(anna)

    assert (await api.get("search?q=old.example.com")).body["found"] == []
    assert len((await api.get("search?q=new.example.com")).body["found"]) == 1


async def test_restored_message_is_found_again() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await a_private_room(anna, boris)
    api = Api(anna)
    posted = await Api(boris).post(
        f"rooms/{room}/messages", {"body": "secret.example.com"}, key=str(uuid7())
    )
    seq = posted.body["seq"]
    await moderation.delete_message(by(anna), room, seq, WHY)
    await store(room)
    assert (await api.get("search?q=secret.example")).body["found"] == []

    await moderation.restore_message(by(anna), room, seq, WHY)
    await store(room)

    assert len((await api.get("search?q=secret.example")).body["found"]) == 1


async def test_newest_come_first_also_beyond_what_is_looked_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(found_messages, "NEWEST_OF_ALL", 4)
    monkeypatch.setattr(found_messages, "NEWEST", 3)
    anna = await make_user("anna")
    room, other = await a_private_room(anna), await a_private_room(anna)
    await sync_to_async(put)(room, anna.pk, ["word 1", *[f"other {i}" for i in range(5)], "word 2"])
    await sync_to_async(put)(other, anna.pk, ["word 3", "other"])
    api = Api(anna)

    everywhere = await api.get("search?q=word&limit=2")
    here = await api.get(f"search?q=word&room={room}")

    assert [one["body"] for one in everywhere.body["found"]] == ["word 3", "word 2"]
    assert everywhere.body["more"] is True
    assert [one["body"] for one in here.body["found"]] == ["word 2", "word 1"]
    assert here.body["more"] is False


async def test_newest_hold_enough_when_they_hold_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(found_messages, "NEWEST_OF_ALL", 10)
    monkeypatch.setattr(found_messages, "MORE_OF_ALL", 100)
    anna = await make_user("anna")
    room, other = await a_private_room(anna), await a_private_room(anna)
    await sync_to_async(put)(room, anna.pk, [f"word {i}" if i % 3 else "or" for i in range(150)])
    await sync_to_async(put)(other, anna.pk, ["other"])
    plans = await sync_to_async(plans_of)("word", [room, other], 21)
    rare = await sync_to_async(plans_of)("word 31", [room, other], 21)

    # The search reads the newest ten, then a hundred; if the ten hold nothing, all at once.
    assert ["(at > " in plan for plan in plans] == [True, True]
    assert ["(at > " in plan for plan in rare] == [True, False]
    found = (await Api(anna).get("search?q=word")).body["found"]
    assert [one["body"] for one in found] == [f"word {i}" for i in range(149, 0, -1) if i % 3][:20]


def sought(text: str, rooms: list[int]) -> Sought:
    return Sought(words=text, query=parse(text), filters=Filters(rooms=rooms))


def plans_of(text: str, rooms: list[int], limit: int) -> list[str]:
    """How PostgreSQL looks for `text`, statement by statement."""
    plans = []

    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "chat_words" in sql and sql.startswith("SELECT"):
            execute(f"EXPLAIN {sql}", params, many, context)
            plans.append("\n".join(line for (line,) in context["cursor"].fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explained):
        found_messages.find(sought(text, rooms), limit)
    return plans


def test_newest_are_looked_at_without_reading_all_that_the_index_has_of_a_word() -> None:
    from chat.models import Room, User

    anna = User.objects.create(username="anna", password="!")
    rooms = [Room.objects.create(slug=f"room-{number}", kind="public").pk for number in range(2)]
    for room in rooms:
        put(room, anna.pk, [f"lunch {number} at noon" for number in range(11_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message")

    for within in (rooms, rooms[:1]):
        first, last = plans_of("nosuchword", within, 21)
        assert "message_found" not in first, first
        assert "message_found" in last, last


@pytest.mark.parametrize(
    ("text", "beginnings"),
    [
        ("wor", {"wor"}),
        ("de or wor", {"de", "or", "wor"}),
        ("de ba ko re", {"de", "ba", "ko", "re"}),
        ("de ba ko re mi", {"mi"}),
        ("de or ba or ko or re", {"re"}),
        ('"de ba" -ko', {"de", "ko"}),  # as it is
    ],
)
def test_few_words_of_a_search_may_be_beginnings(text: str, beginnings: set[str]) -> None:
    """For each beginning PostgreSQL reads all words that start with it, whatever its time limit."""
    where = str(Message.objects.filter(matching(parse(text), text, None)).query)

    assert set(re.findall(r"'([^']+)':\*", where)) == beginnings


async def test_slow_searches_hold_up_searches_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "LONGEST_WAIT_SECONDS", 0.1)
    people = [await make_user(f"person{number}") for number in range(search.AT_ONCE + 1)]
    rooms = [await a_private_room(person) for person in people]
    all_are_looking = threading.Barrier(search.AT_ONCE + 1)
    may_end = threading.Event()
    find = found_messages.find

    def slowly(*args: Any) -> list[Message]:
        all_are_looking.wait(timeout=10)
        may_end.wait(timeout=10)
        return find(*args)

    monkeypatch.setattr(found_messages, "find", slowly)
    looking = [asyncio.create_task(Api(one).get("search?q=word")) for one in people[:-1]]
    await asyncio.to_thread(all_are_looking.wait, timeout=10)
    try:
        one_more = await Api(people[-1]).get("search?q=word")
        history = await Api(people[-1]).get(f"rooms/{rooms[-1]}/messages")
    finally:
        may_end.set()

    assert (one_more.status, one_more.body["code"]) == (429, "rate_limited")
    assert history.status == 200
    assert [answer.status for answer in await asyncio.gather(*looking)] == [200] * search.AT_ONCE
    monkeypatch.undo()
    assert (await Api(people[-1]).get("search?q=word")).status == 200


async def test_nobody_finds_what_is_said_in_rooms_they_left_or_never_joined() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await a_private_room(anna)
    await sync_to_async(put)(room, anna.pk, ["v2.14.3"])

    for query in ("2.14.3", "v2", "-x", f"%23{room}", '"v2.14.3"'):
        assert (await Api(boris).get(f"search?q={query}")).body["found"] == []


def test_search_uses_its_index_whatever_is_looked_for() -> None:
    """The plan for many messages: no sequential scan, and no walk through all of them by time."""
    from chat.models import Room, User

    anna = User.objects.create(username="anna", password="!")
    room = Room.objects.create(name="many", slug="many", kind="public", created_at=timezone.now())
    put(room.pk, anna.pk, [f"lunch {number} at noon" for number in range(20_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message")

    for text in ("4711", "word", "2.14.3", '"some phrase" -not', "搜索", "👍", "wo"):
        messages = Message.objects.filter(
            matching(parse(text), text, [room.pk]), room_id__in=[room.pk]
        )
        plan = without_order_of_time(messages)[:21].explain()

        assert "Bitmap Index Scan on message_found" in plan, (text, plan)
