"""A reconnect storm: all sockets are lost at once. When is the last one back and complete?

    .venv/bin/python -m tests.drill.cluster.storm --sockets 2000 --rooms 20 --each 5

Starts an installation of its own (three web processes behind the gateway's nginx) and stops it in
the end. Every person has missed `--missed` events in each of their rooms. Workers and beat are
stopped meanwhile, so that each statement that PostgreSQL counts belongs to a reconnecting socket.
The clients run on the same machine, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from localstack.process import StartFailed
from localstack.supervisor import python
from tests.drill.cluster.installation import WORKERS, ClusterInstallation
from tests.drill.cluster.watchers import Watchers

CONNECTS_PER_SECOND = 100.0
PATIENCE_SECONDS = 120.0
STATEMENTS = """
    SELECT calls, query FROM pg_stat_statements
    WHERE query NOT ILIKE '%%pg_stat_statements%%' ORDER BY calls DESC
"""


async def storm(
    folder: Path, sockets: int, rooms: int, each: int, missed: int, server: str
) -> dict[str, Any]:
    """The results of one storm. Raises: StartFailed."""
    installation = ClusterInstallation(folder, settings={"ASGI_SERVER": server}, statistics=True)
    # As the owner: other roles may neither count statements nor read those of others.
    database = installation.environment["DATABASE_OWNER_URL"]
    watchers: Watchers | None = None
    try:
        await installation.start()
        say("making people and rooms")
        output = await installation.command(
            *python("tests.drill.cluster.prepare", str(sockets), str(rooms), str(each))
        )
        made = json.loads(output.splitlines()[-1])
        say("connecting")
        watchers = Watchers(installation.gateway_port, made["people"], seed=1)
        await watchers.start(CONNECTS_PER_SECOND)
        if not await watchers.until_connected(PATIENCE_SECONDS):
            raise StartFailed(f"only {watchers.connected()} of {sockets} could connect")
        for name in (*WORKERS, "beat"):
            await installation.hold(name)
        resident = {
            web: round(installation.processes(web)[0].memory_info().rss / 2**20)
            for web in installation.webs
        }
        before = installation.sockets()
        heads = {room: seq for one in watchers.all for room, (_, seq) in one.positions.items()}
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            connection.execute("SELECT pg_stat_statements_reset()")
            cpu = cpu_seconds(installation)
            say("cutting all lines")
            began = time.monotonic()
            for watcher in watchers.all:
                watcher.cut()
                for place in watcher.positions.values():
                    place[1] -= missed
            complete = await watchers.until_they_have(heads, PATIENCE_SECONDS)
            connected = await watchers.until_connected(PATIENCE_SECONDS)
            seconds = time.monotonic() - began
            used = {
                name: round(now - cpu[name], 2) for name, now in cpu_seconds(installation).items()
            }
            statements = connection.execute(STATEMENTS).fetchall()
        gaps = sorted(gap.seconds for gap in watchers.gaps_since(began))
        queries = sum(calls for calls, _ in statements)
        return {
            "server": server,
            "sockets": sockets,
            "rooms_of_each": each,
            "events_missed_in_each": missed,
            "complete": complete and connected and len(gaps) == sockets,
            "seconds_until_all_complete": round(seconds, 2),
            "gap_seconds": {
                "median": round(statistics.median(gaps), 2),
                "p99": round(gaps[int(len(gaps) * 0.99)], 2),
                "longest": round(gaps[-1], 2),
            },
            "handshakes_for_each": round(
                (sum(one.handshakes for one in watchers.all) - sockets) / sockets, 3
            ),
            "database_statements": queries,
            "database_statements_for_each": round(queries / sockets, 3),
            "statements": [[calls, " ".join(query.split())[:100]] for calls, query in statements],
            "sockets_before": before,
            "sockets_after": installation.sockets(),
            "resident_mib_connected": resident,
            "cpu_seconds": used,
            "problems": watchers.problems()[:10],
            "load_average": os.getloadavg()[0],
        }
    finally:
        if watchers is not None:
            await watchers.stop()
        await installation.stop()


def cpu_seconds(installation: ClusterInstallation) -> dict[str, float]:
    """User and system time of each part so far, and of this process, which plays the clients."""
    used = {}
    for name in installation.part_names():
        times = [one.cpu_times() for one in installation.processes(name)]
        used[name] = sum(one.user + one.system for one in times)
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return {**used, "clients": mine.ru_utime + mine.ru_stime}


def say(text: str) -> None:
    sys.stderr.write(f"storm: {text}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--each", type=int, default=5, help="rooms of each person")
    parser.add_argument("--missed", type=int, default=5, help="events in each room")
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="veche-storm-") as root:
        Path(root).chmod(0o755)
        found = asyncio.run(
            storm(Path(root), given.sockets, given.rooms, given.each, given.missed, given.server)
        )
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
