"""How long the admin's page takes among many dead letters: `python -m bench.admin_dead_letters`.

Starts its own servers, fills the log server with a million dead letters (or a given number) and
requests the pages as a browser does.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from bench.dead_letters import fill
from bench.servers import own_servers

REPEATS = 5


def main(letters: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.test.utils import setup_test_environment

    from chat.models import User
    from chat.servers.redis_log import blocking_client

    call_command("migrate", verbosity=0)
    begun = time.perf_counter()
    fill(blocking_client(), letters)
    print(f"filled with {letters:,} in {time.perf_counter() - begun:,.0f} s")
    boss = User.objects.create(username="boss", is_staff=True, is_superuser=True, password="!")
    setup_test_environment()  # so that responses carry their template contexts
    browser = Client()
    browser.force_login(boss)
    middle = f"1700000000000-{letters // 2}"
    for what, query in (
        ("newest first", ""),
        ("oldest first", "order=oldest"),
        ("a page in the middle", f"order=oldest&after={middle}"),
        ("one room in a thousand", "room=7"),
        ("a reason that nothing has", "reason=unreadable"),
        ("entered today", "since=2026-11-25"),
        ("all tasks", "source=task:"),
    ):
        timed(browser, what, f"/admin/dead-letters/?{query}")
    timed(browser, "one letter", f"/admin/dead-letters/{middle}/")


def timed(browser: Any, what: str, address: str) -> None:
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        answer = browser.get(address)
        times.append((time.perf_counter() - begun) * 1_000)
    shown = len((answer.context or {}).get("letters", ()))
    print(
        f"{what}: {statistics.median(times):,.0f} ms (slowest {max(times):,.0f}), "
        f"status {answer.status_code}, {shown} letters"
    )


if __name__ == "__main__":
    with own_servers(
        ALLOWED_ORIGINS="http://testserver",
        STAFF_MFA="no",
        # Filling adds ten thousand letters per call, which takes long on a busy machine.
        REDIS_TIMEOUT_SECONDS="60",
    ):
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
