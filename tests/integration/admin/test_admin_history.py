"""The moderators' history: found across rooms, read with all that happened, exported."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from chat.actions import messages
from chat.admin.kit import keyset_paging
from chat.admin.moderation import history as history_pages
from chat.admin.moderation.history_filter import HistoryFilter, messages_of
from chat.audit.permissions import Act
from chat.events import RoomKind
from chat.export import exporter as chat_export
from chat.models import AuditEntry, Message, Report, Room
from chat.servers.statement_timeout import TooSlow, limited
from chat.spreadsheets import cell
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

SCRIPT = "<script>alert('stored')</script>"


@pytest.fixture(autouse=True)
def password_alone(settings: Settings) -> None:
    without_second_factor(settings)


@pytest.fixture
def here() -> World:
    return world(kind=RoomKind.PUBLIC)


@pytest.fixture
def moderator(here: World) -> Client:
    return at_admin(staff("mara", "moderator"))


def shown(browser: Client, query: str = "") -> list[str]:
    """The texts in the list, from the top; markup that marks words is left out."""
    answer = browser.get(f"/admin/history/?{query}")
    assert answer.status_code == 200, answer.content
    lines = answer.context["lines"]
    return [str(line["text"]).replace("<mark>", "").replace("</mark>", "") for line in lines]


def edit(room: Room, message: Message, body: str) -> None:
    assert message.author_id is not None
    async_to_sync(messages.edit_message)(message.author_id, room.pk, new_key(), message.seq, body)
    stored(room)


def delete(room: Room, message: Message) -> None:
    assert message.author_id is not None
    async_to_sync(messages.delete_message)(message.author_id, room.pk, new_key(), message.seq)
    stored(room)


# Finding


def test_newest_messages_of_all_public_rooms_come_first(here: World, moderator: Client) -> None:
    other = world_room(here, "Elsewhere")
    said(here.room, here.anna, "first")
    said(other, here.anna, "second")
    said(here.room, here.boris, "third")

    assert shown(moderator) == ["third", "second", "first"]


def world_room(here: World, name: str, kind: RoomKind = RoomKind.PUBLIC) -> Room:
    from chat.actions import rooms

    return async_to_sync(rooms.create_room)(here.anna.pk, name, kind)


def test_filters_by_room_person_time_and_state(here: World, moderator: Client) -> None:
    other = world_room(here, "Elsewhere")
    said(other, here.anna, "elsewhere")
    kept = said(here.room, here.anna, "kept")
    edited = said(here.room, here.boris, "before")
    gone = said(here.room, here.boris, "gone")
    edit(here.room, edited, "after")
    delete(here.room, gone)
    Report.objects.create(
        room=here.room,
        seq=kept.seq,
        author=here.anna,
        reporter=here.boris,
        category="spam",
        created_at=kept.at,
    )

    found = {
        query: shown(moderator, query)
        for query in (
            f"room={here.room.slug}",
            f"room={other.pk}",
            "author=BORIS",
            "state=edited",
            "state=deleted",
            "state=reported",
            "since=2100-01-01",
            "until=2100-01-01T00:00",
        )
    }

    assert found == {
        f"room={here.room.slug}": ["gone", "after", "kept"],
        f"room={other.pk}": ["elsewhere"],
        "author=BORIS": ["gone", "after"],
        "state=edited": ["after"],
        "state=deleted": ["gone"],
        "state=reported": ["kept"],
        "since=2100-01-01": [],
        "until=2100-01-01T00:00": ["gone", "after", "kept", "elsewhere"],
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("сервер", True),
        ("серверами", True),
        ("тестовых", True),
        ("deploy", True),
        ("deploying", True),
        ('"тестовый сервер"', True),
        ("kubernetes", False),
        ("deployed -сервер", False),
        ("depl", True),
        ("deployed it:", True),
    ],
)
def test_words_are_found_in_all_their_forms_in_both_languages(
    here: World, moderator: Client, query: str, found: bool
) -> None:
    said(here.room, here.anna, "We deployed it: выложили на тестовый сервер.")

    assert bool(shown(moderator, f"q={quote(query)}")) is found


def test_search_among_many_uses_its_index(here: World) -> None:
    Message.objects.bulk_create(
        Message(
            room=here.room, seq=seq, n=seq, author=here.anna,
            at=timezone.now(), body="deployed" if seq == 1_900 else f"lunch {seq}",
        )
        for seq in range(100, 10_000)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message")

    with limited():
        plan = messages_of(HistoryFilter(words="deployed", private=True)).explain()

    assert "message_found" in plan


@pytest.mark.parametrize(
    "query",
    ["q=a", "q=" + "x" * 501, "room=nowhere", "author=nobody", "since=yesterday", "state=weird",
     "room=99999999999999999999", "since=0001-01-01"],
)  # fmt: skip
def test_filter_that_means_nothing_says_so(here: World, moderator: Client, query: str) -> None:
    said(here.room, here.anna, "hello")

    answer = moderator.get(f"/admin/history/?{query}")

    assert answer.status_code == 200
    assert answer.context["problems"]


@pytest.mark.parametrize("query", ["q=" + quote("' & | ! :* <-> \\"), "q=%22%22", "q=or", "q=--"])
def test_operators_of_the_search_break_nothing(here: World, moderator: Client, query: str) -> None:
    assert moderator.get(f"/admin/history/?{query}").status_code == 200


def test_pages_follow_each_other_without_gap_or_repeat_and_back(
    here: World, moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_pages, "PAGE_ROWS", 3)
    for number in range(8):
        said(here.room, here.anna, f"message {number}")
    everything = [f"message {number}" for number in reversed(range(8))]

    for query in ("", f"room={here.room.pk}"):
        seen: list[str] = []
        pages = []
        token = ""
        while True:
            answer = moderator.get(f"/admin/history/?{query}&at={token}")
            page = answer.context["page"]
            pages.append(page)
            seen += [line["message"].body for line in answer.context["lines"]]
            if page.next is None:
                break
            token = page.next
        back = moderator.get(f"/admin/history/?{query}&at={pages[-1].previous}").context["page"]

        assert seen == everything
        assert [row.body for row in back.rows] == [row.body for row in pages[-2].rows]


def test_message_that_arrives_while_somebody_pages_shifts_nothing(
    here: World, moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_pages, "PAGE_ROWS", 2)
    for number in range(4):
        said(here.room, here.anna, f"message {number}")
    first = moderator.get("/admin/history/").context["page"]

    said(here.room, here.anna, "meanwhile")

    assert shown(moderator, f"at={first.next}") == ["message 1", "message 0"]


@pytest.mark.parametrize(
    "token",
    ["x", "W10", "WzAsIm5vIiwxXQ", "WzAsMSwyXQ", "%00", "[" * 250, "WzAsIjIwMjYtMDEtMDEiLDFd"],
)
def test_forged_place_in_the_list_is_refused(here: World, moderator: Client, token: str) -> None:
    assert moderator.get(f"/admin/history/?at={token}").status_code == 400


def test_list_that_takes_too_long_is_refused_with_advice(
    here: World, moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*args: Any) -> Any:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 50")
            cursor.execute("SELECT pg_sleep(10)")

    monkeypatch.setattr(history_pages, "read_page", slow)

    answer = moderator.get("/admin/history/?q=hello")

    assert answer.status_code == 503
    assert "takes too long" in answer.content.decode()


def test_word_that_is_too_frequent_for_its_index_is_found_in_the_order_of_the_list(
    here: World, moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bitmaps = []

    def slow_with_bitmaps(*args: Any) -> Any:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_bitmapscan")
            bitmaps.append(cursor.fetchone()[0])
            if bitmaps[-1] == "on":
                cursor.execute("SELECT pg_sleep(10)")
        return keyset_paging.read_page(*args)

    monkeypatch.setattr(history_pages, "BY_WORDS_TIMEOUT_MS", 50)
    monkeypatch.setattr(history_pages, "read_page", slow_with_bitmaps)
    said(here.room, here.anna, "a frequent word")

    assert shown(moderator, "q=frequent") == ["a frequent word"]
    assert bitmaps == ["on", "off"]


def test_statement_over_the_limit_is_ended_by_postgresql() -> None:
    from django.db import connection

    with pytest.raises(TooSlow), limited(50), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(10)")


# Private rooms


@pytest.fixture
def private_room(here: World) -> Room:
    room = world_room(here, "Secret", RoomKind.PRIVATE)
    said(room, here.anna, "the secret plan")
    return room


def test_private_rooms_are_left_out_until_they_are_asked_for_on_record(
    here: World, moderator: Client, private_room: Room
) -> None:
    said(here.room, here.anna, "public")

    assert shown(moderator) == ["public"]
    assert shown(moderator, "q=secret") == []
    assert recorded(action=Act.ROOM_READ) == []

    assert shown(moderator, "private=1") == ["public", "the secret plan"]
    assert shown(moderator, "private=1&q=secret") == ["the secret plan"]
    entries = recorded(action=Act.ROOM_READ)
    assert [(entry.room_id, entry.actor_name) for entry in entries] == [
        (private_room.pk, "mara")
    ] * 2
    assert "secret" not in json.dumps([entry.after for entry in entries])


def test_who_may_not_read_private_rooms_learns_nothing_of_them(
    here: World, private_room: Room
) -> None:
    browser = at_admin(staff("boss", "administrator"))
    [secret] = Message.objects.filter(room=private_room)

    listed = [
        browser.get(f"/admin/history/?{query}").content.decode()
        for query in ("private=1", "private=1&q=secret", f"room={private_room.pk}&private=1")
    ]
    opened = browser.get(f"/admin/history/{private_room.pk}/{secret.seq}/")
    absent = browser.get(f"/admin/history/{private_room.pk}/9999/")
    exported = export(browser, "csv", private="1")
    preview = browser.post("/admin/act/", {"action": Act.MESSAGE_DELETE, "ids": secret.pk})

    assert not any("the secret plan" in page for page in [*listed, exported])
    assert (opened.status_code, absent.status_code) == (404, 404)
    assert "the secret plan" not in preview.content.decode()
    assert recorded(action=Act.ROOM_READ) == []


def test_reading_what_was_deleted_or_replaced_is_on_record_in_public_rooms_too(
    here: World, moderator: Client
) -> None:
    public = world_room(here, "Square", RoomKind.PUBLIC)
    deleted, edited, plain = [said(public, here.anna, f"draft {n}") for n in range(3)]
    async_to_sync(messages.delete_message)(here.anna.pk, public.pk, new_key(), deleted.seq)
    async_to_sync(messages.edit_message)(here.anna.pk, public.pk, new_key(), edited.seq, "final")
    stored(public)

    assert moderator.get(f"/admin/history/{public.pk}/{edited.seq}/").status_code == 200
    [entry] = recorded(action=Act.ROOM_READ)
    assert (entry.room_id, entry.actor_name) == (public.pk, "mara")
    assert entry.after == {
        "read": "message and around it, deleted or replaced texts, "
        f"seq {deleted.seq} to {edited.seq}"
    }
    assert "draft 0" in shown(moderator)
    assert len(recorded(action=Act.ROOM_READ)) == 2

    shown(moderator, "q=final")
    shown(moderator, f"q={quote('draft 2')}")
    assert len(recorded(action=Act.ROOM_READ)) == 2  # nothing of it was deleted
    assert plain.seq > edited.seq


def test_opening_a_message_of_a_private_room_is_on_record(
    here: World, moderator: Client, private_room: Room
) -> None:
    [secret] = Message.objects.filter(room=private_room)

    page = moderator.get(f"/admin/history/{private_room.pk}/{secret.seq}/")

    assert "the secret plan" in page.content.decode()
    [entry] = recorded(action=Act.ROOM_READ)
    assert (entry.room_id, entry.door) == (private_room.pk, AuditEntry.Channel.ADMIN)


@pytest.mark.parametrize(
    ("form", "reads"),
    [
        ({}, 1),
        ({"confirmed": "1"}, 1),
        ({"confirmed": "1", "why": " \n "}, 1),
        ({"confirmed": "1", "why": "x" * 501}, 1),
        ({"confirmed": "1", "why": "it is rude"}, 0),
    ],
)
def test_act_shows_texts_of_private_rooms_exactly_when_that_is_on_record(
    here: World, moderator: Client, private_room: Room, form: dict[str, str], reads: int
) -> None:
    [secret] = Message.objects.filter(room=private_room)

    page = moderator.post(
        "/admin/act/",
        {"action": Act.MESSAGE_DELETE, "ids": secret.pk, "key": str(new_key()), **form},
    )

    assert page.status_code == 200
    assert ("the secret plan" in page.content.decode()) == bool(reads)
    assert len(recorded(action=Act.ROOM_READ)) == reads


# One message


def test_message_page_shows_place_watermarks_and_every_change(
    here: World, moderator: Client
) -> None:
    message = said(here.room, here.boris, "The frist word")
    edit(here.room, message, "The first word")
    edit(here.room, message, "The last word")
    async_to_sync(messages.react)(here.anna.pk, here.room.pk, new_key(), message.seq, "👍")
    delete(here.room, message)
    address = f"/admin/history/{here.room.pk}/{message.seq}/"

    before = moderator.get(address)
    from django.conf import settings

    from chat.events import shard_of

    chat_export.of_process().export(shard_of(here.room.pk, settings.ENV.shards))
    after = moderator.get(address)

    changes = before.context["changes"]
    assert [(change.type, change.before, change.after) for change in changes] == [
        ("message.posted", None, "The frist word"),
        ("message.edited", "The frist word", "The first word"),
        ("message.edited", "The first word", "The last word"),
        ("reaction.added", None, None),
        ("message.deleted", None, None),
    ]
    assert [change.actor for change in changes] == ["boris"] * 3 + ["anna", "boris"]
    event = before.context["event"]
    assert (event.seq, event.n, event.epoch) == (message.seq, message.n, 1)
    assert (before.context["is_exported"], after.context["is_exported"]) == (False, True)


def test_change_of_another_message_is_not_shown(here: World, moderator: Client) -> None:
    one, other = said(here.room, here.boris, "one"), said(here.room, here.boris, "other")
    edit(here.room, other, "changed")

    page = moderator.get(f"/admin/history/{here.room.pk}/{one.seq}/")

    assert [change.type for change in page.context["changes"]] == ["message.posted"]
    assert [near.body for near in page.context["around"]] == ["one", "changed"]


def test_what_people_wrote_is_shown_as_text(here: World, moderator: Client) -> None:
    message = said(here.room, here.boris, f"{SCRIPT} x-data=alert(1) {{{{ 7 }}}}")
    edit(here.room, message, f"{SCRIPT} deployed")

    pages = [
        moderator.get(address).content.decode()
        for address in (
            "/admin/history/",
            "/admin/history/?q=deployed",
            f"/admin/history/{here.room.pk}/{message.seq}/",
        )
    ]
    preview = moderator.post("/admin/act/", {"action": Act.MESSAGE_DELETE, "ids": message.pk})

    for page in [*pages, preview.content.decode()]:
        assert SCRIPT not in page
        assert "&lt;script&gt;" in page
    assert "<mark>deployed</mark>" in pages[1]


# Export


def export(browser: Client, format: str, **form: Any) -> str:
    begun = browser.post("/admin/history/export/start/", {"format": format, **form})
    assert begun.status_code == 200, begun.content
    ticket, at, text = begun.json()["ticket"], "", ""
    while True:
        part = browser.get("/admin/history/export/rows/", {"ticket": ticket, "at": at})
        assert part.status_code == 200
        text += part.content.decode()
        at = part.headers.get("X-Export-Next", "")
        if not at:
            return text


def test_export_has_all_rows_once_whatever_the_size_of_a_stretch(
    here: World, moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.admin.kit.export.STRETCH_ROWS", 2)
    for number in range(5):
        said(here.room, here.anna, f"message {number}\nsecond line")

    lines = [json.loads(line) for line in export(moderator, "jsonl").splitlines()]
    table = list(csv.DictReader(io.StringIO(export(moderator, "csv", room=here.room.slug))))

    expected = [f"message {number}\nsecond line" for number in reversed(range(5))]
    assert [line["body"] for line in lines] == expected
    assert [row["body"] for row in table] == expected
    assert lines[0]["epoch"] == 1
    assert [(entry.after or {})["format"] for entry in recorded(action=Act.HISTORY_EXPORT)] == [
        "jsonl",
        "csv",
    ]


def test_export_of_chosen_messages_has_these_only(here: World, moderator: Client) -> None:
    one, _, three = (said(here.room, here.anna, text) for text in ("one", "two", "three"))

    preview = moderator.post("/admin/history/export/", {"ids": [one.pk, three.pk]})
    text = export(moderator, "jsonl", ids=[one.pk, three.pk])

    assert preview.context["count"] == 2
    assert [json.loads(line)["body"] for line in text.splitlines()] == ["three", "one"]


@pytest.mark.parametrize("body", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", " =cmd|' /C calc'!A0"])
def test_cell_is_never_a_formula(body: str) -> None:
    assert cell(body) == f"'{body}"


def test_export_defuses_formulas_that_people_write(here: World, moderator: Client) -> None:
    said(here.room, here.anna, "=HYPERLINK(0)")

    [row] = csv.DictReader(io.StringIO(export(moderator, "csv")))

    assert row["body"] == "'=HYPERLINK(0)"


def test_export_of_private_rooms_records_each(
    here: World, moderator: Client, private_room: Room
) -> None:
    text = export(moderator, "jsonl", private="1")

    assert "the secret plan" in text
    assert [entry.room_id for entry in recorded(action=Act.ROOM_READ)] == [private_room.pk]


def test_rows_come_only_with_a_signed_request_of_ones_own(here: World, moderator: Client) -> None:
    said(here.room, here.anna, "hello")
    ticket = moderator.post("/admin/history/export/start/", {"format": "csv"}).json()["ticket"]
    other = at_admin(staff("zoe", "moderator"))
    auditor = at_admin(staff("uta", "auditor"))

    answers = [
        other.get("/admin/history/export/rows/", {"ticket": ticket}),
        auditor.get("/admin/history/export/rows/", {"ticket": ticket}),
        moderator.get("/admin/history/export/rows/", {"ticket": ticket + "x"}),
        moderator.get("/admin/history/export/rows/"),
        auditor.get("/admin/audit/export/rows/", {"ticket": ticket}),
    ]

    assert {answer.status_code for answer in answers} == {403}
