"""How long searches with operators take among many messages: alone, with words, and further on.

    python -m bench.search_operators --messages 1000000 --folder var/search

Starts its own servers, fills them as `bench.search` does, and asks as REST does, without its
limits. With --folder the data stays there for the next run, which then only measures. With --plans
it shows PostgreSQL's plan of each statement that took longer than the middle of its case.
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from bench.search import (
    LIMIT,
    MY_ROOMS,
    RUNS,
    SECONDS_OF_CASE,
    SILENT_ROOMS,
    both,
    execute,
    fill_without_indexes,
    ids,
)
from bench.servers import own_servers

AIM_MS = 150
# What operators find, in messages that are there already.
EVERY_REACTED, EVERY_CODE, EVERY_EDITED = 33, 25, 100

ADD = f"""
    INSERT INTO chat_reaction (room_id, target, user_id, emoji)
        SELECT room_id, seq, author_id, '👍' FROM chat_message WHERE id % {EVERY_REACTED} = 0;
    UPDATE chat_message SET body = body || ' run `make`' WHERE id % {EVERY_CODE} = 1;
    UPDATE chat_message SET edited_at = at WHERE id % {EVERY_EDITED} = 2;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the data here for the next run")
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--only", default="", help="only cases whose names contain this")
    options = parser.parse_args()
    folder: Path | None = options.folder
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with own_servers(
        folder,
        DB_STATEMENT_TIMEOUT_MS="600000",
        DB_IDLE_IN_TRANSACTION_TIMEOUT_MS="600000",
    ):
        import django

        django.setup()
        from django.core.management import call_command

        from chat.models import Message, Reaction

        call_command("migrate", verbosity=0)
        if not Message.objects.exists():
            fill_without_indexes(options.messages)
        if not Reaction.objects.exists():
            execute(ADD)
            execute("VACUUM ANALYZE")
        Bench(options.messages, plans=options.plans, only=options.only).run()


Text = Callable[[], str]


def _joined(one: Text, other: Text) -> Text:
    return lambda: one() + other()


