"""Who may use the REST API, with which credentials, and who may not."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import timedelta
from functools import cache
from typing import Any, cast

import msgspec
import pytest
import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.utils import timezone
from pytest_django.fixtures import Settings
from uuid_utils.compat import uuid7

from chat import protocol
from chat.accounts import tickets, tokens
from chat.actions import threads as thread_actions
from chat.api import schemas
from chat.api.routes import api as ninja_api
from chat.models import ApiToken, Room, User
from chat.queries import room_list, search, threads
from chat.queries.history import HistoryPage
from chat.queries.people_search import MemberInfo
from tests.support.chat_world import Api, make_user

pytestmark = pytest.mark.django_db(transaction=True)


async def token_of(user: User) -> tuple[int, str]:
    row, text = await sync_to_async(tokens.issue)(user.pk, "test")
    return row.pk, text


@cache
def every_operation() -> list[tuple[str, str]]:
    """Method and path of everything the OpenAPI document names, ids filled in."""
    paths: dict[str, dict[str, Any]] = ninja_api.get_openapi_schema(path_prefix="")["paths"]
    return [
        (method, re.sub(r"\{\w+\}", "1", path).removeprefix("/v1/"))
        for path, operations in paths.items()
        for method in operations
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer veche_wrong"},
        {"Authorization": "Bearer " + "veche_" + "a" * 50_000},
        {"Authorization": "Basic YW5uYTpzZWNyZXQ="},
        {"Authorization": "veche_wrong"},
        {"Cookie": "sessionid=forged0123456789forged0123456789"},
        {"Cookie": "sessionid="},
    ],
    ids=lambda headers: str(headers)[:60],
)
async def test_no_operation_lets_a_stranger_in(headers: dict[str, str]) -> None:
    await make_user("anna")
    operations = every_operation()
    assert len(operations) >= 22

    for method, path in operations:
        answer = await Api(headers=headers).ask(method, path, {})

        assert answer.status == 401, (method, path)
        assert answer.body["code"] == "not_signed_in"
        assert answer.content_type == "application/problem+json"
        assert "Bearer" in answer.headers["WWW-Authenticate"]


async def test_token_lets_its_owner_in_without_a_csrf_token() -> None:
    anna = await make_user("anna")
    _, text = await token_of(anna)
    program = Api(token=text, enforce_csrf_checks=True)

    me = await program.get("me")
    made = await program.post("rooms", {"name": "Bots", "kind": "public"})

    assert (me.status, me.body["username"]) == (200, "anna")
    assert made.status == 201


async def test_cookie_needs_the_csrf_token_for_everything_but_reading() -> None:
    anna = await make_user("anna")
    browser = AsyncClient(enforce_csrf_checks=True)
    await browser.aforce_login(anna)
    csrf_token = "a" * 32
    body = json.dumps({"name": "Plans", "kind": "public"})

    async def create(headers: dict[str, str], kind: str = "application/json") -> int:
        response = await browser.post("/api/v1/rooms", body, content_type=kind, headers=headers)
        return int(response.status_code)

    assert (await browser.get("/api/v1/me")).status_code == 200
    assert await create({}) == 403
    assert await create({"X-CSRFToken": csrf_token}) == 403
    browser.cookies["csrftoken"] = csrf_token
    assert await create({"X-CSRFToken": "b" * 32}) == 403
    assert await create({"X-CSRFToken": csrf_token, "Origin": "https://evil.example"}) == 403
    assert await create({"Origin": "https://evil.example"}, "text/plain") == 403
    assert await Room.objects.acount() == 0
    assert await create({"X-CSRFToken": csrf_token, "Origin": "http://testserver"}) == 201


async def test_wrong_token_is_not_saved_by_a_good_cookie() -> None:
    anna = await make_user("anna")
    api = Api(anna, token="veche_wrong")

    assert (await api.get("me")).status == 401


async def test_revoked_token_and_token_of_a_deactivated_person_are_refused() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    token_id, text = await token_of(anna)
    _, other = await token_of(boris)

    revoked = await Api(token=text).delete(f"tokens/{token_id}")
    boris.is_active = False
    await boris.asave()

    assert revoked.status == 204
    assert (await Api(token=text).get("me")).status == 401
    assert (await Api(token=other).get("me")).status == 401
    assert (await Api(boris).get("me")).status == 401


async def test_token_is_shown_once_and_only_its_digest_is_kept() -> None:
    anna = await make_user("anna")
    api = Api(anna)

    issued = await api.post("tokens", {"name": "  ci   bot "})
    listed = await api.get("tokens")

    text = issued.body["token"]
    row = await ApiToken.objects.aget()
    assert (issued.status, row.name) == (201, "ci bot")
    assert text.startswith("veche_")
    assert len(text) == len("veche_") + 43
    assert row.digest == tokens.digest_of(text)
    assert row.prefix == text[:12]
    assert text not in json.dumps(listed.body)
    assert [token["id"] for token in listed.body] == [row.pk]


async def test_token_cannot_make_tokens_and_nobody_ends_somebody_elses() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    token_id, text = await token_of(anna)

    made = await Api(token=text).post("tokens", {"name": "another"})
    ended = await Api(boris).delete(f"tokens/{token_id}")

    assert (made.status, made.body["code"]) == (403, "forbidden")
    assert (ended.status, ended.body["code"]) == (404, "not_found")
    assert (await Api(token=text).get("me")).status == 200


async def test_person_has_at_most_fifty_tokens() -> None:
    anna = await make_user("anna")
    for _ in range(tokens.MAX_TOKENS_PER_PERSON):
        await token_of(anna)

    answer = await Api(anna).post("tokens", {"name": "one more"})

    assert (answer.status, answer.body["code"]) == (403, "forbidden")


async def test_last_use_is_written_once_a_minute() -> None:
    anna = await make_user("anna")
    token_id, text = await token_of(anna)
    program = Api(token=text)

    await program.get("me")
    first = (await ApiToken.objects.aget(pk=token_id)).last_used_at
    await program.get("me")
    second = (await ApiToken.objects.aget(pk=token_id)).last_used_at
    earlier = timezone.now() - timedelta(seconds=61)
    await ApiToken.objects.filter(pk=token_id).aupdate(last_used_at=earlier)
    await program.get("me")
    third = (await ApiToken.objects.aget(pk=token_id)).last_used_at

    assert first is not None
    assert first == second
    assert third is not None
    assert third > earlier


async def test_ticket_works_once_and_says_what_it_was_got_with(bus_redis: redis.Redis) -> None:
    anna = await make_user("anna")
    token_id, text = await token_of(anna)

    by_token = await Api(token=text).post("tickets")
    by_session = await Api(anna).post("tickets")
    value = by_token.body["ticket"]
    kept = cast(list[bytes], bus_redis.keys("veche:ticket:*"))
    lifetime = bus_redis.ttl(kept[0])

    assert by_token.body["expires_in"] == 30
    assert 0 < lifetime <= 30
    assert all(value not in key.decode() for key in kept)
    assert await tickets.redeem(value) == tickets.Ticket(anna.pk, f"token:{token_id}")
    assert await tickets.redeem(value) is None
    session = await tickets.redeem(by_session.body["ticket"])
    assert session is not None
    assert len(session.grant) == 32
    for forged in ("", "x", "x" * 10_000, value.swapcase()):
        assert await tickets.redeem(forged) is None


BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "application/json"),
    "not JSON": (b"{", "application/json"),
    "byte order mark": (b"\xef\xbb\xbf" + b'{"name":"x","kind":"public"}', "application/json"),
    "UTF-16": ('{"name":"x","kind":"public"}'.encode("utf-16"), "application/json"),
    "broken UTF-8": (b'{"name":"\xff","kind":"public"}', "application/json"),
    "twice": (b'{"name":"x","name":"y","kind":"public"}', "application/json"),
    "surrogate": (b'{"name":"\\ud800","kind":"public"}', "application/json"),
    "NUL": (b'{"name":"\\u0000","kind":"public"}', "application/json"),
    "NaN": (b'{"name":NaN,"kind":"public"}', "application/json"),
    "long number": (b'{"name":' + b"9" * 5_000 + b',"kind":"public"}', "application/json"),
    "deep": (b'{"name":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "application/json"),
    "form": (b"name=x&kind=public", "application/x-www-form-urlencoded"),
    "text": (b'{"name":"x","kind":"public"}', "text/plain"),
    "multipart": (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    "gzip": (b"\x1f\x8b\x08\x00", "application/gzip"),
    "unknown field": (b'{"name":"x","kind":"public","owner":1}', "application/json"),
    "unknown kind": (b'{"name":"x","kind":"direct"}', "application/json"),
}


async def test_bodies_that_readers_could_disagree_about_are_refused() -> None:
    anna = await make_user("anna")
    api = Api(anna)
    await api.get("me")

    for name, (body, content_type) in BAD_BODIES.items():
        response = await api.client.post("/api/v1/rooms", body, content_type=content_type)

        assert response.status_code == 400, name
        assert response.headers["Content-Type"] == "application/problem+json"
    assert await Room.objects.acount() == 0


async def test_method_that_an_address_does_not_have_changes_nothing() -> None:
    api = Api(await make_user("anna"))

    await api.get("me")
    for method in ("put", "delete", "trace"):
        refused = await getattr(api.client, method)("/api/v1/me")
        assert refused.status_code == 405
        assert refused.headers["Allow"] == "GET, HEAD"
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["status"] == 405
    overridden = await api.client.get("/api/v1/me", headers={"X-HTTP-Method-Override": "DELETE"})
    assert overridden.status_code == 200


@pytest.mark.parametrize(
    ("described", "written"),
    [
        (schemas.UserInfo, protocol.UserInfo),
        (schemas.RoomInfo, protocol.RoomInfo),
        (schemas.PublicRoom, room_list.PublicRoom),
        (schemas.MemberInfo, MemberInfo),
        (schemas.Message, protocol.Message),
        (schemas.HistoryPage, HistoryPage),
        (schemas.Event, protocol.Event),
        (schemas.Found, search.Found),
        (schemas.ThreadSummary, protocol.ThreadSummary),
        (schemas.FollowedThread, threads.FollowedThread),
        (schemas.FollowedThreads, threads.FollowedThreads),
        (schemas.ThreadRelation, thread_actions.Relation),
        (schemas.SearchResult, search.SearchResult),
    ],
)
def test_document_names_the_fields_that_are_written(described: Any, written: Any) -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(written)]

    assert list(described.model_fields) == fields


async def test_unavailable_log_is_answered_with_a_time_to_come_back(settings: Settings) -> None:
    from chat.servers import redis_log

    anna = await make_user("anna")
    api = Api(anna)
    room = (await api.post("rooms", {"name": "Plans", "kind": "public"})).body["id"]
    await redis_log.close_async_client()
    # A port on which nobody listens.
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url="redis://127.0.0.1:1/0")

    answer = await api.ask("get", f"rooms/{room}/messages", key=str(uuid7()))

    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
