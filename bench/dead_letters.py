"""How long listing takes among many dead letters: `python -m bench.dead_letters 1000000`.

Starts its own log server with the usual settings, fills it and throws it away.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import psutil
import redis

from bench.servers import own_servers

T = TypeVar("T")

# Writes them as `add` does, but on the server: a million would take minutes over the network.
# ARGV: first, last, payload.
FILL = """
for number = ARGV[1], ARGV[2] do
  local id = '1700000000000-' .. string.format('%.0f', number)
  local origin = string.format('{"shard":1,"room":%d,"seq":%d}', number % 1000, number)
  redis.call('XADD', 'veche:dead-letters', id, 'source', 'persist', 'reason', 'refused',
    'error', 'IntegrityError', 'attempts', '1', 'first_at', '2026-11-22T10:00:00+00:00',
    'origin', origin, 'payload', ARGV[3])
  redis.call('HSET', '{veche:dead-letters}:origins', 'persist ' .. origin, id)
  redis.call('ZADD', '{veche:dead-letters}:due', 4000000000000, id)
end
"""


def fill(client: redis.Redis, letters: int) -> None:
    """Add `letters` waiting dead letters of 1,000 rooms, with payloads of about 400 bytes."""
    from chat import dead_letters

    payload = dead_letters.pack_entry({b"data": b'{"body":"' + b"x" * 350 + b'"}', b"seq": b"1"})
    for first in range(1, letters + 1, 10_000):
        client.eval(FILL, 0, first, min(first + 9_999, letters), payload)


def timed(what: str, call: Callable[[], T]) -> T:
    begun = time.perf_counter()
    result = call()
    print(f"{what}: {(time.perf_counter() - begun) * 1000:,.1f} ms")
    return result


def main(letters: int) -> None:
    import django

    django.setup()
    from chat import dead_letters
    from chat.dead_letters import Filter
    from chat.servers.redis_log import blocking_client

    timed(f"fill with {letters:,}", lambda: fill(blocking_client(), letters))
    used = blocking_client().info("memory")["used_memory"]
    print(f"log server: {used / letters:,.0f} bytes a letter")
    process = psutil.Process()
    before = process.memory_info().rss
    timed("first page of 50", dead_letters.page)
    timed("first page of 50, newest first", lambda: dead_letters.page(newest_first=True))
    middle = f"1700000000000-{letters // 2}"
    timed("page of 50 in the middle", lambda: dead_letters.page(after=middle))
    timed("page of 50 of one room in a thousand", lambda: dead_letters.page(Filter(room=7)))
    timed("counts", dead_letters.counts)
    slowest = 0.0
    blocking_client().config_resetstat()
    begun = time.perf_counter()
    for first in range(100):
        call = time.perf_counter()
        dead_letters.store.stretch(f"1700000000000-{first * 100 + 1}", "+", 100, value_bytes=4096)
        slowest = max(slowest, time.perf_counter() - call)
    mean = (time.perf_counter() - begun) / 100
    print(f"stretch of 100: {mean * 1000:.1f} ms on average, {slowest * 1000:.1f} ms at most")
    stats = blocking_client().info("commandstats")["cmdstat_evalsha"]
    print(f"of which the log server was busy: {stats['usec_per_call'] / 1000:.1f} ms on average")
    timed("all of them, one after the other", lambda: sum(1 for _ in dead_letters.every()))
    grown = process.memory_info().rss - before
    print(f"memory of the reader grew by {grown / 2**20:,.1f} MiB")


if __name__ == "__main__":
    with own_servers(given={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}):
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
