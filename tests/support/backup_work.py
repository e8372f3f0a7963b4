"""`python -m tests.support.backup_work JOURNAL`: people write while a backup is made.

Writes and stores until its input ends. Each acknowledged place becomes a line of the journal,
`room seq`, handed to the operating system at once. Run again, it goes on in the same rooms.
With `settle` instead of the journal it stores and publishes what there is, lets the analytics count
all that is on the event bus, and ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from itertools import count

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

import django

ROOMS = 5
# People pause, and the backup's own process needs a core too.
PAUSE_SECONDS = 0.02


def main(journal: str) -> None:
    django.setup()
    if journal == "settle":
        settle()
        return
    end = threading.Event()
    storing = threading.Thread(target=store_until, args=[end])
    storing.start()
    threading.Thread(target=wait_for_end, args=[end], daemon=True).start()
    try:
        asyncio.run(write_until(end, os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)))
    finally:
        end.set()
        storing.join()


def wait_for_end(end: threading.Event) -> None:
    sys.stdin.read()
    end.set()


async def write_until(end: threading.Event, journal: int) -> None:
    from asgiref.sync import sync_to_async
    from uuid_utils.compat import uuid7

    from chat import room_log
    from chat.actions import messages
    from chat.actions import rooms as actions
    from chat.events import RoomKind
    from chat.models import Room, User

    anna, _ = await sync_to_async(User.objects.get_or_create)(username="anna")
    rooms = [pk async for pk in Room.objects.order_by("pk").values_list("pk", flat=True)]
    while len(rooms) < ROOMS:
        room = await actions.create_room(anna.pk, f"Backup {len(rooms)}", RoomKind.PRIVATE)
        rooms.append(room.pk)

    async def write(room: int) -> None:
        for number in count():
            if end.is_set():
                return
            appended = await messages.post_message(
                anna.pk, room, str(uuid7()), f"message {number} вече"
            )
            os.write(journal, f"{room} {appended.event.seq}\n".encode())
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(write(room) for room in rooms))
    await room_log.close()


def store_until(end: threading.Event) -> None:
    from django.conf import settings

    while not end.wait(PAUSE_SECONDS):
        for shard in range(settings.ENV.shards):
            store(shard)


def store(shard: int) -> int:
    from chat.errors import RetryableError
    from chat.export import exporter
    from chat.persistence import drain

    try:
        return drain.drain(shard).stored + exporter.of_process().export(shard).published
    except RetryableError:
        return 1  # PostgreSQL may be waiting for a lock: try again


def settle() -> None:
    from django.conf import settings
    from django.db import connections

    connections.settings["default"]["OPTIONS"].pop("pool", None)  # the analytics have none
    for shard in range(settings.ENV.shards):
        while store(shard):
            pass
    count_everything()


def count_everything() -> None:
    from analytics.counting import rollups
    from analytics.counting.bus_reader import open_reader
    from analytics.counting.consumer import Consumer
    from chatsite.analytics_wiring.dead_letters import AnalyticsDeadLetters

    reader = open_reader(group="what-is-to-be-counted")
    name, ends = reader.name, reader.ends()
    reader.close()
    consumer = Consumer(open_reader, AnalyticsDeadLetters())
    while rollups.positions(name, ends) != ends:
        consumer.step(0.5)
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1])
