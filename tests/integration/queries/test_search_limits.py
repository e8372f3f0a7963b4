"""Whatever people write can be stored: the words that search makes of a body are limited, and so is
the time that this takes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from chat import room_log
from chat.actions import messages
from chat.models import Message, Room, RoomEvent, User
from chat.persistence import drain, projections
from chat.persistence.drain import STATEMENT_CHARACTERS
from chat.persistence.projections import Placed
from chat.persistence.sorting import Candidate
from chat.protocol import MAX_BODY_CHARACTERS
from chat.queries import found_messages
from chat.queries.message_search import matching
from chat.queries.search_query import parse
from tests.support.chat_world import Api, make_user, store
from tests.support.rooms import new_key, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)

LENGTH = MAX_BODY_CHARACTERS
# A word has 200 characters at most, and PostgreSQL accepts lexemes of 2,046 bytes and index
# entries of about 2,700.
LONGEST_LEXEME_BYTES = 800
# Pairs of the longest body in a script without spaces; a tsvector may have 1 MB.
MOST_LEXEMES, MOST_BYTES = 2 * LENGTH, 200_000
# For one body: a tenth of what a statement may take. On an idle core it takes a twentieth of this.
BODY_TIMEOUT_MS = 1_500


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


def filled(text: str) -> str:
    return (text * (LENGTH // len(text) + 1))[:LENGTH]


def drawn(seed: int, characters: Sequence[str]) -> str:
    return "".join(random.Random(seed).choices(characters, k=LENGTH))


def between(first: int, last: int) -> list[str]:
    return [chr(code) for code in range(first, last + 1)]


def words(seed: int, letters: Sequence[str], length: int) -> str:
    dice = random.Random(seed)
    return " ".join("".join(dice.choices(letters, k=length)) for _ in range(LENGTH // (length + 1)))


LATIN, CYRILLIC = between(0x61, 0x7A), between(0x430, 0x44F)
BODIES = {
    "pipes": filled("|"),
    "lines of pipes": filled("|\n"),
    "cells": filled("a|"),
    "tables": filled("| a | b |\n|---|---|\n"),
    "dots": filled("."),
    "slashes": filled("/"),
    "backslashes": filled("\\"),
    "quotes": filled("'"),
    "hyphens": filled("a-"),
    "at signs": filled("a@"),
    "entities": filled("&a;"),
    "open tags": filled("<"),
    "tags": filled("<a href='b'>"),
    "underscores": filled("_"),
    "spaces": "a" + " " * (LENGTH - 2) + "b",
    "lines": "a" + "\n" * (LENGTH - 2) + "b",
    "one letter": filled("a"),
    "one Cyrillic letter": filled("ж"),
    "one digit": filled("1"),
    "letters and digits": filled("a1"),
    "numbers with points": filled("1."),
    "exponents": filled("1e"),
    "versions": filled("1.2.3-rc4+5 "),
    "words of two letters": words(1, LATIN, 2),
    "words of four letters": words(2, LATIN, 4),
    "Russian words": words(3, CYRILLIC, 4),
    "words of a hundred letters": words(4, LATIN, 100),
    "words of 200 characters of four bytes": words(5, between(0x10400, 0x1044F), 200),
    "addresses": filled("http://a.b/c/d?e=f&g#h "),
    "an address in an address": filled("http://a.b/?u=https://c.d/"),
    "schemes": filled("http://"),
    "a path": filled("a/"),
    "base64": drawn(6, [*LATIN, *between(0x41, 0x5A), *between(0x30, 0x39), "+", "/"]),
    "Chinese": drawn(7, between(0x4E00, 0x9FFF)),
    "one ideograph": filled("中"),
    "rare ideographs": drawn(8, between(0x20000, 0x2A6DF)),
    "Korean": drawn(9, between(0xAC00, 0xD7A3)),
    "letters of syllables": filled("\u1100\u1161\u11a8"),
    "kana of half width": drawn(10, between(0xFF66, 0xFF9D)),
    "Thai": drawn(11, between(0x0E01, 0x0E3A)),
    "Thai vowels in two": filled("กำ"),
    "Arabic": words(12, between(0x0627, 0x064A), 4),
    "Hindi": drawn(13, [*between(0x0905, 0x0939), *between(0x093E, 0x094D), " "]),
    "marks": "e" + "\u0301" * (LENGTH - 1),
    "letters with marks": filled("e\u0301"),
    "letters with several marks": filled("a\u0323\u0307\u0328"),
    "Greek with marks": filled("\u0390\u1f82"),
    "dotted capitals": filled("\u0130"),
    "sharp s": filled("\u1e9e\u00df"),
    "characters that stand for eighteen": filled("\ufdfa"),
    "many characters that stand for more": drawn(14, between(0xFB50, 0xFDFB)),
    "ligatures": filled("\ufb03"),
    "mathematical letters": drawn(15, between(0x1D400, 0x1D7FF)),
    "emoji": drawn(16, between(0x1F300, 0x1FAFF)),
    "one emoji": filled("👩‍💻"),
    "signs": drawn(17, between(0x2190, 0x2BFF)),
    "joiners": "a" + "\u200d" * (LENGTH - 1),
    "variation selectors": filled("❤\ufe0f"),
    "controls": drawn(18, between(0x01, 0x1F)) + "a",
    "spaces of all kinds": filled("a\u00a0b\u2003c\u3000"),
    "right to left": filled("\u202eא"),
}
EVERYTHING = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF]
MIXED = [*"ab1 .-/|@:é中ж<>&'\"\\\n#_%", "\u0301", "👍", "\ufe0f", "\u200d", "ﷺ"]


def put(bodies: Sequence[str], room: int, author: int) -> None:
    Message.objects.bulk_create(
        Message(room_id=room, seq=seq, n=seq, author_id=author, at=timezone.now(), body=body)
        for seq, body in enumerate(bodies, 1_000)
    )


def taken_apart(body: str) -> tuple[int, int, int]:
    """How many lexemes a body has, the bytes of the longest, and of all."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {BODY_TIMEOUT_MS}")
        cursor.execute(
            "SELECT cardinality(lexemes), "
            "(SELECT max(octet_length(one)) FROM unnest(lexemes) AS one), pg_column_size(words) "
            "FROM (SELECT chat_words(9223372036854775807, %s) OFFSET 0) AS found (words), "
            "tsvector_to_array(words) AS lexemes",
            [body],
        )
        number, longest, size = cursor.fetchone()
        return number, longest, size


