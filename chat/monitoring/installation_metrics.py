"""Metrics of the whole installation, read from their sources when metrics are scraped.

Every web process reports the same values within seconds, so Prometheus takes the largest (`max`)
and never the sum. Nothing is read more often than every `KEPT_SECONDS`, however many scrapes there
are. Each source has its own thread and time limit, so that an unreachable one does not hide the
others. Every count is bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import cast

import msgspec
import redis
from django.conf import settings
from django.db import connection, transaction
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from chat.dead_letters import store
from chat.events.positions import as_pair
from chat.hints import queues
from chat.metrics import catalogue as metrics
from chat.models import ShardCursor
from chat.monitoring import delivery_health, event_bus_state
from chat.room_log import keys
from chat.servers import postgres_durability, redis_durability
from chat.task_queue import beat_heartbeat
from chat.verify import Check
from chat.verify.readers.lags import exported_lag

logger = logging.getLogger(__name__)

Read = Callable[[], list[Metric]]

# Prometheus scrapes every 15 s and gives up after 10.
KEPT_SECONDS = 5.0
WAIT_SECONDS = 4.0
ANSWER_SECONDS = 2.0
ACTIVE_SECONDS = 300
# More open dead letters than this are not told apart.
MAX_LETTERS = 10_000
# Only this many of the newest events; in a busier installation the number of people is a bit low.
MAX_RECENT_EVENTS = 10_000

COUNT_PEOPLE = """
    SELECT count(DISTINCT actor_id) FROM (
        SELECT actor_id, at FROM chat_roomevent ORDER BY id DESC LIMIT %s
    ) AS recent WHERE at > now() - %s * interval '1 second'
"""
# Not by `backend_type`, which PostgreSQL shows only for one's own role.
COUNT_CONNECTIONS = """
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL),
           current_setting('max_connections')::int, pg_database_size(current_database())
