"""The delivery page and the start page: how far everything is, and what stands still."""

from __future__ import annotations

import dataclasses
import os
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from chat import dead_letters
from chat.actions import messages
from chat.admin.delivery import drain_rates, verification
from chat.audit.permissions import Act
from chat.dead_letters import DeadLetterOrigin, Reason
from chat.events import RoomKind, shard_of
from chat.export import exporter
from chat.hub import announcing
from chat.hub.announcing import WebProcess
from chat.models import Report, Room, RoomEvent, ShardCursor
from chat.monitoring import delivery_health, event_bus_state, installation_metrics, probe_account
from chat.monitoring.event_bus_state import EventBusState
from chat.servers import redis_bus
from tests.support.admin_world import (
    at_admin,
    recorded,
    said,
    staff,
    stored,
    without_second_factor,
    world,
)
from tests.support.moderation_world import World
from tests.support.rooms import new_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def password_alone(settings: Settings) -> None:
    without_second_factor(settings)


@pytest.fixture
def here() -> World:
    return world(kind=RoomKind.PUBLIC)


@pytest.fixture
def browser(here: World) -> Client:
    return at_admin(staff("boss", "administrator"))


def shard(here: World) -> int:
    return shard_of(here.room.pk, django_settings.ENV.shards)


def log_only(here: World, body: str) -> None:
    async_to_sync(messages.post_message)(here.anna.pk, here.room.pk, new_key(), body)


# Figures


def test_page_shows_head_stored_and_exported_of_a_room(here: World, browser: Client) -> None:
    said(here.room, here.anna, "stored")
    exporter.of_process().export(shard(here))
    said(here.room, here.anna, "stored, not exported")
    log_only(here, "logged, not stored")

    page = browser.get("/admin/delivery/figures/").context
    alone = browser.get(f"/admin/delivery/figures/?room={here.room.slug}").context

    [one] = [room for room in page["rooms"] if room.room == here.room.pk]
    assert (one.head, one.stored, one.exported) == (one.stored + 1, one.exported + 1, one.exported)
    assert (one.unstored, one.unexported, one.lag) == (1, 1, 2)
    assert [room.room for room in alone["rooms"]] == [here.room.pk]
    assert (page["totals"]["unstored"], page["totals"]["unexported"]) == (1, 1)


def test_export_that_was_set_back_has_everything_before_it(here: World, browser: Client) -> None:
    said(here.room, here.anna, "published")
    exporter.of_process().export(shard(here))
    done = browser.get("/admin/delivery/figures/").context["totals"]["unexported"]
    exporter.rewind(shard(here))

    set_back = browser.get("/admin/delivery/figures/").context["totals"]["unexported"]

    assert (done, set_back) == (0, RoomEvent.objects.count())


def test_rates_are_what_was_stored_and_exported_between_two_looks(here: World) -> None:
    stored(here.room)
    drain_rates.rates()
    for number in range(10):
        said(here.room, here.anna, f"message {number}")
    raw = cast(list[bytes], redis_bus.blocking_client().lrange(drain_rates.KEY, 0, 0))
    earlier = msgspec.json.decode(raw[0], type=drain_rates.Sample)
    back_dated = drain_rates.Sample(
        earlier.at - timedelta(seconds=20), earlier.stored, earlier.exported
    )
    redis_bus.blocking_client().lset(drain_rates.KEY, 0, msgspec.json.encode(back_dated).decode())

    rates = drain_rates.rates()

    assert rates.seconds >= 20
    assert rates.stored[shard(here)] == pytest.approx(10 / rates.seconds)
    assert rates.exported[shard(here)] == 0
    assert rates.unexported[shard(here)] == RoomEvent.objects.count()


def test_web_processes_tell_their_sockets_and_breakers(browser: Client) -> None:
    def process(name: str, age: float) -> WebProcess:
        return WebProcess(
            name=name,
            at=datetime.now(UTC) - timedelta(seconds=age),
            started_at=datetime.now(UTC),
            sockets=7,
            rooms=3,
            draining=False,
            breakers={"database": "closed", "log": "open", "bus": "half_open"},
        )

    client = redis_bus.blocking_client()
    for one in (process("web-1:10", 1), process("web-2:11", 1), process("gone:12", 60)):
        client.hset(announcing.KEY, one.name, msgspec.json.encode(one))
    client.hset(announcing.KEY, "other-version", b"{}")

    page = browser.get("/admin/delivery/")

    assert [one.name for one in page.context["processes"]] == ["web-1:10", "web-2:11"]
    assert set(client.hkeys(announcing.KEY)) == {b"web-1:10", b"web-2:11"}
    text = page.content.decode()
    assert "half-open" in text
    assert ">14<" in text


