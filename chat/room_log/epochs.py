"""Makes the log and PostgreSQL agree on the epoch of a shard, and notices a log that was lost.

The epoch belongs to the shard; PostgreSQL's persist cursor holds it. A log has lost what it had
acknowledged when it has no epoch or an older one, or when its ingest stream ends before the
cursor. Then the epoch goes up, rooms load anew from PostgreSQL, clients are told, and the loss is
reported.

No epoch number is used for two histories, even when old copies of both servers are restored, which
know nothing of the later epochs: see `_next_epoch` and docs/decisions/0026.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.conf import settings
from django.db import OperationalError, connection, transaction
from redis.exceptions import RedisError, ResponseError

from chat.errors import RetryableError
from chat.events.positions import as_pair
from chat.hints import to_hubs
from chat.models import ShardCursor
from chat.resilience.crash_points import crash_point
from chat.room_log import cursors, keys, restrictions
from chat.room_log.cursors import START_OF_STREAM
from chat.room_log.scripts import BEGIN_EPOCH, RAISE_EPOCH
from chat.servers.redis_log import blocking_client

logger = logging.getLogger(__name__)

# The epoch of a new installation: nobody can have seen another one.
FIRST_EPOCH = 1
# PostgreSQL's clock, because the cursor is there and the clocks of web and workers may disagree.
READ_CLOCK = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
# A marker may point past events that are lost; what comes in their places has not been read. This
# is one pass over all markers. Recovery goes on without it when it takes too long.
TAKE_MARKERS_BACK = """
    UPDATE chat_readmarker AS marker
    SET seq = least(marker.seq, room.stored_seq),
        put_back_from = least(marker.put_back_from, room.stored_seq)
    FROM chat_room AS room
    WHERE room.id = marker.room_id AND room.id %% %s = %s
        AND greatest(marker.seq, marker.put_back_from) > room.stored_seq
"""


def read_log(shard: int) -> tuple[int | None, str]:
    """The log's epoch of `shard` and the last id its ingest stream gave out.

    Raises: redis.RedisError.
    """
    client = blocking_client()
    raw = client.get(keys.epoch(shard))
    try:
        last = client.xinfo_stream(keys.ingest(shard))["last-generated-id"].decode()
    except ResponseError as error:
        if "no such key" not in str(error):
            raise
        last = START_OF_STREAM
    return (None if raw is None else int(raw)), last


def agree(cursor: ShardCursor) -> bool:
    """Brings the locked `cursor` and the log to one epoch; True when the log had been lost.

    The log is written before the transaction commits. A crash in between leaves the log ahead, and
    the next call adopts its epoch.

    Raises: redis.RedisError.
    """
    epoch, last = read_log(cursor.shard)
    behind = as_pair(last) < as_pair(cursor.position)
    if epoch == cursor.epoch and not behind:
        return False
    if epoch is not None and 0 < cursor.epoch < epoch:
        _begin(cursor, epoch)
        if behind:
            cursor.position = START_OF_STREAM
        cursor.save(update_fields=["epoch", "epochs_begun", "position"])
        _announce_reset(cursor)
        return False
    # A database without a history takes over nothing from a log that has one: such a log holds the
    # rooms and rights of another installation.
    lost = cursor.epoch > 0
    known = max(cursor.epoch, epoch or 0)
    _raise_epoch(cursor, _next_epoch(known) if known else FIRST_EPOCH)
    if lost:
        _report_loss(cursor)
    return lost


def _next_epoch(known: int) -> int:
    """`known` + 1, or the time in ms since 1970 if that is greater.

    The time, because a copy that is restored a second time, or next to a log that was lost after
    the copy was made, does not know the later epochs, but clients do. `known` + 1, because a clock
    may have been set back. Both are far below 2^53, up to which JSON numbers are exact.
    """
    with connection.cursor() as reader:
        reader.execute(READ_CLOCK)
        [now_ms] = reader.fetchone()
    return max(known + 1, int(now_ms))


def _begin(cursor: ShardCursor, epoch: int) -> None:
    cursor.epoch = epoch
    cursor.epochs_begun += 1
    _take_markers_back(cursor.shard)


def _raise_epoch(cursor: ShardCursor, epoch: int) -> None:
    _begin(cursor, epoch)
    cursor.position = START_OF_STREAM
    cursor.save(update_fields=["epoch", "epochs_begun", "position"])
    # Before anybody can append: a new log must know who may not write in any room.
    restrictions.agree([cursor.shard])
    crash_point("epoch.before_log")
    BEGIN_EPOCH.call(blocking_client(), [keys.epoch(cursor.shard)], [epoch])
    crash_point("epoch.after_log")
    _announce_reset(cursor)


def _take_markers_back(shard: int) -> None:
    """Moves read markers back to what is stored, so that new messages do not count as read."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TAKE_MARKERS_BACK, [settings.ENV.shards, shard])
    except OperationalError:
        logger.warning("shard %s: read markers beyond what is stored stay where they are", shard)