def processor_seconds() -> float:
    """What this process and its process of PostgreSQL have used so far."""
    [backend] = execute("SELECT pg_backend_pid()")
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, messages: int, *, plans: bool, only: str) -> None:
        from chat.models import Room, User

        self.messages, self.plans, self.only = messages, plans, only
        self.dice = random.Random(11)
        self.rooms, people = ids()
        self.mine = sorted(self.dice.sample(self.rooms, MY_ROOMS))
        self.me = people[0]
        self.names = dict(User.objects.values_list("pk", "username"))
        self.slugs = dict(Room.objects.values_list("pk", "slug"))
        self.people = people
        self.slow: list[str] = []

    def cases(self) -> dict[str, Text]:
        dice, of_all = self.dice, self.messages
        loud, silent = self.names[self.people[0]], self.names[self.people[-1]]

        def quiet() -> str:
            return self.names[dice.choice(self.people[:1000])]

        alone: dict[str, Text] = {
            "from: who wrote most": lambda: f"from:{loud}",
            "from: anybody": lambda: f"from:{quiet()}",
            "from: who wrote nothing": lambda: f"from:{silent}",
            "-from: who wrote most": lambda: f"-from:{loud}",
            "in: a room": lambda: f"in:{self.slugs[dice.choice(self.mine)]}",
            "before: a day": lambda: f"before:{self.day()}",
            "after: a day": lambda: f"after:{self.day()}",
            "on: a day": lambda: f"on:{self.day()}",
            "has:link": lambda: "has:link",
            "has:code": lambda: "has:code",
            "has:reaction": lambda: "has:reaction",
            "is:edited": lambda: "is:edited",
        }
        words: dict[str, Text] = {
            "": lambda: "",
            ", frequent word": lambda: " deployed",
            ", rare word": lambda: f" nr{dice.randrange(of_all) // 100}",
            ", word that nobody wrote": lambda: f" nosuchword{dice.randrange(of_all)}",
        }
        found = {
            name + more: _joined(one, word)
            for name, one in alone.items()
            for more, word in words.items()
        }
        found |= {
            "three operators, frequent word": lambda: (
                f"deployed from:{loud} has:link before:{self.day()}"
            ),
            "three operators that never meet": lambda: (
                f"from:{quiet()} has:code has:link is:edited"
            ),
            "link and code": lambda: "has:link has:code",
            "twenty people": lambda: " ".join(f"from:{quiet()}" for _ in range(20)),
        }
        return found

    def day(self) -> str:
        from datetime import UTC, datetime, timedelta

        return f"{datetime.now(UTC) - timedelta(days=self.dice.randrange(5, 360)):%Y-%m-%d}"

    def run(self) -> None:
        print(
            f"\n{self.messages:,} messages; milliseconds, middle / 99th; of these the processors' "
            "time of one search on average, whatever else the machine does; found on average"
        )
        for where, rooms in (
            (f"{MY_ROOMS} rooms", self.mine),
            ("a loud room", self.rooms[:1]),
            (f"{SILENT_ROOMS} silent rooms", self.rooms[-SILENT_ROOMS:]),
        ):
            for name, text in self.cases().items():
                if "in: a room" not in name or rooms is self.mine:
                    self.measure(f"{name}, in {where}", text, rooms)
            for name, asked in {
                "frequent word": "deployed",
                "beginning": "deploy",
                "two frequent words": "deployed серверами",
            }.items():
                text = functools.partial(str, asked)
                self.measure(f"{name} by relevance, in {where}", text, rooms, order="relevance")
                self.measure(f"{name}, twentieth page, in {where}", text, rooms, after=20)
        print(f"\n{len(self.slow)} over {AIM_MS} ms at the 99th:", *self.slow, sep="\n  ")

    def measure(
        self,
        name: str,
        text: Text,
        rooms: list[int],
        order: Literal["time", "relevance"] = "time",
        after: int = 0,
    ) -> None:
        if self.only not in name:
            return
        times: list[float] = []
        found: list[int | None] = []
        place = None
        for _ in range(after):
            place, _ = self.ask(text(), rooms, order, place)
        self.ask(text(), rooms, order, place)
        used = processor_seconds()
        begin = time.perf_counter()
        while len(times) < RUNS and (
            len(times) < 3 or time.perf_counter() - begin < SECONDS_OF_CASE
        ):
            asked = text()
            begun = time.perf_counter()
            found.append(self.ask(asked, rooms, order, place)[1])
            times.append((time.perf_counter() - begun) * 1_000)
        each_ms = (processor_seconds() - used) * 1_000 / len(times)
        numbers = [one for one in found if one is not None]
        refused = len(found) - len(numbers)
        shown = f"{statistics.mean(numbers):.0f}" if numbers else ""
        refusals = f" {refused} refused" * bool(refused)
        print(
            f"{name:70}{both(times):>19}{each_ms:>8,.0f}{shown:>6}{refusals}",
            flush=True,
        )
        if sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)] > AIM_MS:
            self.slow.append(f"{name}: {both(times)}")
            if self.plans:
                self.explain(text(), rooms, order, place)

    def ask(self, text: str, rooms: list[int], order: Any, place: Any) -> tuple[Any, int | None]:
        """Where the next page begins, and how many are found; None for a refusal."""
        from datetime import UTC, datetime

        from chat.errors import ClientError
        from chat.queries import found_messages, search, search_order, search_pages
        from chat.queries.search_filters import filters_of
        from chat.queries.search_operators import take_apart
        from chat.queries.search_query import parse

        parts = take_apart(text)
        filters = filters_of(parts.operators, self.me, rooms, None, UTC, datetime.now(UTC))
        sought = found_messages.Sought(
            words=parts.words,
            query=parse(parts.words) if parts.words else None,
            filters=filters,
            before=None if place is None else place.before,
        )
        page = search.Page(limit=LIMIT, order=order, cursor=place)
        try:
            number = search_order.BLOCK if order == "relevance" else LIMIT
            rows = found_messages.find(sought, number + 1)
            result = search._result(sought, page, rows, set())
        except ClientError:
            return place, None
        cursor = None if result.cursor is None else search_pages.read(result.cursor)
        return cursor, len(result.found)

    def explain(self, text: str, rooms: list[int], order: Any, place: Any) -> None:
        from django.db import connection

        def explained(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if not (sql.startswith("SELECT") and "chat_message" in sql):
                return run(sql, params, many, context)
            begun = time.perf_counter()
            try:
                return run(sql, params, many, context)
            finally:
                took = (time.perf_counter() - begun) * 1_000
                statements.append((took, sql, params))

        statements: list[tuple[float, str, Any]] = []
        with connection.execute_wrapper(explained):
            self.ask(text, rooms, order, place)
        for took, sql, params in sorted(statements, key=lambda one: -one[0])[:2]:
            print(f"    -- {text!r}: {took:,.0f} ms; without the search's own settings:")
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {sql}", params)
                for (row,) in cursor.fetchall():
                    print(f"    {row[:160]}")


if __name__ == "__main__":
    main()
