"""How long the analytics page and its API take with a year of data.

    python -m bench.analytics_page --rooms 1000 --people 2000 --days 365

Fills its own servers (`bench.analytics_year`), starts a web process as an installation does, and
calls every operation over HTTP for each period, for all rooms as an administrator and for one room.
If there is a Chromium, it also opens the page and waits until every chart is drawn. Milliseconds:
the median and the slowest of `--times` requests, one after the other; and the processor time of
PostgreSQL's process for the page's queries of all rooms, the steadier figure on a busy machine.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.backlog import set_up
from bench.servers import own_servers
from localstack.chromium import chromium, find_chromium
from localstack.ports import free_port
from localstack.process import StartFailed
from localstack.web_process import web_process

PERIODS = ("24h", "7d", "30d", "365d")
# A zone whose hours are not those of UTC, so that no shortcut for whole UTC days helps.
ZONE = "Asia/Kolkata"
BOTH = (
    "live",
    "totals",
    "activity",
    "active",
    "hours",
    "replies",
    "weeks",
    "newcomers",
    "people",
    "emoji",
)
OPERATIONS = {"all rooms": (*BOTH, "top-rooms"), "one room": (*BOTH, "words")}
LOUD_ROOM = 1
PAGE_SECONDS = 120.0
ALL_DRAWN = """() => {
    const cards = [...document.querySelectorAll("[data-card]:not([hidden])")];
    const states = cards.map((card) => card.dataset.state);
    return cards.length > 0 && states.every((state) => ["ready", "empty"].includes(state))
        && document.querySelectorAll("[data-counter]").length >= 6;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()

    port = free_port()
    with own_servers(durable=False, ALLOWED_ORIGINS=f"http://127.0.0.1:{port}"):
        print(json.dumps(measure(options, port), indent=1, ensure_ascii=False))


def measure(options: argparse.Namespace, port: int) -> dict[str, Any]:
    set_up()
    from django.core.management import call_command

    from bench.analytics_year import fill_year

    call_command("migrate", verbosity=0)
    begun = time.monotonic()
    rows = fill_year(options.rooms, options.people, options.days)
    filled = time.monotonic() - begun
    cookie = administrator()
    with (
        tempfile.TemporaryDirectory(prefix="veche-page-") as folder,
        web_process(Path(folder) / "web.log", PORT=str(port), STAFF_MFA="no"),
    ):
        return {
            "rows": rows,
            "filled_in_seconds": round(filled),
            "milliseconds, median and slowest": operations(port, cookie, options.times),
            "page_milliseconds": page(port, cookie),
            "postgres_processor_milliseconds": processor_milliseconds(),
            "load_average": round(os.getloadavg()[0], 1),
        }


def administrator() -> str:
    """The session of a person who may see everything."""
    from django.test import Client

    from chat.models import User

    # An id beyond those of the year's people.
    boss = User.objects.create(
        id=10**9, username="boss", password="!", is_superuser=True, is_staff=True
    )
    client = Client()
    client.force_login(boss)
    return client.cookies["sessionid"].value


def operations(port: int, cookie: str, times: int) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for scope, names in OPERATIONS.items():
        room = f"&room={LOUD_ROOM}" if scope == "one room" else ""
        for name in names:
            for period in PERIODS:
                address = (
                    f"http://127.0.0.1:{port}/api/v1/analytics/{name}"
                    f"?period={period}&tz={ZONE}{room}"
                )
                took = [ask(address, cookie) for _ in range(times + 1)][1:]
                row = table.setdefault(f"{scope}: {name}", {})
                row[period] = [round(statistics.median(took)), round(max(took))]
    table["all rooms: live, unchanged (304)"] = [round(unchanged(port, cookie, times), 1)]
    return table


def ask(address: str, cookie: str) -> float:
    request = urllib.request.Request(address, headers={"Cookie": f"sessionid={cookie}"})
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return (time.perf_counter() - begun) * 1000


def unchanged(port: int, cookie: str, times: int) -> float:
    """Median time of requests for unchanged data, which every open page sends once a second."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Cookie": f"sessionid={cookie}"}
    address = f"/api/v1/analytics/live?period=365d&tz={ZONE}"
    connection.request("GET", address, headers=headers)
    first = connection.getresponse()
    first.read()
    headers["If-None-Match"] = first.headers["ETag"]
    took = []
    for _ in range(times * 4):
        begun = time.perf_counter()
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status == 304:  # unless a minute has just ended
            took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def processor_milliseconds() -> dict[str, dict[str, int]]:
    """Processor time of PostgreSQL's process for each query of all rooms, by period."""
    from django.db import connection
    from django.utils import timezone

    from analytics.models import ALL_ROOMS
    from analytics.reading import periods
    from analytics.reading.periods import Period, Step
    from analytics.reading.queries import people, ranks, replies, sums

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    now, zone = timezone.now(), periods.zone_named(ZONE)

    def totals(of: Period) -> None:
        sums.totals(ALL_ROOMS, of.begin, of.end)
        people.people(ALL_ROOMS, of.begin, of.end, now)
        people.rooms(of.begin, of.end)

    found: dict[str, dict[str, int]] = {}
    for length in periods.Recent:
        one = periods.recent(length, zone, now)
        # As the page requests them: a year's lines are made of weeks.
        lines = (
            one if length != periods.Recent.YEAR else periods.recent(length, zone, now, Step.WEEK)
        )
        by_days = Period(one.begin, one.end, zone, Step.DAY)
        readings: dict[str, Callable[[], object]] = {
            "live": functools.partial(totals, one),
            "totals before": functools.partial(totals, one.before()),
            "activity": functools.partial(sums.by_step, ALL_ROOMS, one),
            "active people": functools.partial(people.people_by_step, ALL_ROOMS, lines),
            "active rooms": functools.partial(people.rooms_by_step, lines),
            "hours": functools.partial(sums.hours_of_the_week, ALL_ROOMS, one),
            "replies": functools.partial(replies.by_step, ALL_ROOMS, lines),
            "weeks": functools.partial(people.by_week, ALL_ROOMS, periods.weeks(one, 8, 53), now),
            "people": functools.partial(ranks.top_people, ALL_ROOMS, by_days, 10),
            "top rooms": functools.partial(ranks.top_rooms, one, 10),
        }
        for name, reading in readings.items():
            reading()
            before = worked(process)
            for _ in range(5):
                reading()
            found.setdefault(name, {})[length.value] = round((worked(process) - before) / 5)
    return found


def worked(process: Path) -> float:
    """A process's processor time in milliseconds, from its /proc/<pid>/stat."""
    user, system = process.read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK")


def page(port: int, cookie: str) -> dict[str, int] | str:
    """Time from navigation to the last chart, by period; the browser is warm."""
    try:
        find_chromium()
    except StartFailed as problem:
        return str(problem)
    found = {}
    root = f"http://127.0.0.1:{port}"
    with chromium() as browser:
        context = browser.new_context(timezone_id=ZONE, viewport={"width": 1280, "height": 800})
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": root}])
        tab = context.new_page()
        tab.goto(f"{root}/analytics/")
        for period in PERIODS:
            for scope, room in (("all rooms", ""), ("one room", f"&room={LOUD_ROOM}")):
                begun = time.perf_counter()
                tab.goto(f"{root}/analytics/?period={period}{room}")
                tab.wait_for_function(ALL_DRAWN, timeout=PAGE_SECONDS * 1000)
                found[f"{period}, {scope}"] = round((time.perf_counter() - begun) * 1000)
    return found


if __name__ == "__main__":
    main()
