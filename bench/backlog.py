"""How fast a backlog is stored and exported: events/s of `persist_shard` and of `export_shard`.

    python -m bench.backlog --events 100000 --kafka
    python -m bench.backlog --events 20000 --posts-only --profile persist

Starts its own servers in a temporary folder, with the durability of production, and appends the
backlog to the log the way people do. Then it times each step with as many processes as a worker
has. Nothing else may run on the machine meanwhile, or it distorts the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import multiprocessing
import pstats
import random
import tempfile
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psutil

from bench.servers import own_servers
from localstack.servers import LocalServers

WORDS = ["nobody", "has", "lost", "a", "word", "of", "it", "and", "the", "quick", "fox", "jumps"]
APPENDS_UNDER_WAY = 400


def set_up() -> None:
    """Set up Django with one database connection for the process, as in a Celery worker."""
    import django
    from django.db import connections

    django.setup()
    database = connections.settings["default"]
    database["OPTIONS"].pop("pool", None)
    database["CONN_MAX_AGE"] = 600


async def fill(events: int, rooms: int, posts_only: bool) -> None:
    """Put `events` events into the log, spread over `rooms` rooms."""
    from asgiref.sync import sync_to_async
    from uuid_utils.compat import uuid7

    from chat import room_log
    from chat.events import (
        EventData,
        EventType,
        MemberJoined,
        MessageEdited,
        MessagePosted,
        MessageTarget,
        Reaction,
        Role,
        RoomCreated,
        RoomKind,
    )
    from chat.models import Room, User
    from chat.room_log import NewEvent

    pick = random.Random(7)
    author = await sync_to_async(User.objects.create_user)("bench")
    targets: dict[int, list[int]] = {}

    async def log(room: int, kind: EventType, data: EventData) -> int:
        new = NewEvent(room=room, type=kind, data=data, actor=author.pk, key=str(uuid7()))
        return (await room_log.append(new)).event.seq

    for number in range(rooms):
        name = f"bench-{number}"
        room = await Room.objects.acreate(
            slug=name, name=name, kind=RoomKind.PRIVATE, created_by=author
        )
        created = RoomCreated(slug=name, name=name, kind=RoomKind.PRIVATE)
        await log(room.pk, EventType.ROOM_CREATED, created)
        joined = MemberJoined(user=author.pk, role=Role.OWNER)
        await log(room.pk, EventType.MEMBER_JOINED, joined)
        targets[room.pk] = []
    ids = list(targets)

    def body() -> str:
        return " ".join(pick.choices(WORDS, k=pick.randint(3, 30)))

    async def something() -> None:
        room = pick.choice(ids)
        share = 0.0 if posts_only else pick.random()
        if share < 0.85 or not targets[room]:
            targets[room].append(
                await log(room, EventType.MESSAGE_POSTED, MessagePosted(body=body()))
            )
            return
        target = pick.choice(targets[room][-50:])
        if share < 0.93:
            data = Reaction(target=target, emoji=pick.choice("👍🎉👀"))
            await log(room, EventType.REACTION_ADDED, data)
        elif share < 0.98:
            await log(room, EventType.MESSAGE_EDITED, MessageEdited(target=target, body=body()))
        else:
            await log(room, EventType.MESSAGE_DELETED, MessageTarget(target=target))

    left = events - 2 * rooms

    async def one_after_the_other() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await something()

    await asyncio.gather(*(one_after_the_other() for _ in range(APPENDS_UNDER_WAY)))
    await room_log.close()


def work(step: str, ready: Barrier, seconds: Queue[float], profile: Path | None) -> None:
    """One worker process: takes every shard in turn until nothing is left."""
    set_up()
    from django.conf import settings

    from chat.export import exporter
    from chat.persistence import drain

    calls: dict[str, Callable[[int], Any]] = {
        "persist": lambda shard: drain.drain(shard).stored,
        "export": lambda shard: exporter.of_process().export(shard).published,
    }
    call = calls[step]
    shards = list(range(settings.ENV.shards))
    profiler = cProfile.Profile()
    ready.wait()
    began = time.process_time()
    if profile is not None:
        profiler.enable()
    while sum(call(shard) for shard in shards):
        pass
    if profile is not None:
        profiler.disable()
        profiler.dump_stats(profile)
    seconds.put(time.process_time() - began)


def timed(step: str, processes: int, profile: bool, folder: Path) -> tuple[float, float]:
    """Seconds that `processes` processes take for a whole step, and their processor time."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    seconds = context.Queue()
    path = folder / f"{step}.profile" if profile else None
    children = [
        context.Process(target=work, args=(step, ready, seconds, path if number == 0 else None))
        for number in range(processes)
    ]
    for child in children:
        child.start()
    ready.wait()
    began = time.perf_counter()
    for child in children:
        child.join()
    took = time.perf_counter() - began
    processor_time = sum(seconds.get() for _ in children)
    if any(child.exitcode for child in children):
        raise SystemExit(f"a process of step {step} failed")
    if path is not None:
        pstats.Stats(str(path)).sort_stats("tottime").print_stats(30)
    return took, processor_time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rooms", type=int, default=50)
    parser.add_argument("--processes", type=int, default=2, help="as WORKER_CONCURRENCY")
    parser.add_argument("--kafka", action="store_true", help="export to a real Kafka")
    parser.add_argument("--posts-only", action="store_true", help="no edits, no reactions")
    parser.add_argument("--profile", choices=["persist", "export"], help="of the first process")
    options = parser.parse_args()

    with (
        tempfile.TemporaryDirectory(prefix="veche-profiles-") as folder,
        own_servers(kafka=options.kafka) as servers,
    ):
        print(json.dumps(measure(options, Path(folder), servers), indent=1))


