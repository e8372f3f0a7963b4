"""How long searches take among many messages, and what the index and storing cost.

    python -m bench.search --messages 1000000
    python -m bench.search --messages 10000000 --now --folder var/search

Starts its own servers with the schema before search could find pasted text (migration 0037), fills
PostgreSQL by COPY, and measures. Then it migrates while messages are still being stored, measures
again, and shows both side by side. Everything is thrown away. A million messages take about 2 GB of
disk and a quarter of an hour on two cores.

With --now nothing is measured before the migration; other indexes are built after the COPY, the
search index as its migration builds it. With --folder everything stays there for the next run,
which only measures. Ten million messages then take about 6 GB of disk.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.admin_history import ROOMS, bodies, copy, people, quoted
from bench.servers import own_servers

BEFORE = "0037_deleted_messages_of_room"
BATCH = 50_000
MY_ROOMS = 40
# The last rooms, in which nobody has written since this share of the messages.
SILENT_ROOMS, EARLY_SHARE = 200, 0.1
FREE_BYTES_PER_MESSAGE = 2_000
RUNS, SECONDS_OF_CASE = 100, 5.0
LIMIT = 20
# Enough that the index's pending list is emptied several times.
STORED_AT_ONCE, STORED_TIMES = 2_000, 15
PAUSE_BETWEEN_STORED = 0.05

COLUMNS = "chat_message (room_id, seq, n, author_id, key, at, body)"
SENTENCES = [
    "我们下午三点开会讨论搜索功能",
    "東京タワーへ行きました",
    "明天发布新版本",
    "サーバーが落ちた",
]
EMOJI = "👍🎉❤🔥😀🚀👀✅🙏😂"
RARE_EMOJI = "🪿"
MADE_UP = ["ставодка", "retoba", "verli"]
# The search of the release before, word for word.
OLD_SEARCH = """
    SELECT message.*, room.stored_seq FROM chat_message AS message
    JOIN chat_room AS room ON room.id = message.room_id
    WHERE message.room_id = ANY(%s) AND message.search @@ websearch_to_tsquery('simple', %s)
        AND message.deleted_at IS NULL
    ORDER BY message.at DESC, message.id DESC LIMIT %s
"""
# What the release after this one drops; see migration 0040.
DROP_OLD = """
    DROP INDEX message_search; DROP INDEX message_words; ALTER TABLE chat_message DROP COLUMN search
"""
OLD_SIZE = """
    SELECT (SELECT sum(pg_column_size(search)) FROM chat_message)
           + pg_relation_size('message_search') + pg_relation_size('message_words')