async def test_process_announces_itself_until_its_hub_ends() -> None:
    import asyncio

    hub = SimpleNamespace(sockets={1, 2}, feeds={5: None}, draining=False)
    task = asyncio.create_task(announcing.announce(cast(Any, hub)))

    async with asyncio.timeout(30):
        # Between two looks at the bus.
        while not (found := await asyncio.to_thread(announcing.processes)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await redis_bus.close()

    assert [(one.sockets, one.rooms) for one in found] == [(2, 1)]
    assert found[0].breakers == {"database": "closed", "log": "closed", "bus": "closed"}


@pytest.mark.parametrize("away", ["log", "bus"])
def test_pages_show_the_rest_while_a_server_is_away(
    here: World, browser: Client, settings: Settings, away: str
) -> None:
    stored(here.room)
    url: dict[str, Any] = {f"{away}_redis_url": "redis://127.0.0.1:1/0"}
    settings.ENV = dataclasses.replace(settings.ENV, **url)

    pages = [browser.get(address) for address in ("/admin/delivery/", "/admin/")]

    assert {page.status_code for page in pages} == {200}
    rooms = pages[0].context["rooms"]
    assert [room.stored for room in rooms if room.room == here.room.pk] != []


# Stopped shards


def test_stopped_shard_says_what_to_do_and_goes_on_with_a_reason(
    here: World, browser: Client
) -> None:
    stored(here.room)
    cursor = ShardCursor.objects.get(shard=shard(here), kind="persist")
    cursor.stopped_at, cursor.stopped_reason = datetime.now(UTC), "50 <b>refused</b>"
    cursor.save()
    form = {"shard": cursor.shard, "kind": "persist", "why": "the migration ran"}

    page = browser.get("/admin/delivery/").content.decode()
    start = browser.get("/admin/").content.decode()
    browser.post("/admin/delivery/resume/", {**form, "why": ""})
    still = ShardCursor.objects.get(pk=cursor.pk).stopped_at
    for _ in range(2):
        browser.post("/admin/delivery/resume/", form)

    assert "50 &lt;b&gt;refused" in page
    assert "Stopped shards" in start
    assert still is not None
    assert ShardCursor.objects.get(pk=cursor.pk).stopped_at is None
    assert [entry.reason for entry in recorded(action=Act.SHARD_RESUME)] == ["the migration ran"]


@pytest.mark.parametrize("bad", [{"shard": "99"}, {"shard": "-1"}, {"shard": "x"}, {"kind": "x"}])
def test_shard_that_is_none_is_refused(browser: Client, bad: dict[str, str]) -> None:
    form = {"shard": "0", "kind": "persist", "why": "x", **bad}

    assert browser.post("/admin/delivery/resume/", form).status_code == 400


# Verification


def run(browser: Client, room: int, monkeypatch: pytest.MonkeyPatch) -> verification.Verification:
    """Presses the button and waits for the answer; the child uses the tests' database."""
    url = os.environ["DATABASE_URL"].rpartition("/")[0]
    name = connection.settings_dict["NAME"]
    monkeypatch.setenv("DATABASE_URL", f"{url}/{name}")
    answer = browser.post("/admin/delivery/verify/", {"room": room})
    assert answer.status_code == 302
    deadline = datetime.now(UTC) + timedelta(seconds=verification.LIMIT_SECONDS + 30)
    while True:
        page = browser.get(f"/admin/delivery/verify/{room}/").content
        found = verification.last(room)
        assert found is not None
        if found.state != verification.RUNNING:
            return found
        assert b"data-ended" not in page
        assert datetime.now(UTC) < deadline
        time.sleep(0.1)  # between two looks at another process


@pytest.mark.timeout(400)  # two processes begin, which on a busy machine is long
def test_button_verifies_a_room_and_shows_that_nothing_is_missing_and_then_what_is(
    here: World, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(here.room, here.anna, "one")
    broken = said(here.room, here.anna, "two")
    exporter.of_process().export(shard(here))

    clean = run(browser, here.room.pk, monkeypatch)
    RoomEvent.objects.filter(room=here.room, seq=broken.seq).update(data={"body": "changed"})
    different = run(browser, here.room.pk, monkeypatch)
    page = browser.get(f"/admin/delivery/?room={here.room.pk}").content.decode()

    assert (clean.state, clean.by) == (verification.CLEAN, "boss")
    assert different.state == verification.DIFFERENT
    assert different.report is not None
    assert {one.seq for one in different.report.findings} == {broken.seq}
    assert f"{here.room.pk}:{broken.seq}" in page
    assert len(recorded(action=Act.ROOM_VERIFY)) == 2


def test_verification_that_takes_too_long_is_ended(
    here: World, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "LIMIT_SECONDS", 0.01)

    ended = run(browser, here.room.pk, monkeypatch)

    assert ended.state == verification.TOO_LONG


def test_one_verification_at_a_time(here: World, browser: Client) -> None:
    redis_bus.blocking_client().set(verification.RUNNING_KEY, here.room.pk)

    answer = browser.post("/admin/delivery/verify/", {"room": here.room.pk}, follow=True)

    assert "Only one can run at a time" in answer.content.decode()
    assert verification.last(here.room.pk) is None
    assert recorded(action=Act.ROOM_VERIFY) == []


def test_verification_of_a_room_that_is_none_is_refused(browser: Client) -> None:
    assert browser.post("/admin/delivery/verify/", {"room": "nowhere"}).status_code == 400


# The event bus


@pytest.mark.parametrize(
    ("state", "card", "level", "shown"),
    [
        ({"weaknesses": ["replication factor is 1"]}, "weak", "warning", "replication factor is 1"),
        ({"refused": "Topic t is compacted."}, "not used", "danger", "Topic t is compacted."),
    ],
)
def test_what_the_event_bus_is_worth_is_shown(
    here: World, browser: Client, state: dict[str, Any], card: str, level: str, shown: str
) -> None:
    found = EventBusState(datetime.now(UTC), "kafka", **state)
    redis_bus.blocking_client().set(event_bus_state.KEY, msgspec.json.encode(found))

    cards = {one.title: one for one in browser.get("/admin/").context["cards"]}
    page = browser.get("/admin/delivery/").content.decode()
    samples = {one.name: one.samples[0].value for one in installation_metrics.read_bus()}

    assert (cards["Event bus"].figure, cards["Event bus"].level) == (card, level)
    assert shown in page
    assert samples["veche_weak_event_bus"] == (card == "weak")
    assert samples["veche_event_bus_refused"] == (card == "not used")


def test_strong_event_bus_is_not_mentioned(here: World, browser: Client) -> None:
    event_bus_state.look()

    cards = {one.title for one in browser.get("/admin/").context["cards"]}

    assert event_bus_state.last() is not None
    assert "Event bus" not in cards


# Start page


def test_start_page_says_what_needs_a_person(
    here: World, browser: Client, settings: Settings
) -> None:
    settings.ENV = dataclasses.replace(settings.ENV, allow_weak_log=True)
    message = said(here.room, here.boris, "rude")
    Report.objects.create(
        room=here.room,
        seq=message.seq,
        author=here.boris,
        reporter=here.anna,
        category="spam",
        created_at=message.at,
    )
    dead_letters.add(
        source="persist",
        reason=Reason.NO_ROOM,
        error="e",
        origin=DeadLetterOrigin(seq=1),
        payload=b"",
    )
    delivery_health.check_recent_rooms()

    cards = {card.title: card for card in browser.get("/admin/").context["cards"]}

    assert (cards["Open reports"].figure, cards["Open reports"].level) == ("1", "warning")
    assert (cards["Dead letters"].figure, cards["Dead letters"].level) == ("1", "danger")
    assert cards["Log"].level == "danger"
    assert (cards["Violations"].figure, cards["Violations"].level) == ("0", "")


def test_start_page_shows_todays_figures_and_nothing_one_may_not_look_into(here: World) -> None:
    said(here.room, here.anna, "hello")
    probe = probe_account.ensure_user()
    probes = Room.objects.get(pk=async_to_sync(probe_account.ensure_room)(probe.pk))
    said(probes, probe, "probe")
    nobody = at_admin(staff("nobody"))

    page = nobody.get("/admin/").context

    assert page["cards"] == []
    assert (page["today"]["messages"], page["today"]["people"], page["today"]["rooms"]) == (1, 1, 1)
    assert page["analytics_url"] is None or page["analytics_url"].startswith("/")
