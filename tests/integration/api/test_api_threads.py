"""Threads over REST: the same as over the socket."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from chat.accounts import tokens
from chat.models import User
from chat.protocol.scopes import Scope
from tests.support.chat_world import Api, make_user, store
from tests.support.rooms import new_key, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)


async def two_people() -> tuple[User, User, int, int]:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await new_room(anna, boris)
    root = (await post(room, anna, "Lunch?")).event.seq
    await store(room.pk)
    return anna, boris, room.pk, root


async def test_reply_has_a_place_and_is_in_the_page() -> None:
    anna, boris, room, root = await two_people()
    path, key = f"rooms/{room}/messages/{root}/replies", new_key()

    place = await Api(boris).post(path, {"body": "yes"}, key=key)
    again = await Api(boris).post(path, {"body": "yes"}, key=key)
    shown = await Api(boris).post(path, {"body": "all", "to_room": True}, key=new_key())
    page = await Api(anna).get(path)

    assert (place.status, place.body, shown.body["n"]) == (201, again.body, 2)
    assert page.status == 200
    assert page.body["message"]["replies"]["replies"] == 2
    assert [one["body"] for one in page.body["messages"]] == ["yes", "all"]


async def test_refused_replies_say_why() -> None:
    _, boris, room, root = await two_people()
    api, path = Api(boris), f"rooms/{room}/messages"

    empty = await api.post(f"{path}/{root}/replies", {"body": " "}, key=new_key())
    missing = await api.post(f"{path}/999/replies", {"body": "yes"}, key=new_key())
    stranger = await Api(await make_user("eve")).get(f"{path}/{root}/replies")

    assert (empty.status, empty.body["code"]) == (400, "empty")
    assert (missing.status, missing.body["code"]) == (404, "not_found")
    assert (stranger.status, stranger.body["code"]) == (404, "not_found")


async def test_thread_is_followed_read_and_muted() -> None:
    anna, boris, room, root = await two_people()
    of_anna, path = Api(anna), f"rooms/{room}/messages/{root}"
    place = await Api(boris).post(f"{path}/replies", {"body": "yes"}, key=new_key())
    await store(room)

    unread = await of_anna.get("threads")
    read = await of_anna.ask("put", f"{path}/read", {"seq": place.body["seq"]})
    seen = await of_anna.get("threads?limit=1")
    muted = await of_anna.ask("put", f"{path}/following", {"following": False})
    none = await of_anna.get("threads")

    [thread] = unread.body["threads"]
    assert (thread["room"], thread["root"], thread["unread"]) == (room, root, 1)
    assert (unread.body["unread"], unread.body["next"]) == (1, None)
    assert read.body == {"room": room, "root": root, "following": True, "read": place.body["seq"]}
    assert seen.body["threads"][0]["unread"] == 0
    assert (muted.body["following"], none.body["threads"]) == (False, [])


async def test_token_needs_the_scope_to_write_for_what_changes_something() -> None:
    anna, _, room, root = await two_people()
    _, token = await sync_to_async(tokens.issue)(anna.pk, "reader", [Scope.READ])
    api, path = Api(token=token), f"rooms/{room}/messages/{root}"

    assert (await api.get("threads")).status == 200
    assert (await api.get(f"{path}/replies")).status == 200
    assert (await api.post(f"{path}/replies", {"body": "yes"}, key=new_key())).status == 403
    for name, body in (("read", {"seq": 1}), ("following", {"following": True})):
        assert (await api.ask("put", f"{path}/{name}", body)).status == 403