"""

Search = Callable[[str, list[int]], int | None]


@dataclass
class Measured:
    """Milliseconds of each case, and how many messages it found; and the other costs."""

    times: dict[str, list[float]] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    stored_ms: float = 0
    longest_ms: float = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--now", action="store_true", help="do not measure the release before")
    parser.add_argument("--folder", type=Path, help="with --now, keep the data here")
    options = parser.parse_args()
    messages, folder = options.messages, options.folder if options.now else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    is_filled = folder is not None and (folder / "filled").exists()
    free = shutil.disk_usage(folder or tempfile.gettempdir()).free
    if not is_filled and free < messages * FREE_BYTES_PER_MESSAGE:
        sys.exit(f"Only {free / 2**30:.0f} GiB are free on this disk.")
    with own_servers(
        folder,
        # Statements of the bench itself take minutes; those of a search take moments.
        DB_STATEMENT_TIMEOUT_MS="600000",
        DB_IDLE_IN_TRANSACTION_TIMEOUT_MS="600000",
    ):
        import django

        django.setup()
        from django.core.management import call_command

        if options.now:
            if not is_filled:
                call_command("migrate", "chat", BEFORE, verbosity=0)
                execute(DROP_OLD)
                fill_without_indexes(messages)
                upgrade()
                if folder is not None:
                    (folder / "filled").touch()
            show(messages, None, measure_now(messages))
        else:
            compare(messages)


def compare(messages: int) -> None:
    from django.core.management import call_command

    call_command("migrate", "chat", BEFORE, verbosity=0)
    execute("DROP INDEX message_search; DROP INDEX message_words")
    fill(messages)
    # As migrations made them.
    execute("CREATE INDEX message_search ON chat_message USING gin (search)")
    execute(
        "CREATE INDEX message_words ON chat_message USING gin "
        "(to_tsvector('russian'::regconfig, COALESCE(body, '')))"
    )
    execute("VACUUM ANALYZE")
    before = measure(old_search, messages)
    measure_storing(before, messages)
    [before.bytes] = execute(OLD_SIZE)
    stop = threading.Event()
    waits: list[float] = []
    storing = threading.Thread(target=go_on_storing, args=(messages, stop, waits))
    storing.start()
    upgrade()
    stop.set()
    storing.join()
    print(
        f"{len(waits):,} messages stored meanwhile, the slowest in {max(waits):,.0f} ms", flush=True
    )
    beside = Measured()
    measure_storing(beside, messages)
    print(f"storing a message while both are there: {beside.stored_ms:.3f} ms", flush=True)
    execute(DROP_OLD)
    show(messages, before, measure_now(messages))


def upgrade() -> None:
    from django.core.management import call_command

    begun = time.monotonic()
    call_command("migrate", verbosity=0)
    print(f"migrations: {time.monotonic() - begun:,.0f} s", flush=True)
    execute("VACUUM ANALYZE chat_message")


def measure_now(messages: int) -> Measured:
    result = measure(new_search, messages)
    [result.bytes] = execute("SELECT pg_relation_size('message_found')")
    measure_storing(result, messages)
    return result


def fill_without_indexes(messages: int) -> None:
    """Fill the table; indexes other than the primary key are built once all messages are there."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'chat_message' "
            "AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
        indexes = cursor.fetchall()
    for name, _ in indexes:
        execute(f"DROP INDEX {name}")
    fill(messages)
    begun = time.monotonic()
    execute("SET maintenance_work_mem = '1GB'")
    for _, definition in indexes:
        execute(definition)
    execute("RESET maintenance_work_mem")
    execute("VACUUM ANALYZE")
    print(f"other indexes: {time.monotonic() - begun:,.0f} s", flush=True)


def fill(messages: int) -> None:
    people()
    rooms, users = ids()
    begun = time.monotonic()
    seqs = dict.fromkeys(rooms, 0)
    begin = datetime.now(UTC) - timedelta(days=365)
    source = texts(messages)
    for first in range(0, messages, BATCH):
        lines = []
        for number in range(first, min(first + BATCH, messages)):
            room, author, body = next(source)
            seqs[rooms[room]] += 1
            seq = seqs[rooms[room]]
            at = begin + timedelta(days=365 * number / messages)
            lines.append(line(rooms[room], seq, users[author], at, number, body))
        put(lines)
    execute(
        "UPDATE chat_room SET stored_seq = found.seq, stored_n = found.seq FROM "
        "(SELECT room_id, max(seq) AS seq FROM chat_message GROUP BY 1) AS found WHERE id = room_id"
    )
    print(f"filled in {time.monotonic() - begun:,.0f} s", flush=True)


def texts(messages: int) -> Iterator[tuple[int, int, str]]:
    """The index of the room, the index of the author, and the body of each message."""
    dice = random.Random(7)
    sentences = bodies(dice)
    for number in range(messages):
        chance = dice.random()
        body = f"{dice.choice(sentences)} nr{number // 100}"
        if chance < 0.02:
            body += f" https://ci.example.com/job/{number}/console?page=2"
        elif chance < 0.03:
            body += f" released v2.{number % 97}.{number % 13}"
        elif chance < 0.035:
            body += " see /etc/nginx/nginx.conf"
        elif chance < 0.08:
            body = f"{dice.choice(SENTENCES)} {chr(0x4E00 + dice.randrange(5_000))}"
        elif chance < 0.18:
            body += f" {EMOJI[int(len(EMOJI) * dice.random() ** 2)]}"
        elif chance < 0.1801:
            body += f" {RARE_EMOJI}"
        # A few rooms are busy and a few people write a lot, as everywhere; many fall silent.
        is_early = number < messages * EARLY_SHARE
        room = int((ROOMS if is_early else ROOMS - SILENT_ROOMS) * dice.random() ** 2)
        yield room, int(1_000 * dice.random() ** 2), body


def line(room: int, seq: int, author: int, at: datetime, number: int, body: str) -> str:
    return f"{room}\t{seq}\t{seq}\t{author}\t{number:032x}\t{at.isoformat()}\t{quoted(body)}\n"


