"""How long loading a large room blocks the log server and the event loop.

    .venv/bin/python -m bench.room_load --members 100000

Starts its own servers and loads a room of that many members `--loads` times. Meanwhile a process
pings the log server every millisecond over a connection of its own, and a task measures how long
the loop's thread works without a pause. Prints how long a load took, the slowest ping, and the
longest piece of work on the loop, in CPU time of its thread and on the wall clock; all in ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import multiprocessing.synchronize
import os
import time
from multiprocessing.connection import Connection
from typing import Any

from bench.servers import own_servers

EVERY_SECONDS = 0.001


def ping(url: str, stop: multiprocessing.synchronize.Event, answer: Connection) -> None:
    """Ping until `stop` is set; sends the slowest ping, in seconds."""
    import redis

    client = redis.Redis.from_url(url)
    client.ping()
    answer.send(0.0)
    slowest = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        client.ping()
        slowest = max(slowest, time.perf_counter() - began)
        time.sleep(EVERY_SECONDS)
    answer.send(slowest)


class Loop:
    """Checks the loop every millisecond."""

    def __init__(self) -> None:
        self.worked = self.waited = 0.0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            cpu_now, wall_now = time.thread_time(), time.perf_counter()
            self.worked = max(self.worked, cpu_now - cpu)
            self.waited = max(self.waited, wall_now - wall - EVERY_SECONDS)
            cpu, wall = cpu_now, wall_now

    def stop(self) -> None:
        self._task.cancel()


def make_room(members: int) -> int:
    from django.db import connection

    from chat.models import Room

    room = Room.objects.create(slug="large", name="Large", kind="public", stored_seq=members)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO chat_user (username, display_name, email, password, is_superuser,"
            " first_name, last_name, is_staff, is_active, date_joined)"
            " SELECT 'member-' || one, '', '', '', false, '', '', false, true, now()"
            " FROM generate_series(1, %s) AS one",
            [members],
        )
        cursor.execute(
            "INSERT INTO chat_membership (room_id, user_id, role, joined_at)"
            " SELECT %s, id, 'member', now() FROM chat_user",
            [room.pk],
        )
        cursor.execute("ANALYZE")
    return int(room.pk)


async def measure(members: int, loads: int) -> dict[str, Any]:
    from django.conf import settings

    from chat import room_log
    from chat.room_log import keys
    from chat.servers import redis_log

    room = await asyncio.to_thread(make_room, members)
    shard = room % settings.ENV.shards
    # The first load makes the epoch, and everything else that is made once.
    await room_log.ensure_loaded([room])
    gc.collect()
    gc.freeze()
    found: list[dict[str, float]] = []
    context = multiprocessing.get_context("spawn")
    for _ in range(loads):
        await redis_log.async_client().unlink(
            keys.room(shard, room), keys.acl(shard, room), keys.log(shard, room)
        )
        await asyncio.sleep(0.5)  # the server frees unlinked memory in the background
        stop = context.Event()
        mine, theirs = context.Pipe()
        pinging = context.Process(target=ping, args=(os.environ["LOG_REDIS_URL"], stop, theirs))
        pinging.start()
        await asyncio.to_thread(mine.recv)
        loop = Loop()
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await room_log.ensure_loaded([room])
        took = time.perf_counter() - began
        await asyncio.sleep(0.02)
        loop.stop()
        stop.set()
        slowest = await asyncio.to_thread(mine.recv)
        await asyncio.to_thread(pinging.join)
        found.append(
            {
                "load": took,
                "slowest_ping": slowest,
                "loop_worked": loop.worked,
                "loop_waited": loop.waited,
            }
        )
    entries = await redis_log.async_client().hlen(keys.acl(shard, room))
    await room_log.close()
    medians = {
        f"{name}_ms": round(sorted(one[name] for one in found)[loads // 2] * 1000, 1)
        for name in found[0]
    }
    return {"members": entries, **medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--loads", type=int, default=5)
    given = parser.parse_args()
    with own_servers(durable=False, ALLOW_WEAK_LOG="1"):
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        print(json.dumps(asyncio.run(measure(given.members, given.loads))))


if __name__ == "__main__":
    main()
