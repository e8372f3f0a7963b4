"""What a heartbeat of one web process costs, and how long it blocks the event loop.

    .venv/bin/python -m bench.heartbeat

Starts its own servers. Two cases: 100 people with 100 direct conversations each, in which nobody
else is connected; one room with 1,000 people. Prints for each case the CPU time of the process for
a heartbeat without any changes, as the median of `--beats`, and the longest time for which a
heartbeat blocked the loop, in CPU time of its thread: other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import time
from typing import Any

from bench.servers import own_servers


class Held:
    """Checks every millisecond how much the loop's thread has worked since the last check."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            last = now

    def stop(self) -> float:
        self._task.cancel()
        return self.longest


class Nowhere:
    """A transport whose frames are only counted."""

    def __init__(self) -> None:
        self.frames = 0
        self.characters = 0

    def send_text(self, text: str) -> None:
        self.frames += 1
        self.characters += len(text)

    def close(self, code: int) -> None: ...


def make_rooms(people: int, rooms_of_each: int, together: bool) -> list[int]:
    """Ids of the people. `together`: all are in the same rooms; otherwise in direct ones."""
    from django.utils import timezone

    from chat.models import Membership, Room, User

    users = User.objects.bulk_create(
        [User(username=f"p{timezone.now().timestamp()}-{one}") for one in range(people)]
    )
    now = timezone.now()
    memberships: list[tuple[int, int]] = []
    if together:
        rooms = Room.objects.bulk_create(
            [
                Room(slug=f"r-{users[0].pk}-{one}", name="Room", kind="public", stored_seq=1)
                for one in range(rooms_of_each)
            ]
        )
        memberships = [(user.pk, room.pk) for user in users for room in rooms]
    else:
        others = User.objects.bulk_create(
            [User(username=f"o{users[0].pk}-{one}") for one in range(rooms_of_each)]
        )
        pairs = [(user.pk, other.pk) for user in users for other in others]
        rooms = Room.objects.bulk_create(
            [
                Room(
                    slug=f"d-{one}-{two}",
                    name="",
                    kind="direct",
                    direct_key=f"{one}:{two}",
                    stored_seq=3,
                )
                for one, two in pairs
            ]
        )
        for room, pair in zip(rooms, pairs, strict=True):
            memberships += [(one, room.pk) for one in pair]
    Membership.objects.bulk_create(
        [Membership(user_id=user, room_id=room, joined_at=now) for user, room in memberships],
        batch_size=5_000,
    )
    return [user.pk for user in users]


async def measure(people: int, rooms_of_each: int, together: bool, beats: int) -> dict[str, Any]:
    from chat import hub, room_log
    from chat.accounts.socket_auth import Identity
    from chat.hub import heartbeat
    from chat.hub.core import Hub
    from chat.hub.logged_rooms import LoggedRooms
    from chat.hub.sockets import HubSocket
    from chat.models import Membership
    from chat.queries import room_list
    from chat.servers import redis_bus

    ids = await asyncio.to_thread(make_rooms, people, rooms_of_each, together)
    one = Hub(LoggedRooms(), shards=16, max_sockets=people, max_sockets_per_user=1)
    transports = []
    rooms = await asyncio.to_thread(
        lambda: set(Membership.objects.filter(user_id__in=ids).values_list("room_id", flat=True))
    )
    waiting = iter(rooms)

    async def load() -> None:
        for room in waiting:
            await room_log.ensure_loaded([room])

    await asyncio.gather(*(load() for _ in range(8)))
    for user_id in ids:
        transports.append(Nowhere())
        identity = Identity(user_id, f"session{user_id}", "p", "P", False)
        socket = HubSocket(identity, transports[-1], 1_000_000)
        one.admit(socket)
        one.enter(socket, await room_list.rooms_of(user_id), {})

    async def beat() -> tuple[float, float]:
        held = Held()
        await asyncio.sleep(0.01)
        held.longest = 0.0
        began = time.process_time()
        for part in heartbeat.PARTS:
            if part is not heartbeat.check_sessions:  # these connections have no sessions
                await part(one)
        used = time.process_time() - began
        await asyncio.sleep(0.01)
        return used, held.stop()

    await beat()
    await beat()
    # Collecting the garbage made until now must not count as part of a heartbeat.
    gc.collect()
    gc.freeze()
    for transport in transports:
        transport.frames = transport.characters = 0
    found = [await beat() for _ in range(beats)]
    await one.close_down()
    await redis_bus.close()
    await room_log.close()
    await hub.close()
    return {
        "people": people,
        "rooms": len(rooms),
        "cpu_ms_a_heartbeat": round(statistics.median(used for used, _ in found) * 1000, 1),
        "longest_hold_ms": round(max(held for _, held in found) * 1000, 1),
        "frames_to_each": sum(one.frames for one in transports) / people / beats,
        "characters_to_each": round(sum(one.characters for one in transports) / people / beats),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beats", type=int, default=5)
    given = parser.parse_args()
    with own_servers(durable=False, SHARDS="16"):
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        for people, rooms, together in ((100, 100, False), (1_000, 1, True)):
            print(json.dumps(asyncio.run(measure(people, rooms, together, given.beats))))


if __name__ == "__main__":
    main()