def put(lines: list[str], *, keep: bool = True) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        # Skips foreign keys: the rows are consistent by construction.
        cursor.execute("SET LOCAL session_replication_role = replica")
        copy(cursor, COLUMNS, lines)
        transaction.set_rollback(not keep)


def execute(statements: str, parameters: list[Any] | None = None) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statements, parameters)
        return cursor.fetchone() if cursor.description else None


def ids() -> tuple[list[int], list[int]]:
    from chat.models import Room, User

    return (
        list(Room.objects.order_by("pk").values_list("pk", flat=True)),
        list(User.objects.order_by("pk").values_list("pk", flat=True)),
    )


def cases(messages: int, dice: random.Random) -> dict[str, Callable[[], str]]:
    """The queries to run; different each time where there are different ones of the kind."""

    def a_number() -> int:
        return dice.randrange(messages)

    return {
        "word, in every tenth message": lambda: "deployed",
        "word, in a hundred messages": lambda: f"nr{a_number() // 100}",
        "word, made up, less and less frequent": lambda: dice.choice(MADE_UP),
        "word that nobody wrote": lambda: f"nosuchword{a_number()}",
        "two words": lambda: f"released nr{a_number() // 100}",
        "beginning of a word": lambda: dice.choice(["deploy", "numb", "серв"]),
        "form of a word, English": lambda: "deploying",
        "form of a word, Russian": lambda: "серверами",
        "phrase": lambda: f'"nr{a_number() // 100} released"',
        "address, pasted": lambda: f"https://ci.example.com/job/{a_number()}/console?page=2",
        "part of an address": lambda: "ci.example.com",
        "part of a path": lambda: "nginx.conf",
        "version": lambda: f"2.{a_number() % 97}.{a_number() % 13}",
        "Chinese, frequent": lambda: "搜索功能",
        "Chinese, rare": lambda: chr(0x4E00 + dice.randrange(5_000)) * 2,
        "emoji, frequent": lambda: "👍",
        "emoji, rare": lambda: RARE_EMOJI,
    }


def hostile(dice: random.Random) -> dict[str, Callable[[], str]]:
    """The queries that cost most for their length."""
    letters = "abcdefghijklmnoprstuvwxyz"

    def two() -> str:
        return dice.choice(letters) + dice.choice("aeiou")

    return {
        "beginnings of two letters": lambda: " or ".join(two() for _ in range(8)),
        "beginnings that never meet": lambda: " ".join(two() for _ in range(7)) + " nosuchword",
        "a hundred alternatives": lambda: " or ".join(two() for _ in range(100)),
        "a hundred exclusions": lambda: "deployed " + " ".join(f"-{two()}" for _ in range(100)),
        "a phrase that nobody wrote": lambda: '"deployed to deployed"',
    }


def measure(search: Search, messages: int) -> Measured:
    rooms, _ = ids()
    result = Measured()
    dice = random.Random(11)
    # A person's rooms, busy and quiet ones; and a busy room by itself.
    mine = sorted(dice.sample(rooms, MY_ROOMS))
    for name, query in cases(messages, dice).items():
        for where, within in (("in my rooms", mine), ("in a loud room", rooms[:1])):
            run(result, f"{name}, {where}", search, query, within)
    silent = rooms[-SILENT_ROOMS:]
    everywhere = {
        "word, in every tenth message": lambda: "deployed",
        "form of a word, Russian": lambda: "серверами",
        "beginning of a word": lambda: "deploy",
        "two words, rare": lambda: f"{dice.choice(MADE_UP)} nr{dice.randrange(messages) // 100}",
        "two words, frequent": lambda: "deployed серверами",
        "part of an address": lambda: "ci.example.com",
        "Chinese, frequent": lambda: "搜索功能",
        "emoji, frequent": lambda: "👍",
        "emoji, rare": lambda: RARE_EMOJI,
        "signs that nobody wrote": lambda: "=>>",
    }
    for name, query in everywhere.items():
        run(result, f"{name}, in all rooms", search, query, rooms)
        run(result, f"{name}, in {SILENT_ROOMS} silent rooms", search, query, silent)
    for name, query in hostile(dice).items():
        run(result, f"hostile: {name}, in all rooms", search, query, rooms)
    return result