"""


class _Source:
    """One place to read from. Used by one thread at a time."""

    def __init__(self, name: str, read: Read) -> None:
        self.name = name
        self._read = read
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"metrics of {name}")
        self._reading: Future[list[Metric]] | None = None
        self._began = 0.0
        self._was_down = False

    def begin(self) -> Future[list[Metric]]:
        """Start a new read when one is due, but never while an earlier one hangs."""
        now = time.monotonic()
        if self._reading is None or (self._reading.done() and now - self._began >= KEPT_SECONDS):
            self._began = now
            self._was_down = self._reading is not None and self._reading.exception() is not None
            self._reading = self._thread.submit(self._read)
        return self._reading

    def patience_seconds(self) -> float:
        """How long to wait for the read: not at all if the source failed last time."""
        return 0.0 if self._was_down else self._began + WAIT_SECONDS - time.monotonic()


class InstallationCollector:
    """The collector for prometheus_client. One scrape reads; concurrent ones wait for it."""

    def __init__(self, sources: dict[str, Read]) -> None:
        self._sources = [_Source(name, read) for name, read in sources.items()]
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            readings = {source.name: source.begin() for source in self._sources}
            for source in self._sources:
                wait([readings[source.name]], max(0.0, source.patience_seconds()))
        up = {}
        for name, reading in readings.items():
            found = _result(name, reading)
            up[name] = float(found is not None)
            yield from found or []
        yield metrics.SOURCE_UP.sample(**up)


def _result(name: str, reading: Future[list[Metric]]) -> list[Metric] | None:
    if not reading.done():
        logger.warning("%s does not answer in time for the metrics", name)
        return None
    error = reading.exception()
    if error is not None:
        # Only the type: the text may hold an address.
        logger.warning("%s gives no metrics: %s", name, type(error).__name__)
        return None
    return reading.result()


def registry() -> CollectorRegistry:
    """A registry of the metrics of the whole installation; one per process."""
    made = CollectorRegistry()
    sources: dict[str, Read] = {"log": read_log, "bus": read_bus, "database": read_database}
    made.register(InstallationCollector(sources))
    return made


_clients: dict[str, Redis] = {}


def _client(url: str) -> Redis:
    """A client that gives up early. It connects on first use, and reconnects when it has to."""
    if url not in _clients:
        _clients[url] = Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            # A broken connection shows only when used, so retry that; never retry a silent server.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
    return _clients[url]


# The log


def read_log() -> list[Metric]:
    """Raises: redis.RedisError."""
    client = _client(settings.ENV.log_redis_url)
    shards = range(settings.ENV.shards)
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds // 1000
    pipeline = client.pipeline(transaction=False)
    for shard in shards:
        pipeline.xlen(keys.ingest(shard))
        pipeline.xrange(keys.ingest(shard), count=1)
        pipeline.zcount(keys.active(shard), now_ms - ACTIVE_SECONDS * 1000, "+inf")
    pipeline.zcard(store.DUE)
    pipeline.zcard(store.PARKED)
    *of_shards, due, parked = pipeline.execute()
    lengths = of_shards[::3]
    firsts = [as_pair(first[0][0].decode())[0] for first in of_shards[1::3] if first]
    oldest_seconds = max(0.0, (now_ms - min(firsts, default=now_ms)) / 1000)
    return [
        metrics.INGEST_EVENTS.sample(sum(lengths)),
        metrics.INGEST_LARGEST_SHARD_EVENTS.sample(max(lengths)),
        metrics.INGEST_OLDEST_SECONDS.sample(oldest_seconds),
        metrics.WATERMARK_LAG_EVENTS.sample(stored=sum(lengths)),
        metrics.WATERMARK_LAG_SECONDS.sample(stored=oldest_seconds),
        metrics.ROOMS_ACTIVE.sample(sum(of_shards[2::3])),
        metrics.DEAD_LETTERS_WAITING.sample(due=due, parked=parked),
        metrics.WEAK_LOG.sample(settings.ENV.allow_weak_log or bool(_weaknesses(client))),
        *_open_letters(client, now_ms),
        *_of_server("log", client),
        *_log_file(client),
    ]


def _weaknesses(client: Redis) -> list[str]:
    try:
        return redis_durability.look(client)
    except ResponseError:
        return []  # This account may not ask; appending processes have asked, or would not append.


def _open_letters(client: Redis, now_ms: int) -> list[Metric]:
    """Open dead letters by source, from the names of what failed, which hold no payload."""
    count: Counter[str] = Counter()
    oldest: dict[str, int] = {}
    cursor = 0
    while sum(count.values()) < MAX_LETTERS:
        cursor, page = client.hscan(store.ORIGINS, cursor, count=1_000)
        for origin, letter in cast(dict[bytes, bytes], page).items():
            source = origin.partition(b" ")[0].decode(errors="replace")
            began_ms = as_pair(letter.decode())[0]
            count[source] += 1
            oldest[source] = min(oldest.get(source, began_ms), began_ms)
        if cursor == 0:
            break
    sources = {"persist", "export", *count}
    ages = {one: max(0.0, (now_ms - oldest.get(one, now_ms)) / 1000) for one in sources}
    return [
        metrics.DEAD_LETTERS_OPEN.sample(**{one: count[one] for one in sources}),
        metrics.DEAD_LETTERS_OLDEST_SECONDS.sample(**ages),
    ]


def _log_file(client: Redis) -> list[Metric]:
    info = client.info("persistence")
    return [
        metrics.LOG_FILE_BYTES.sample(info.get("aof_current_size", 0)),
        # With `appendfsync always` a server that cannot write exits. The earlier sign is that it
        # cannot rewrite its file, which needs space for a second one.
        metrics.LOG_WRITES_OK.sample(
            info.get("aof_last_write_status", "ok") == "ok"
            and info.get("aof_last_bgrewrite_status", "ok") == "ok"
        ),
    ]


def _of_server(name: str, client: Redis) -> list[Metric]:
    memory = client.info("memory")
    clients = client.info("clients")
    return [
        metrics.SERVER_MEMORY.sample(**{name: memory["used_memory"]}),
        metrics.SERVER_MEMORY_MAX.sample(**{name: memory["maxmemory"]}),
        metrics.SERVER_CLIENTS.sample(**{name: clients["connected_clients"]}),
    ]


# The bus


def read_bus() -> list[Metric]:
    """Raises: redis.RedisError; msgspec.MsgspecError when a value there is not ours."""
    client = _client(settings.ENV.bus_redis_url)
    broker = _client(settings.CELERY_BROKER_URL)
    health_text = cast(bytes | None, client.get(delivery_health.KEY))
    beat_at = beat_heartbeat.read(client)
    drains_queued = broker.llen(queues.DRAINS)
    found = [
        metrics.TASKS_QUEUED.sample(drains_queued + broker.llen(queues.DEFAULT)),
        metrics.DRAINS_QUEUED.sample(drains_queued),
        metrics.BEAT_AT.sample(beat_at),
        *_event_bus(client),
        *_of_server("bus", client),
    ]
    if health_text is None:
        return [*found, metrics.DELIVERY_CHECKED_AT.sample(0)]
    health = msgspec.json.decode(health_text, type=delivery_health.DeliveryHealth)
    return [
        *found,
        metrics.DELIVERY_CHECKED_AT.sample(health.checked_at.timestamp()),
        metrics.DELIVERY_VIOLATIONS.sample(
            **{str(check): health.violations.get(check, 0) for check in Check}
        ),
        metrics.DELIVERY_ROOMS.sample(checked=health.rooms, left=health.rooms_left),
    ]


def _event_bus(client: Redis) -> list[Metric]:
    """0 also when no worker has looked lately; missing workers have an alert of their own."""
    state = event_bus_state.last(client)
    return [
        metrics.WEAK_EVENT_BUS.sample(state is not None and bool(state.weaknesses)),
        metrics.EVENT_BUS_REFUSED.sample(state is not None and bool(state.refused)),
    ]


# PostgreSQL


def read_database() -> list[Metric]:
    """Raises: django.db.Error."""
    try:
        return _read_database()
    finally:
        connection.close()  # gives it back to the pool


def _read_database() -> list[Metric]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {int(ANSWER_SECONDS * 1000)}")
        lag = exported_lag(settings.ENV.shards)
        cursor.execute(COUNT_PEOPLE, [MAX_RECENT_EVENTS, ACTIVE_SECONDS])
        [people] = cursor.fetchone()
        cursor.execute(COUNT_CONNECTIONS)
        used, most, size_bytes = cursor.fetchone()
        cursor.execute(postgres_durability.READ_SETTINGS)
        weaknesses = postgres_durability.weaknesses(dict(cursor.fetchall()))
        stopped = Counter(
            ShardCursor.objects.filter(stopped_at__isnull=False).values_list("kind", flat=True)
        )
        persist = ShardCursor.objects.filter(kind=ShardCursor.Kind.PERSIST)
        epochs_begun = persist.filter(epochs_begun__gt=0).values_list("epochs_begun", flat=True)
        # A shard's first epoch is not a change.
        epoch_changes = sum(epochs - 1 for epochs in epochs_begun)
    return [
        metrics.WATERMARK_LAG_EVENTS.sample(exported=lag.events),
        metrics.WATERMARK_LAG_SECONDS.sample(exported=lag.seconds),
        metrics.SHARDS_STOPPED.sample(
            **{kind.value: stopped[kind.value] for kind in ShardCursor.Kind}
        ),
        metrics.EPOCH_CHANGES.sample(epoch_changes),
        metrics.PEOPLE_ACTIVE.sample(people),
        metrics.WEAK_DATABASE.sample(bool(weaknesses)),
        metrics.DATABASE_BYTES.sample(size_bytes),
        metrics.DATABASE_CONNECTIONS.sample(used=used, max=most),
    ]