def processor_seconds(servers: LocalServers) -> dict[str, float]:
    """Processor time that each server has used so far, including its ended processes."""
    used = {}
    for name, running in servers.running.items():
        process = psutil.Process(running.pid)
        used[name] = sum(process.cpu_times()[:4]) + sum(
            sum(child.cpu_times()[:2]) for child in process.children(recursive=True)
        )
    return used


def measure(options: argparse.Namespace, folder: Path, servers: LocalServers) -> dict[str, Any]:
    set_up()
    from django.core.management import call_command

    from chat.event_bus import event_bus
    from chat.models import RoomEvent

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    asyncio.run(fill(options.events, options.rooms, options.posts_only))
    appended = time.perf_counter() - began
    found: dict[str, Any] = {
        "events": options.events,
        "rooms": options.rooms,
        "processes": options.processes,
        "appends_per_second": round(options.events / appended),
    }
    for step in ("persist", "export"):
        before = processor_seconds(servers)
        took, workers = timed(step, options.processes, options.profile == step, folder)
        used = {name: after - before[name] for name, after in processor_seconds(servers).items()}
        found[f"{step}_seconds"] = round(took, 2)
        found[f"{step}_events_per_second"] = round(options.events / took)
        # The steadier figures on a busy machine.
        found[f"{step}_processor_us_per_event"] = {
            name: round(seconds / options.events * 1e6, 1)
            for name, seconds in {"workers": workers, **used}.items()
        }
    found["bus"] = event_bus().name
    found["stored"] = RoomEvent.objects.count()
    found["on_the_bus"] = count_on_bus()
    return found


def count_on_bus() -> int:
    """The number of distinct events that a reader finds on the event bus."""
    from chat.event_bus import envelope, event_bus

    reader = event_bus().reader()
    seen = set()
    while found := reader.read(1_000, 3.0):
        for one in found:
            event = envelope.decode(one.value or b"")
            seen.add((event.room, event.seq))
    reader.close()
    return len(seen)


if __name__ == "__main__":
    main()