def measure_storing(result: Measured, messages: int) -> None:
    rooms, _ = ids()
    source = texts(messages)
    lines = [
        line(rooms[room], 10_000_000 + place, 1, datetime.now(UTC), messages + place, body)
        for place, (room, _, body) in zip(range(STORED_AT_ONCE), source, strict=False)
    ]
    times = []
    for _ in range(STORED_TIMES):
        begun = time.perf_counter()
        put(lines, keep=False)
        times.append((time.perf_counter() - begun) * 1_000 / STORED_AT_ONCE)
    result.stored_ms = statistics.mean(times)
    begun = time.perf_counter()
    longest = line(rooms[0], 20_000_000, 1, datetime.now(UTC), messages * 2, longest_body())
    put([longest], keep=False)
    result.longest_ms = (time.perf_counter() - begun) * 1_000


def longest_body() -> str:
    dice = random.Random(3)
    return "".join(chr(0x4E00 + dice.randrange(20_000)) for _ in range(8_000))


def run(
    result: Measured, name: str, search: Search, query: Callable[[], str], rooms: list[int]
) -> None:
    times: list[float] = []
    found: list[int | None] = []
    search(query(), rooms)
    begin = time.perf_counter()
    while len(times) < RUNS and (len(times) < 3 or time.perf_counter() - begin < SECONDS_OF_CASE):
        text = query()
        begun = time.perf_counter()
        found.append(search(text, rooms))
        times.append((time.perf_counter() - begun) * 1_000)
    result.times[name] = times
    numbers = [one for one in found if one is not None]
    refused = "" if len(numbers) == len(found) else ", some refused" if numbers else "refused"
    result.found[name] = (f"{statistics.mean(numbers):.0f}" if numbers else "") + refused


def old_search(text: str, rooms: list[int]) -> int | None:
    from django.db import connection

    from chat.servers.statement_timeout import TooSlow, limited

    try:
        with limited(3_000), connection.cursor() as cursor:
            cursor.execute(OLD_SEARCH, [rooms, text, LIMIT + 1])
            return len(cursor.fetchall())
    except TooSlow:
        return None


def new_search(text: str, rooms: list[int]) -> int | None:
    from chat.errors import ClientError
    from chat.queries.found_messages import Sought, find
    from chat.queries.search_filters import Filters
    from chat.queries.search_query import parse

    try:
        filters = Filters(rooms=rooms)
        return len(find(Sought(words=text, query=parse(text), filters=filters), LIMIT + 1))
    except ClientError:
        return None


def go_on_storing(messages: int, stop: threading.Event, waits: list[float]) -> None:
    """Store a message now and then, as the drain does, while the schema changes."""
    from django.db import connection

    rooms, users = ids()
    source = texts(messages)
    number = 0
    while not stop.is_set():
        _, _, body = next(source)
        number += 1
        at = datetime.now(UTC)
        begun = time.perf_counter()
        put([line(rooms[0], 30_000_000 + number, users[0], at, messages * 4 + number, body)])
        waits.append((time.perf_counter() - begun) * 1_000)
        stop.wait(PAUSE_BETWEEN_STORED)
    connection.close()


def show(messages: int, before: Measured | None, after: Measured) -> None:
    print(f"\n{messages:,} messages; milliseconds, middle / 99th of a hundred; found on average")
    if before is None:
        print(f"{'':58}{'now':>17}{'found':>15}")
    else:
        print(f"{'':58}{'now':>17}{'found':>15}{'before':>17}{'found before':>15}")
    for name, times in after.times.items():
        old = "" if before is None else f"{both(before.times[name]):>17}{before.found[name]:>15}"
        print(f"{name:58}{both(times):>17}{after.found[name]:>15}{old}")
    for what, now, then in (
        ("indexes and column of search, MB", after.bytes / 1e6, before and before.bytes / 1e6),
        ("storing a message, ms", after.stored_ms, before and before.stored_ms),
        ("storing 8,000 Chinese characters, ms", after.longest_ms, before and before.longest_ms),
    ):
        ratio = f"{'':15}{then:>17,.3f}  {now / then:.2f} times" if then else ""
        print(f"{what:58}{now:>17,.3f}{ratio}")


def both(times: list[float]) -> str:
    last = sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)]
    return f"{statistics.median(times):,.1f} / {last:,.1f}"


if __name__ == "__main__":
    main()