def check(body: str) -> None:
    number, longest, size = taken_apart(body)
    assert 1 <= number <= MOST_LEXEMES
    assert longest <= LONGEST_LEXEME_BYTES
    assert size <= MOST_BYTES


@pytest.mark.parametrize("name", BODIES)
def test_longest_body_is_taken_apart_in_little_time_into_little(name: str) -> None:
    check(BODIES[name][:LENGTH])


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_written_is_taken_apart_in_little_time_into_little(seed: int) -> None:
    check(drawn(seed, EVERYTHING if seed % 2 else MIXED))


PIECES = [
    *("http://", "a.b", "user@example.com", "running", "сервера", "ЁЛКИ", "the", "и", "не", "it's"),
    *("1e5", "-3.14", "0x1f", "&amp;", "<b>", "1.2.3", "10%", "/etc/x", "--", "_", "\t", "\u00a0x"),
    *("A" * 300, "ж" * 450, "1" * 333, "→", "👍", "中文字", "ΟΔΟΣ", "Ⅷ", "½", "ﬁ", "\x01", "“a”"),
]


def short_bodies(dice: random.Random) -> list[str]:
    drawn_from = [EVERYTHING, MIXED, PIECES, between(1, 127), between(0x400, 0x52F)]
    return [
        dice.choice(["", "", " ", "\n"]).join(
            dice.choices(dice.choice(drawn_from), k=dice.choice([1, 2, 3, 5, 8, 20, 60]))
        )
        for _ in range(500)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_faster_functions_give_what_the_index_was_built_with(seed: int) -> None:
    """Migration 0041 replaces the functions of 0038 and leaves the index unchanged."""
    first = import_module("chat.migrations.0038_what_a_message_is_found_by")
    bodies = [
        *short_bodies(random.Random(seed)),
        drawn(seed, EVERYTHING if seed % 2 else MIXED),
        *list(BODIES.values())[seed::20],
    ]

    with transaction.atomic(), connection.cursor() as cursor:
        for name, function in (
            ("folded", first.FOLDED),
            ("split", first.SPLIT),
            ("words", first.WORDS),
        ):
            cursor.execute(function.replace(f"chat_{name}", f"first_{name}"))
        cursor.execute(
            "SELECT body FROM unnest(%s::text[]) AS body "
            "WHERE first_folded(body) <> chat_folded(body) "
            "OR first_split(body) <> chat_split(body) "
            "OR first_words(7, body) <> chat_words(7, body)",
            [bodies],
        )
        different = cursor.fetchall()
        transaction.set_rollback(True)

    assert different == []


@pytest.mark.usefixtures("fast_update")
async def test_longest_messages_of_all_kinds_are_stored_with_their_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # How long a search may take is for other tests, and for machines without other work.
    monkeypatch.setattr(found_messages, "STATEMENT_TIMEOUT_MS", 60_000)
    anna = await make_user("anna")
    room = await new_room(anna)
    bodies = [body[:LENGTH] for body in BODIES.values()]
    for body in bodies:
        await post(room, anna, body)
    await post(room, anna, "the needle at the end")

    await store(room.pk)

    rows = Message.objects.filter(room=room).order_by("seq").values_list("body", flat=True)
    assert [row async for row in rows] == [*bodies, "the needle at the end"]
    assert not await RoomEvent.objects.filter(room=room, type="event.quarantined").aexists()
    found = await Api(anna).get("search?q=needle")
    assert [one["body"] for one in found.body["found"]] == ["the needle at the end"]


@pytest.fixture(params=["on", "off"])
def fast_update(request: pytest.FixtureRequest) -> Iterator[None]:
    """`on`: entries wait in a list; `off`: they go to their places at once, where they must fit."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER INDEX message_found SET (fastupdate = {request.param})")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER INDEX message_found RESET (fastupdate)")


async def test_no_statement_has_to_take_apart_more_than_it_has_time_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anna = await make_user("anna")
    room = await new_room(anna)
    stored: list[list[Placed]] = []
    store_all = projections.store

    def noted(shard: int, placed: Sequence[Placed]) -> None:
        stored.append(list(placed))
        store_all(shard, placed)

    monkeypatch.setattr(projections, "store", noted)
    seqs = [(await post(room, anna, filled("中文 "))).event.seq for _ in range(40)]
    await store(room.pk)
    written = stored.copy()
    stored.clear()
    for seq in seqs:
        await messages.delete_message(anna.pk, room.pk, new_key(), seq)
    await store(room.pk)
    deleted = stored.copy()

    for statements in (written, deleted):
        assert 3 < len(statements) < 20
        assert all(characters(statement) <= STATEMENT_CHARACTERS for statement in statements)
    gone = Message.objects.filter(room=room, deleted_at__isnull=False)
    assert await gone.acount() == len(seqs)


def characters(placed: Sequence[Placed]) -> int:
    return drain._characters([Candidate(one, "0-0", {}) for one in placed])


async def test_room_of_the_longest_messages_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading its newest messages takes too long, so the index is used."""
    monkeypatch.setattr(found_messages, "NEWEST_TIMEOUT_MS", 1)
    anna = await make_user("anna")
    room = await new_room(anna)
    await store(room.pk)
    bodies = [f"needle {number} {words(number, LATIN, 7)}"[:LENGTH] for number in range(30)]
    await sync_to_async(put)(bodies, room.pk, anna.pk)

    answer = await Api(anna).get(f"search?q=needle&room={room.pk}&limit=10")

    assert [one["body"] for one in answer.body["found"]] == bodies[:-11:-1]
    assert answer.body["more"] is True


def test_index_is_built_again_after_an_attempt_that_was_cut_off_and_taken_away() -> None:
    anna, room = User.objects.create(username="anna", password="!"), Room.objects.create(slug="a")
    put(["see db.internal:5432"], room.pk, anna.pk)

    try:
        call_command("migrate", "chat", "0037", verbosity=0)
        without = found_in_database("message_found", "chat_words", "chat_split")
        # Messages are stored while there is none of it, by the version before.
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO chat_message (room_id, seq, n, author_id, at, body)"
                " VALUES (%s, 2000, 2000, %s, now(), 'see db.internal:5433')",
                [room.pk, anna.pk],
            )
            cursor.execute("CREATE INDEX message_found ON chat_message (at)")
    finally:
        call_command("migrate", verbosity=0)

    assert without == []
    assert found_in_database("message_found", "chat_words") == ["chat_words", "message_found"]
    messages_found = Message.objects.filter(matching(parse("5433"), "5433", None))
    assert messages_found.get().seq == 2_000


def found_in_database(*names: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%(names)s) "
            "UNION SELECT proname FROM pg_proc WHERE proname = ANY(%(names)s) ORDER BY 1",
            {"names": list(names)},
        )
        return [name for (name,) in cursor.fetchall()]


def test_version_before_finds_what_this_one_stores() -> None:
    """Both may run side by side, and an upgrade may be reversed."""
    anna, room = User.objects.create(username="anna", password="!"), Room.objects.create(slug="a")
    put(["two needles"], room.pk, anna.pk)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq FROM chat_message WHERE search @@ websearch_to_tsquery('simple', 'needles')"
        )
        assert cursor.fetchall() == [(1_000,)]
    assert found_in_database("message_search", "message_words") == [
        "message_search",
        "message_words",
    ]
