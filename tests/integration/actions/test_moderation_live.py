"""People who are shut out while connected: how soon sockets close, and what still gets through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from chat.actions import moderation, people, reports
from chat.audit.permissions import Act
from chat.events import Role
from chat.models import AuditEntry
from localstack.web_process import WebProcess
from tests.support.chat_world import by, store
from tests.support.moderation_world import WHY, make_world
from tests.support.rooms import new_key, post
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    with (
        django_db_blocker.unblock(),
        web_process(log, HEARTBEAT_SECONDS="1", SENDS_BURST="300") as process,
    ):
        yield process


async def test_deactivated_person_is_cut_off_with_4403_and_does_not_come_back(
    server: WebProcess, record_property: Any
) -> None:
    world = await make_world()
    await store(world.room.pk)
    async with await ChatClient.hello(server, world.boris) as boris:
        began = time.monotonic()
        await people.deactivate_person(by(world.staff, staff=True), world.boris.pk, WHY)
        code = await boris.close_code()
        record_property("seconds", round(time.monotonic() - began, 3))

    comes_back = await ChatClient.open(server, world.boris)
    assert (code, await comes_back.close_code()) == (4403, 4401)


async def test_banned_person_is_told_and_gets_nothing_more_of_the_room(
    server: WebProcess, record_property: Any
) -> None:
    world = await make_world()
    await store(world.room.pk)
    async with await ChatClient.hello(server, world.boris) as boris:
        await boris.pong()
        began = time.monotonic()
        outcome = await moderation.ban_member(
            by(world.staff, staff=True), world.room.pk, world.boris.pk, WHY
        )
        assert outcome.seq is not None
        events = await boris.events_until(world.room.pk, outcome.seq)
        record_property("seconds", round(time.monotonic() - began, 3))
        await post(world.room, world.anna, "not for boris")
        refused = await boris.post(world.room.pk, "still here?")
        await boris.pong()

    assert (events[-1]["type"], events[-1]["data"]["banned"]) == ("member.removed", True)
    assert boris.events[world.room.pk][-1]["seq"] == outcome.seq
    assert refused["code"] == "not_found"


async def test_muted_and_slowed_people_are_told_what_to_wait_for(server: WebProcess) -> None:
    world = await make_world()
    await store(world.room.pk)
    async with await ChatClient.hello(server, world.boris) as boris:
        await moderation.set_slow_mode(by(world.mod), world.room.pk, 600)
        first = await boris.post(world.room.pk, "one")
        slowed = await boris.post(world.room.pk, "two")
        await people.mute_person(by(world.staff, staff=True), world.boris.pk, 60, WHY)
        muted = await boris.post(world.room.pk, "three")
        events = await boris.events_until(world.room.pk, first["seq"] + 1)
    await store(world.room.pk)
    async with await ChatClient.hello(server, world.boris) as boris:
        [info] = boris.welcome["rooms"]

    assert (slowed["code"], 590 < slowed["retry_after"] <= 600) == ("rate_limited", True)
    assert muted["code"] == "muted"
    assert events[-1]["data"]["everywhere"] is True
    assert info["slow_mode_seconds"] == 600
    assert info["muted_until"] is not None


async def test_reporter_is_told_at_once_when_a_report_is_closed(server: WebProcess) -> None:
    world = await make_world()
    posted = await post(world.room, world.boris, "Buy now")
    made = await reports.report_message(world.anna.pk, world.room.pk, posted.event.seq, "spam")
    async with await ChatClient.hello(server, world.anna) as anna:
        await anna.pong()
        await reports.resolve(by(world.staff, staff=True), made.pk, Act.MESSAGE_DELETE, options=WHY)
        notice = await anna.receive("report")

    assert notice == {"t": "report", "report": made.pk, "state": "resolved"}


async def test_moderators_are_told_when_reports_come_and_go_but_of_none_about_themselves(
    server: WebProcess,
) -> None:
    world = await make_world()
    await moderation.set_role(by(world.anna), world.room.pk, world.boris.pk, Role.MODERATOR)
    await store(world.room.pk)
    posted = await post(world.room, world.boris, "Buy now")
    async with (
        await ChatClient.hello(server, world.mod) as mod,
        await ChatClient.hello(server, world.boris) as boris,
    ):
        await mod.pong(), await boris.pong()
        for _ in range(2):  # the second time it is there already
            made = await reports.report_message(
                world.anna.pk, world.room.pk, posted.event.seq, "spam"
            )
        came = await mod.receive("report")
        await reports.dismiss(by(world.staff, staff=True), made.pk, WHY.reason)
        went = await mod.receive("report")
        # Later than both, and on the same way.
        own = await post(world.room, world.mod, "Sorry")
        about_mod = await reports.report_message(
            world.anna.pk, world.room.pk, own.event.seq, "other"
        )
        notice = await boris.receive("report")

    assert came == went == {"t": "report", "report": made.pk, "state": "waiting"}
    assert notice == {"t": "report", "report": about_mod.pk, "state": "waiting"}


async def test_message_of_another_deleted_over_the_socket_is_on_record_and_answered(
    server: WebProcess,
) -> None:
    world = await make_world()
    posted = await post(world.room, world.boris, "Buy now")
    async with await ChatClient.hello(server, world.mod) as mod:
        ok = await mod.ask(t="delete", room=world.room.pk, key=new_key(), target=posted.event.seq)
        again = await mod.ask(t="delete", room=world.room.pk, key=new_key(), target=99)

    assert (ok["t"], ok["seq"]) == ("ok", posted.event.seq + 1)
    assert again["code"] == "not_found"
    entry = await AuditEntry.objects.aget(action="message.delete")
    assert (entry.door, entry.address, entry.reason) == ("socket", "127.0.0.1", "")