def _announce_reset(cursor: ShardCursor) -> None:
    message = {"type": "reset", "shard": cursor.shard, "epoch": cursor.epoch}
    transaction.on_commit(lambda: to_hubs.publish_blocking(to_hubs.HUBS_GROUP, message))


def _report_loss(cursor: ShardCursor) -> None:
    logger.error(
        "log lost: shard %s of the log server was empty or older than what it had acknowledged; "
        "events acknowledged and not yet stored are gone. Epoch is now %s.",
        cursor.shard,
        cursor.epoch,
    )


def establish(shard: int) -> None:
    """Makes sure that the log has the epoch that PostgreSQL expects of `shard`.

    Raises: RetryableError when the log is down; OperationalError when PostgreSQL is.
    """
    try:
        with transaction.atomic():
            # A drain that holds the cursor may have compared before the log was replaced.
            cursor = cursors.lock(shard, cursors.Kind.PERSIST, wait=True)
            assert cursor is not None
            agree(cursor)
    except RedisError as error:
        raise RetryableError("The log does not answer.") from error


def begin_anew(shard: int) -> None:
    """Gives the shard a new epoch after a restore: what clients saw after the backup is gone.

    Everything in the log must be stored; the rooms load anew from PostgreSQL.

    Raises: RetryableError when the log is down; OperationalError when PostgreSQL is.
    """
    try:
        with transaction.atomic():
            cursor = cursors.lock(shard, cursors.Kind.PERSIST, wait=True)
            assert cursor is not None
            agree(cursor)
            _raise_epoch(cursor, _next_epoch(cursor.epoch))
    except RedisError as error:
        raise RetryableError("The log does not answer.") from error


def establish_all() -> None:
    """Calls `establish` for the shards whose cursor and log do not agree.

    Raises: like `establish`; ImproperlyConfigured when SHARDS was changed.
    """
    # Read the cursors first: the log can only have advanced since then.
    found = all_cursors()
    try:
        for cursor in found:
            if differs(cursor, *read_log(cursor.shard)):
                establish(cursor.shard)
    except RedisError as error:
        raise RetryableError("The log does not answer.") from error


def all_cursors() -> list[ShardCursor]:
    """The persist cursor of every shard.

    Raises: OperationalError; ImproperlyConfigured when SHARDS was changed.
    """
    cursors.ensure_persist()
    return list(ShardCursor.objects.filter(kind=ShardCursor.Kind.PERSIST).order_by("shard"))


def differs(cursor: ShardCursor, epoch: int | None, last: str) -> bool:
    """Whether the log, at `epoch` and with `last` as its ingest stream's last id, disagrees with
    `cursor`, which was read before."""
    return epoch != cursor.epoch or as_pair(last) < as_pair(cursor.position)


def establish_shards(shards: Iterable[int]) -> None:
    """Calls `establish` for each shard. Raises: like `establish`."""
    for shard in shards:
        establish(shard)


def raise_if_stored(cursor: ShardCursor) -> bool:
    """Gives the locked `cursor` the next epoch; False while the log has events not yet stored.

    For a log that has lost its end; the loss is reported.

    After a crash the log may be ahead, as in `agree`, and its epoch is adopted.
    """
    restrictions.agree([cursor.shard])
    following = _next_epoch(cursor.epoch)
    raised = RAISE_EPOCH.call(
        blocking_client(),
        [keys.epoch(cursor.shard), keys.ingest(cursor.shard)],
        [cursor.epoch, following, cursor.position],
    )
    if not raised:
        return False
    # The stream goes on, and so does the position in it.
    _begin(cursor, following)
    cursor.save(update_fields=["epoch", "epochs_begun"])
    _announce_reset(cursor)
    _report_loss(cursor)
    return True
