"""How long the moderators' history takes among many messages.

    python -m bench.admin_history --messages 10000000
    python -m bench.admin_history --messages 10000000 --folder var/history

Starts its own servers, fills PostgreSQL by COPY with consistent rooms, people, events and messages,
requests the pages of the admin as a browser does, and throws everything away. With --folder the
data stays there for the next run, which then only measures. Ten million messages take about 12 GB
of disk.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.servers import own_servers

ROOMS, PEOPLE = 1_000, 5_000
PRIVATE_SHARE, EDITED_SHARE, DELETED_SHARE = 0.2, 0.04, 0.01
REPORTS = 2_000
BATCH = 100_000
BODIES = 100_000
FREE_BYTES_PER_MESSAGE = 2_000
REPEATS = 5
SYLLABLES_EN = ["ba", "re", "to", "li", "con", "ver", "sta", "ple", "ing", "mor", "tic", "dra"]
SYLLABLES_RU = ["ка", "ре", "то", "ли", "при", "вод", "ста", "пле", "нов", "мор", "тик", "дра"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the data here for the next run")
    options = parser.parse_args()
    folder: Path | None = options.folder
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    is_filled = folder is not None and (folder / "filled").exists()
    free = shutil.disk_usage(folder or tempfile.gettempdir()).free
    if not is_filled and free < options.messages * FREE_BYTES_PER_MESSAGE:
        sys.exit(f"Only {free / 2**30:.0f} GiB are free on this disk.")
    with own_servers(
        folder,
        ALLOWED_ORIGINS="http://testserver",
        STAFF_MFA="no",
        # Statements of the bench itself take minutes; those of a page take moments.
        DB_STATEMENT_TIMEOUT_MS="600000",
        DB_IDLE_IN_TRANSACTION_TIMEOUT_MS="600000",
    ):
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        if not is_filled:
            begun = time.monotonic()
            fill(options.messages)
            if folder is not None:
                (folder / "filled").touch()
            print(f"filled in {time.monotonic() - begun:,.0f} s", flush=True)
        measure()


def fill(messages: int) -> None:
    from django.db import connection, transaction
    from rich.console import Console
    from rich.progress import track

    from chat.models import Message, RoomEvent

    models = (Message, RoomEvent)
    big = [(model, index) for model in models for index in model._meta.indexes]
    unique = [(model, one) for model in models for one in model._meta.constraints]
    people()
    with connection.schema_editor() as editor:
        for model, index in big:
            editor.remove_index(model, index)
        for model, one in unique:
            editor.remove_constraint(model, one)
    source = rows(messages)
    batches = range(0, messages, BATCH)
    for _ in track(batches, "Messages", console=Console(stderr=True)):
        events, posted = next(source)
        with transaction.atomic(), connection.cursor() as cursor:
            # Skips foreign keys and waiting for the disk: the rows are consistent by construction.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("SET LOCAL synchronous_commit = off")
            copy(cursor, EVENT_COLUMNS, events)
            copy(cursor, MESSAGE_COLUMNS, posted)
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '1GB'; SET statement_timeout = 0")
        for model, index in track(big, "Indexes", console=Console(stderr=True)):
            begun = time.monotonic()
            with connection.schema_editor(atomic=False) as editor:
                editor.add_index(model, index)
            print(f"index {index.name}: {time.monotonic() - begun:,.0f} s", flush=True)
        with connection.schema_editor() as editor:
            for model, one in unique:
                editor.add_constraint(model, one)
        cursor.execute(
            "UPDATE chat_room SET stored_seq = found.seq, stored_n = found.n FROM "
            "(SELECT room_id, max(seq) AS seq, max(n) AS n FROM chat_roomevent GROUP BY 1) "
            "AS found "
            "WHERE id = room_id"
        )
        cursor.execute(
            "INSERT INTO chat_exportedroom (room_id, seq) SELECT id, stored_seq FROM chat_room"
        )
        cursor.execute("VACUUM ANALYZE")
    reports()


EVENT_COLUMNS = "chat_roomevent (shard, room_id, seq, n, epoch, type, key, actor_id, at, data)"
MESSAGE_COLUMNS = "chat_message (room_id, seq, n, author_id, key, at, body, edited_at, deleted_at)"


def copy(cursor: Any, into: str, lines: list[str]) -> None:
    with cursor.copy(f"COPY {into} FROM STDIN") as stream:
        stream.write("".join(lines))


def people() -> None:
    """People and rooms, a fifth of which are private."""
    from chat.models import Room, User

    User.objects.bulk_create(
        [User(username=f"person{number}", password="!") for number in range(PEOPLE)]
    )
    Room.objects.bulk_create(
        [
            Room(
                slug=f"room-{number}",
                name=f"Room {number}",
                kind="private" if number % 5 == 4 else "public",
            )
            for number in range(ROOMS)
        ]
    )


def rows(messages: int) -> Iterator[tuple[list[str], list[str]]]:
    """Batches of events and messages as lines for COPY; one year, oldest first."""
    from django.conf import settings

    from chat.models import Room, User

    dice = random.Random(7)
    rooms = list(Room.objects.order_by("pk").values_list("pk", flat=True))
    users = list(User.objects.order_by("pk").values_list("pk", flat=True))
    texts = bodies(dice)
    heads = dict.fromkeys(rooms, 0)
    counts = dict.fromkeys(rooms, 0)
    begin = datetime.now(UTC) - timedelta(days=365)
    step = 365 * 86_400 / messages
    for first in range(0, messages, BATCH):
        events: list[str] = []
        posted: list[str] = []
        for number in range(first, min(first + BATCH, messages)):
            # A few rooms are busy and a few people write a lot, as everywhere.
            room = rooms[int(ROOMS * dice.random() ** 2)]
            author = users[int(PEOPLE * dice.random() ** 2)]
            at = (begin + timedelta(seconds=number * step)).isoformat()
            heads[room] += 1
            counts[room] += 1
            seq, n = heads[room], counts[room]
            body = f"{texts[dice.randrange(BODIES)]} nr{number // 100}"
            place = f"{room % settings.ENV.shards}\t{room}"
            key = f"{number * 4:032x}"
            data = json.dumps({"body": body, "reply_to": None}, ensure_ascii=False)
            events.append(
                f"{place}\t{seq}\t{n}\t1\tmessage.posted\t{key}\t{author}\t{at}\t{quoted(data)}\n"
            )
            edited = deleted = "\\N"
            change = dice.random()
            if change < EDITED_SHARE + DELETED_SHARE:
                heads[room] += 1
                if change < EDITED_SHARE:
                    edited, body, kind = at, body + " (edited)", "message.edited"
                    data = json.dumps({"target": seq, "body": body}, ensure_ascii=False)
                else:
                    deleted, kind = at, "message.deleted"
                    data = json.dumps({"target": seq})
                key_of_change = f"{number * 4 + 1:032x}"
                events.append(
                    f"{place}\t{heads[room]}\t{n}\t1\t{kind}\t{key_of_change}\t{author}\t{at}\t"
                    f"{quoted(data)}\n"
                )
            posted.append(
                f"{room}\t{seq}\t{n}\t{author}\t{key}\t{at}\t{quoted(body)}\t{edited}\t{deleted}\n"
            )
        yield events, posted


def bodies(dice: random.Random) -> list[str]:
    """Sentences of the demo data, with words of two made-up languages, some of them rare."""
    from chat.management import seed_texts

    words = [
        "".join(dice.choice(syllables) for _ in range(dice.randrange(2, 5)))
        for syllables in (SYLLABLES_EN, SYLLABLES_RU)
        for _ in range(10_000)
    ]
    return [
        " ".join(
            [
                seed_texts.message(dice),
                *(words[int(len(words) * dice.random() ** 3)] for _ in range(dice.randrange(2, 9))),
            ]
        )
        for _ in range(BODIES)
    ]


def quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def reports() -> None:
    from django.utils import timezone

    from chat.models import Message, Report, User

    reporter = User.objects.order_by("pk").first()
    assert reporter is not None
    newest = Message.objects.order_by("-at").values_list("room_id", "seq", "author_id")
    Report.objects.bulk_create(
        [
            Report(
                room_id=room,
                seq=seq,
                author_id=author,
                reporter=reporter,
                category="spam",
                created_at=timezone.now(),
            )
            for room, seq, author in newest[: REPORTS * 500 : 500]
        ]
    )


def measure() -> None:
    """Print the milliseconds of whole pages, median and slowest of `REPEATS`."""
    from django.test import Client
    from django.test.utils import setup_test_environment

    from chat.models import Message, User

    boss, _ = User.objects.get_or_create(
        username="boss", defaults={"is_staff": True, "is_superuser": True, "password": "!"}
    )
    setup_test_environment()  # so that responses carry their template contexts
    browser = Client()
    browser.force_login(boss)
    total = Message.objects.order_by("-pk").values_list("pk", flat=True)[0]
    middle = Message.objects.filter(pk__lte=total // 2).order_by("-pk")[0]
    at = f"{middle.at:%Y-%m-%dT%H:%M}"
    word, rare = "ставодка", f"nr{total // 200}"
    cases = {
        "list, first page": "",
        "list, a page in the middle": f"at={token(middle)}",
        "one room": "room=room-1",
        "one room, a page in the middle": "room=room-1&at=" + token_of_seq("room-1"),
        "a quiet room": "room=room-995",
        "one person, loud": "author=person0",
        "one person, quiet": "author=person4999",
        "person in a room": "room=room-3&author=person10",
        "until a time": f"until={at}",
        "edited": "state=edited",
        "deleted": "state=deleted",
        "deleted, one person": "state=deleted&author=person4000",
        "reported": "state=reported",
        "search, everywhere in use (deployed)": "q=deployed",
        "search, Russian in another form (тестового сервера)": "q=тестового+сервера",
        "search, two words": "q=deployed+numbers",
        "search, nowhere": "q=nosuchwordanywhere",
        "search, a hundred messages": f"q={rare}",
        "search, made-up word": f"q={word}",
        "search in a room": "room=room-3&q=deployed",
        "search, one person": "author=person4000&q=deployed",
        "private rooms too": "private=1",
    }
    print(f"messages: {total:,}", flush=True)
    for name, query in cases.items():
        print(f"{name}: {timed(browser, f'/admin/history/?{query}')}", flush=True)
    one = f"/admin/history/{middle.room_id}/{middle.seq}/"
    print(f"message with its log: {timed(browser, one)}", flush=True)
    print(f"start page: {timed(browser, '/admin/')}", flush=True)
    print(f"export, a stretch of 2,000: {export_stretch(browser)}", flush=True)


def timed(browser: Any, address: str) -> str:
    times, answer = [], None
    for _ in range(REPEATS):
        begun = time.perf_counter()
        answer = browser.get(address)
        times.append((time.perf_counter() - begun) * 1_000)
    assert answer is not None
    rows = len((answer.context or {}).get("lines", ()))
    return (
        f"{statistics.median(times):,.0f} ms (first {times[0]:,.0f}, slowest {max(times):,.0f}), "
        f"status {answer.status_code}, {rows} rows"
    )


def token(message: Any) -> str:
    from chat.admin.kit.keyset_paging import _token

    return _token(message, ("at", "id"), back=False)


def token_of_seq(slug: str) -> str:
    from chat.admin.kit.keyset_paging import _token
    from chat.models import Message, Room

    room = Room.objects.get(slug=slug)
    message = Message.objects.filter(room=room, seq__lte=room.stored_seq // 2).order_by("-seq")[0]
    return _token(message, ("seq",), back=False)


def export_stretch(browser: Any) -> str:
    begun = browser.post("/admin/history/export/start/", {"format": "csv"})
    ticket = begun.json()["ticket"]
    started = time.perf_counter()
    answer = browser.get("/admin/history/export/rows/", {"ticket": ticket})
    seconds = time.perf_counter() - started
    return f"{seconds * 1_000:,.0f} ms, {answer.headers['X-Export-Rows']} rows"


if __name__ == "__main__":
    main()
