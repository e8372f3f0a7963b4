"""How fast a backlog is counted: events/s of `consume_events` on a real Kafka or a Redis Stream.

    python -m bench.analytics_backlog --events 100000 --kafka
    python -m bench.analytics_backlog --events 20000 --profile

Starts its own servers in a temporary folder, with the durability of production, publishes the
backlog and then times consumers, each in its own process, from their first batch to the end. The
words in the messages are distributed like people's: a few frequent ones and very many rare ones.
Nothing else may run on the machine meanwhile, or it distorts the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import multiprocessing
import os
import pstats
import queue
import random
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import Queue
from typing import Any

import msgspec
import psutil

from bench.servers import own_servers
from localstack.servers import LocalServers

VOCABULARY = 30_000
PUBLISHED_AT_ONCE = 5_000


def set_up() -> None:
    """Set up Django with one database connection for the process, as in `consume_events`."""
    import django
    from django.db import connections

    django.setup()
    connections.settings["default"]["OPTIONS"].pop("pool", None)


def publish(events: int, rooms: int, people: int, hours: float) -> None:
    """Publish `events` events of the last `hours`: 85 % messages, the rest of all kinds."""
    from chat.event_bus import Record, envelope, event_bus
    from chat.events import (
        EventData,
        EventType,
        MessageEdited,
        MessagePosted,
        MessageTarget,
        Reaction,
        RoomCreated,
        RoomEvent,
        RoomKind,
        encode_data,
    )

    pick = random.Random(11)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(pick.choices(letters, k=pick.randint(2, 11))) for _ in range(VOCABULARY)]
    # Zipf: the n-th word is used 1/n as often as the first.
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    heads = dict.fromkeys(range(1, rooms + 1), 0)
    start = datetime.now(UTC) - timedelta(hours=hours)
    step = timedelta(hours=hours) / (events + 1)

    def something(room: int) -> tuple[EventType, EventData]:
        head = heads[room]
        if head == 0:
            name = f"bench-{room}"
            return EventType.ROOM_CREATED, RoomCreated(slug=name, name=name, kind=RoomKind.PUBLIC)
        share = pick.random()
        target = max(2, head - pick.randint(0, 30))
        if share < 0.85 or head < 3:
            body = " ".join(pick.choices(vocabulary, cum_weights=cumulated, k=pick.randint(3, 25)))
            reply_to = target if head > 2 and pick.random() < 0.2 else None
            return EventType.MESSAGE_POSTED, MessagePosted(body=body, reply_to=reply_to)
        if share < 0.93:
            return EventType.REACTION_ADDED, Reaction(target=target, emoji=pick.choice("👍🎉👀"))
        if share < 0.98:
            return EventType.MESSAGE_EDITED, MessageEdited(target=target, body="mended")
        return EventType.MESSAGE_DELETED, MessageTarget(target=target)

    cumulated = []
    total = 0.0
    for weight in weights:
        total += weight
        cumulated.append(total)
    bus = event_bus()
    bus.prepare()
    waiting: list[Record] = []
    for number in range(events):
        room = pick.randint(1, rooms) if number >= rooms else number + 1
        kind, data = something(room)
        heads[room] += 1
        event = RoomEvent(
            room=room,
            epoch=1,
            seq=heads[room],
            n=heads[room],
            type=kind,
            key=None,
            actor=pick.randint(1, people),
            at=start + number * step,
            data=msgspec.Raw(encode_data(data)),
        )
        waiting.append(Record(room, event.seq, envelope.encode(event)))
        if len(waiting) == PUBLISHED_AT_ONCE or number == events - 1:
            failures = [one for one in bus.publish(waiting, 120.0) if one is not None]
            if failures:
                raise SystemExit(f"the bus did not take everything: {failures[0]}")
            waiting = []
    bus.close()


def work(
    events: int, number: int, done: Any, seconds: Queue[tuple[float, float, float]], profile: bool
) -> None:
    """One consumer process: counts until all processes together have counted everything."""
    set_up()
    from analytics.counting.bus_reader import open_reader
    from analytics.counting.consumer import Consumer
    from chatsite.analytics_wiring.dead_letters import AnalyticsDeadLetters

    consumer = Consumer(lambda: open_reader(f"bench-{number}"), AnalyticsDeadLetters())
    profiler = cProfile.Profile()
    began = ended = 0.0
    used = time.process_time()
    if profile:
        profiler.enable()
    while done.value < events:
        at = time.monotonic()
        counted = consumer.step(0.5)
        if counted.bad or consumer.stopped:
            raise SystemExit("what was published cannot be counted")
        if counted.events:
            began = began or at
            ended = time.monotonic()
            with done.get_lock():
                done.value += counted.events
    used = time.process_time() - used
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
    consumer.close()
    seconds.put((began, ended, used))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rooms", type=int, default=50)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--hours", type=float, default=48.0, help="time that the events span")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kafka", action="store_true", help="a real Kafka instead of a stream")
    parser.add_argument("--profile", action="store_true", help="of the first process")
    options = parser.parse_args()

    with own_servers(kafka=options.kafka) as servers:
        print(json.dumps(measure(options, servers), indent=1))


def measure(options: argparse.Namespace, servers: LocalServers) -> dict[str, Any]:
    set_up()
    from django.core.management import call_command

    from analytics.models import ALL_ROOMS, DayRollup, WordWeek
    from bench.backlog import processor_seconds
    from chat.event_bus import event_bus

    call_command("migrate", verbosity=0)
    publish(options.events, options.rooms, options.people, options.hours)
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    seconds: Any = context.Queue()
    before = processor_seconds(servers)
    children = [
        context.Process(
            target=work,
            args=(options.events, number, done, seconds, options.profile and number == 0),
        )
        for number in range(options.processes)
    ]
    for child in children:
        child.start()
    times: list[tuple[float, float, float]] = []
    while len(times) < len(children):
        with contextlib.suppress(queue.Empty):
            times.append(seconds.get(timeout=1))
        if any(child.exitcode for child in children):
            raise SystemExit("a consumer failed")
    for child in children:
        child.join(30)
    used = {name: after - before[name] for name, after in processor_seconds(servers).items()}
    took = max(end for _, end, _ in times) - min(begin for begin, end, _ in times if end)
    days = DayRollup.objects.filter(room=ALL_ROOMS)
    return {
        "bus": event_bus().name,
        "events": options.events,
        "rooms": options.rooms,
        "processes": options.processes,
        "seconds": round(took, 2),
        "events_per_second": round(options.events / took),
        # The steadier figures on a busy machine.
        "processor_us_per_event": {
            name: round(one / options.events * 1e6, 1)
            for name, one in {"consumers": sum(cpu for _, _, cpu in times), **used}.items()
        },
        "messages_counted": sum(days.values_list("messages", flat=True)),
        "words_kept": WordWeek.objects.count(),
        "load_average": os.getloadavg()[0],
        "cores": psutil.cpu_count(),
    }


if __name__ == "__main__":
    main()
