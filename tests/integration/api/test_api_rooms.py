"""Rooms, members, messages, events and search over REST."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from django.test import AsyncClient
from uuid_utils.compat import uuid7

from chat.actions import moderation, rooms
from chat.actions.recorded_act import Options
from chat.events import RoomKind
from chat.models import User
from chat.queries import found_messages
from chat.servers.postgres import in_database
from tests.support.chat_world import Api, by, make_user, store

pytestmark = pytest.mark.django_db(transaction=True)


async def a_private_room(owner: User, *members: User) -> int:
    room = await rooms.create_room(owner.pk, "Secret", RoomKind.PRIVATE)
    for member in members:
        await rooms.invite(owner.pk, room.pk, member.pk)
    return room.pk


async def test_room_made_over_rest_is_mine_at_once_and_public_after_storing() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    api, other = Api(anna), Api(boris)

    made = await api.post("rooms", {"name": "Планы", "kind": "public", "topic": "Что когда"})
    mine = await api.get("rooms")
    await store(made.body["id"])
    public = await other.get("rooms/public?q=план")

    assert made.status == 201
    assert mine.body == [made.body]
    assert made.body["role"] == "owner"
    assert (made.body["slug"], made.body["head"]) == ("планы", 2)
    [found] = public.body
    assert (found["id"], found["joined"], found["members"]) == (made.body["id"], False, 1)


async def test_repeated_key_makes_one_room() -> None:
    api, key = Api(await make_user("anna")), str(uuid7())
    plans, secrets = [{"name": "Plans", "kind": kind} for kind in ("public", "private")]

    first = await api.post("rooms", plans, key=key)
    again = await api.post("rooms", plans, key=key)
    other = await api.post("rooms", secrets, key=key)
    wrong = await api.post("rooms", plans, key="not-a-uuid")

    assert first.body == again.body
    assert (other.status, other.body["code"]) == (409, "key_conflict")
    assert (wrong.status, wrong.body["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("\u3164", "empty", "unreadable"),
        ("a\u202eb", "bad_request", "direction_marks"),
        ("g\u0435neral", "bad_request", "two_alphabets"),
        ("a\x1bb", "bad_request", "controls"),
        ("x" * 81, "too_large", "too_long"),
    ],
)
async def test_refused_name_has_a_reason_that_clients_can_say_in_their_own_words(
    name: str, code: str, reason: str
) -> None:
    api = Api(await make_user("anna"))
    room = (await api.post("rooms", {"name": "Plans", "kind": "public"})).body["id"]

    made = await api.post("rooms", {"name": name, "kind": "public"})
    renamed = await api.patch(f"rooms/{room}", {"name": name})

    assert (made.body["code"], made.body["reason"]) == (code, reason)
    assert (renamed.body["code"], renamed.body["reason"]) == (code, reason)


async def test_last_owner_who_leaves_is_told_the_reason() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    api = Api(anna)
    room = await a_private_room(anna, boris)

    left = await api.post(f"rooms/{room}/leave")
    absent = await api.post("rooms/999999/leave")

    assert (left.body["code"], left.body["reason"]) == ("forbidden", "last_owner")
    assert "reason" not in absent.body


async def test_joining_renaming_and_leaving_answer_with_what_is_logged() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    api, other = Api(anna), Api(boris)
    room = (await api.post("rooms", {"name": "Plans", "kind": "public"})).body["id"]

    seen = await other.get(f"rooms/{room}")
    joined = await other.post(f"rooms/{room}/join")
    renamed = await api.patch(f"rooms/{room}", {"name": "Roadmap"})
    left = await other.post(f"rooms/{room}/leave")
    again = await other.post(f"rooms/{room}/leave")

    assert (seen.status, seen.body["role"]) == (200, "")
    assert (joined.status, joined.body["role"]) == (200, "member")
    assert (renamed.body["name"], renamed.body["topic"]) == ("Roadmap", "")
    assert left.status == 204
    assert (again.status, again.body["code"]) == (403, "not_member")


async def test_direct_conversation_is_named_after_the_other_person() -> None:
    anna, boris = await make_user("anna"), await make_user("boris", display_name="Борис")

    opened = await Api(anna).post("direct", {"user": boris.pk})
    theirs = await Api(boris).post("direct", {"user": anna.pk})

    assert opened.body["name"] == "Борис"
    assert opened.body["peer"] == {
        "id": boris.pk, "username": "boris", "name": "Борис", "staff": False, "ambiguous": False,
        "deactivated": False,
    }  # fmt: skip
    assert theirs.body["id"] == opened.body["id"]
    assert theirs.body["name"] == "anna"


async def test_members_are_listed_for_members_only() -> None:
    anna, boris, vera = [await make_user(name) for name in ("anna", "boris", "vera")]
    room = await a_private_room(anna, boris)
    await store(room)

    listed = await Api(boris).get(f"rooms/{room}/members")
    refused = await Api(vera).get(f"rooms/{room}/members")

    assert [(member["user"]["username"], member["role"]) for member in listed.body] == [
        ("anna", "owner"),
        ("boris", "member"),
    ]
    assert (refused.status, refused.body["code"]) == (404, "not_found")


async def test_invitation_and_removal_over_rest() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    api = Api(anna)
    room = await a_private_room(anna)

    invited = await api.post(f"rooms/{room}/members", {"user": boris.pk})
    inside = await Api(boris).get(f"rooms/{room}")
    removed = await api.ask("delete", f"rooms/{room}/members/{boris.pk}", {"reason": "Heat"})
    outside = await Api(boris).get(f"rooms/{room}/messages")

    assert (invited.status, inside.status, removed.status) == (204, 200, 204)
    assert (outside.status, outside.body["code"]) == (404, "not_found")


OPERATIONS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("get", "", None),
    ("patch", "", {"name": "Mine"}),
    ("post", "/archive", {"archived": True}),
    ("post", "/join", None),
    ("post", "/leave", None),
    ("get", "/members", None),
    ("post", "/members", {"user": 1}),
    ("delete", "/members/1", {"reason": "Heat"}),
    ("post", "/messages", {"body": "hello"}),
    ("get", "/messages", None),
    ("get", "/events", None),
]


async def test_private_room_and_absent_room_give_the_same_answer() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await a_private_room(anna)
    api = Api(boris)

    for method, path, body in OPERATIONS:
        answers = [
            await api.ask(method, f"rooms/{number}{path}", body, key=str(uuid7()))
            for number in (room, room + 1_000, 2**53 - 1)
        ]

        assert {answer.status for answer in answers} == {404}, (method, path)
        assert len({str(answer.body) for answer in answers}) == 1, (method, path)


async def test_room_ids_that_cannot_be_are_not_found() -> None:
    api = Api(await make_user("anna"))

    for number in ("0", "-1", "1.5", "9223372036854775808", "9" * 4000, "x", "%00", "1%20OR%201"):
        answer = await api.get(f"rooms/{number}/messages")

        assert (answer.status, answer.body["code"]) == (404, "not_found"), number


async def test_same_key_gives_the_same_answer_and_one_message() -> None:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    api, key = Api(anna), str(uuid7())

    first = await api.post(f"rooms/{room}/messages", {"body": "Привет"}, key=key)
    again = await api.post(f"rooms/{room}/messages", {"body": "Привет"}, key=key)
    other = await api.post(f"rooms/{room}/messages", {"body": "Пока"}, key=key)
    page = await api.get(f"rooms/{room}/messages")

    assert first.status == again.status == 201
    assert first.body == again.body
    assert {"room": room, "seq": 3, "n": 1}.items() <= first.body.items()
    assert (other.status, other.body["code"]) == (409, "key_conflict")
    assert [message["body"] for message in page.body["messages"]] == ["Привет"]


async def test_message_without_a_uuid7_key_is_refused() -> None:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    api = Api(anna)
    version_1 = "7d444840-9dc0-11d1-b245-5ffdce74fad2"

    for key in (None, "", "1", "x" * 10_000, str(uuid7()).upper(), version_1):
        answer = await api.post(f"rooms/{room}/messages", {"body": "hello"}, key=key)

        assert (answer.status, answer.body["code"]) == (400, "bad_request"), key


BAD_MESSAGES: list[tuple[Any, int, str]] = [
    ({"body": ""}, 400, "empty"),
    ({"body": " \u200b\n"}, 400, "empty"),
    ({"body": "a" * 8_001}, 413, "too_large"),
    ({"body": 5}, 400, "bad_request"),
    ({"body": None}, 400, "bad_request"),
    ({}, 400, "bad_request"),
    ({"body": "x", "room": 1}, 400, "bad_request"),
    ({"body": "x", "seq": 1, "at": "2020"}, 400, "bad_request"),
    ({"body": "x", "reply_to": 99}, 404, "not_found"),
    ({"body": "x", "reply_to": -1}, 400, "bad_request"),
    ({"body": "x", "reply_to": 2**64}, 400, "bad_request"),
    ({"body": "x", "reply_to": True}, 400, "bad_request"),
    ([], 400, "bad_request"),
    ("text", 400, "bad_request"),
    (None, 400, "bad_request"),
]


async def test_bad_messages_are_refused_and_not_stored() -> None:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    api = Api(anna)

    for body, status, code in BAD_MESSAGES:
        answer = await api.post(f"rooms/{room}/messages", body, key=str(uuid7()))

        assert (answer.status, answer.body["code"]) == (status, code), body
    assert (await api.get(f"rooms/{room}/messages")).body["messages"] == []


async def test_bad_limits_and_cursors_are_a_problem_and_not_an_error() -> None:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    api = Api(anna)
    bad = ("0", "-1", "1000000000", "x", "", "1e9", "9" * 5_000, "0x10")
    queries = [
        *(f"{what}?limit={limit}" for what in ("messages", "events") for limit in bad),
        *(f"messages?before={before}" for before in ("0", "-5", "x", "9223372036854775808")),
        *(f"events?after={after}" for after in ("-1", "x", "9223372036854775808")),
    ]

    for query in queries:
        answer = await api.get(f"rooms/{room}/{query}")

        assert (answer.status, answer.body["code"]) == (400, "bad_request"), query
        assert answer.content_type == "application/problem+json"


async def test_history_and_events_page_without_gaps() -> None:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    api = Api(anna)
    for number in range(7):
        await api.post(f"rooms/{room}/messages", {"body": f"№ {number}"}, key=str(uuid7()))

    newest = (await api.get(f"rooms/{room}/messages?limit=3")).body
    older = (
        await api.get(f"rooms/{room}/messages?limit=3&before={newest['messages'][0]['seq']}")
    ).body
    events = (await api.get(f"rooms/{room}/events?after=2&limit=4")).body

    assert [message["n"] for message in newest["messages"]] == [5, 6, 7]
    assert [message["n"] for message in older["messages"]] == [2, 3, 4]
    assert newest["more"] is older["more"] is True
    assert [event["seq"] for event in events["events"]] == [3, 4, 5, 6]
    assert (events["head"], events["epoch"]) == (9, 1)
    assert events["events"][0]["data"] == {"body": "№ 0", "reply_to": None}


async def test_page_tells_what_happened_to_the_room_between_its_messages() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await a_private_room(anna)
    api = Api(anna)

    async def pages() -> list[dict[str, Any]]:
        newest = (await api.get(f"rooms/{room}/messages?limit=1")).body
        before = newest["messages"][0]["seq"]
        older = (await api.get(f"rooms/{room}/messages?limit=1&before={before}")).body
        return [newest, older]

    await api.post(f"rooms/{room}/messages", {"body": "one"}, key=str(uuid7()))
    await api.post(f"rooms/{room}/members", {"user": boris.pk})
    await api.post(f"rooms/{room}/messages", {"body": "two"}, key=str(uuid7()))
    await api.ask("patch", f"rooms/{room}", {"topic": "Plans"})

    from_log = await pages()
    await store(room)
    stored = await pages()

    for newest, older in (from_log, stored):
        assert [event["type"] for event in newest["events"]] == ["room.updated"]
        assert [event["type"] for event in older["events"]] == [
            "room.created",
            "member.joined",
            "member.joined",
        ]
        assert older["more"] is False


async def test_search_finds_only_in_my_rooms_and_nothing_that_was_deleted() -> None:
    from chat.actions import messages

    anna, boris = await make_user("anna"), await make_user("boris")
    mine, theirs = await a_private_room(anna), await a_private_room(boris)
    api, other = Api(anna), Api(boris)
    await api.post(
        f"rooms/{mine}/messages", {"body": "Выпускаем версию в пятницу"}, key=str(uuid7())
    )
    gone = await api.post(f"rooms/{mine}/messages", {"body": "версия секрет"}, key=str(uuid7()))
    await other.post(f"rooms/{theirs}/messages", {"body": "версию прячем"}, key=str(uuid7()))
    await messages.delete_message(anna.pk, mine, str(uuid7()), gone.body["seq"])
    for room in (mine, theirs):
        await store(room)

    found = await api.get("search?q=ВЕРСИЮ")
    elsewhere = await api.get(f"search?q=версию&room={theirs}")
    deleted = await api.get("search?q=секрет")

    assert [(hit["room"], hit["seq"]) for hit in found.body["found"]] == [(mine, 3)]
    assert (elsewhere.status, elsewhere.body["code"]) == (404, "not_found")
    assert deleted.body == {"found": [], "more": False, "cursor": None}


async def test_search_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await make_user("anna")
    await a_private_room(anna)
    monkeypatch.setattr(found_messages, "STATEMENT_TIMEOUT_MS", 50)
    locked, asked = threading.Event(), threading.Event()

    def keep_messages_locked() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE chat_message")
            locked.set()
            assert asked.wait(30)

    keeping = asyncio.create_task(in_database(keep_messages_locked))
    await asyncio.to_thread(locked.wait, 30)
    answer = await Api(anna).get("search?q=words")
    asked.set()
    await keeping

    assert (answer.status, answer.body["code"]) == (400, "bad_request")
    assert "too long" in answer.body["detail"]


async def test_bad_searches_are_refused() -> None:
    api = Api(await make_user("anna"))

    for query in ("", " ", "a", "%00a", "a" * 10_000, "&q=", "ab&limit=0", "ab&room=x"):
        answer = await api.get(f"search?q={query}")

        assert answer.status in {400, 413}, query
        assert answer.content_type == "application/problem+json"


async def test_query_operators_are_words_and_break_nothing() -> None:
    anna = await make_user("anna")
    await a_private_room(anna)
    queries = [
        "a %26 | b", "':* %26", "foo:*", "((((", "'\"--;", "or or or", "\\\\", "%25s {}", "%u0000",
        "%ED%A0%80ab",
    ]  # fmt: skip

    for query in queries:
        api = Api(anna)
        answer = await api.get(f"search?q={query}")

        assert answer.status == 200, query
        assert answer.body["found"] == []


async def test_filter_like_parameters_reach_no_query() -> None:
    anna = await make_user("anna", password="secret-hash")

    answer = await Api(anna).get("users?q=an&user__password__startswith=secret&_connector=OR")

    assert [person["username"] for person in answer.body] == ["anna"]
    assert set(answer.body[0]) == {"id", "username", "name", "staff", "ambiguous", "deactivated"}


async def test_users_by_id_and_by_name() -> None:
    anna = await make_user("anna", display_name="Анна Петрова")
    boris = await make_user("boris", is_active=False)
    api = Api(anna)

    by_ids = await api.get(f"users?ids={anna.pk},{boris.pk},{boris.pk + 99}")
    by_name = await api.get("users?q=петр")
    everyone = await api.get("users?q=")

    assert {person["id"] for person in by_ids.body} == {anna.pk, boris.pk}
    assert [person["id"] for person in by_name.body] == [anna.pk]
    assert [person["id"] for person in everyone.body] == [anna.pk]


@pytest.mark.parametrize(
    "query",
    [
        "@anna",
        "@ann",
        "Петрова Анна",
        "анна петрова",
        "  петр   анн ",
        "@anna петрова",
        "Семенова",
        "семёнова",
    ],
)
async def test_people_are_found_by_user_name_and_by_names_in_any_order(query: str) -> None:
    anna = await make_user("anna", display_name="Анна Петрова-Семёнова")
    await make_user("boris", display_name="Борис Петров")

    found = await Api(anna).get(f"users?q={quote(query)}")

    assert [person["username"] for person in found.body] == ["anna"]


async def test_at_sign_means_a_user_name_and_alone_means_anybody() -> None:
    anna = await make_user("anna", display_name="Hanna")
    await make_user("boris", display_name="Anna (sales)")
    await make_user("johanna")
    api = Api(anna)

    by_username = await api.get("users?q=@anna")
    by_any = await api.get("users?q=anna")
    everybody = await api.get("users?q=@")

    assert [person["username"] for person in by_username.body] == ["anna", "johanna"]
    assert [person["username"] for person in by_any.body] == ["anna", "boris", "johanna"]
    assert len(everybody.body) == 3


async def test_words_of_a_name_are_no_pattern() -> None:
    anna = await make_user("anna", display_name="Елена (A+)")
    api = Api(anna)

    assert len((await api.get("users?q=" + quote("(a+) еле"))).body) == 1
    assert (await api.get("users?q=" + quote("е.*а"))).body == []
    assert (await api.get("users?q=" + quote("%"))).body == []


async def test_public_room_is_found_by_its_address() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    api = Api(anna)
    room = (await api.post("rooms", {"name": "Plans", "kind": "public"})).body
    await api.post("rooms", {"name": "Plans 2", "kind": "public"})
    hidden = (await api.post("rooms", {"name": "Secret", "kind": "private"})).body
    for made in (room, hidden):
        await store(made["id"])

    found = (await Api(boris).get(f"rooms/public?slug={room['slug']}")).body

    assert [(one["id"], one["joined"]) for one in found] == [(room["id"], False)]
    assert (await Api(boris).get(f"rooms/public?slug={hidden['slug']}")).body == []
    assert (await Api(boris).get("rooms/public?slug=")).body == []
    assert (await Api(boris).get("rooms/public?slug=%00")).status == 400
    await moderation.ban_member(by(anna), room["id"], boris.pk, Options(reason="Spam"))
    await store(room["id"])
    assert (await Api(boris).get(f"rooms/public?slug={room['slug']}")).body == []


async def test_bad_user_queries_are_refused() -> None:
    api = Api(await make_user("anna"))
    queries = ["", "ids=", "ids=1,", "ids=a", "ids=-1", "ids=1&q=a", "ids=" + "1," * 300]

    for query in [*queries, "ids=" + "9" * 99]:
        answer = await api.get(f"users?{query}")

        assert (answer.status, answer.body["code"]) == (400, "bad_request"), query


async def test_more_sends_than_the_limit_are_told_when_to_come_back() -> None:
    anna = await make_user("anna")
    room = await a_private_room(anna)
    api = Api(anna)

    answers = [
        await api.post(f"rooms/{room}/messages", {"body": "spam"}, key=str(uuid7()))
        for _ in range(40)
    ]

    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert refused[0].body["code"] == "rate_limited"
    assert refused[0].body["retry_after"] > 0
    assert int(refused[0].headers["Retry-After"]) >= 1


async def test_address_that_is_not_there_is_a_problem_document() -> None:
    answer = await Api(None).get("nothing/here")

    assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_documents_are_for_everybody_who_writes_a_program() -> None:
    stranger = AsyncClient()

    page = await stranger.get("/api/docs")
    document = (await stranger.get("/api/openapi.json")).json()

    assert page.status_code == 200
    assert "/api/v1/rooms/{room_id}/messages" in document["paths"]
