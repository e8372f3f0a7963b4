"""Who is muted everywhere or deactivated, as the log knows it.

PostgreSQL decides (`User.muted_until`, `User.deactivated_at`). Every shard of the log has a copy
of the few restrictions in force, so that the append checks them in the same atomic step (I7), also
in rooms that are loaded later. The copy is written right after a change (`tell`) and compared every
few seconds (`agree`), which fixes what a crash, a log that was down, or a lost log left wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from chat.models import User
from chat.room_log import keys
from chat.room_log.scripts import FORGET_PEOPLE, RESTRICT_PEOPLE
from chat.servers import clocks
from chat.servers.redis_log import blocking_client

# Sockets, sessions and tokens of a deactivated person end within a minute; after a day nothing that
# they sent can still be on its way.
REMEMBER_DEACTIVATED = timedelta(days=1)


def tell(user_id: int) -> None:
    """Tells every shard what is in force for one person.

    Locks the person's row, so that of two changes the later one is also told later. Do not call it
    within the transaction that makes the change.

    Raises: redis.RedisError, after which `agree` will tell the shards; OperationalError.
    """
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
        now = clocks.LOG.now()
        entry = _entry(user) if user is not None and _in_force(user, now) else None
        client = blocking_client()
        for shard in range(settings.ENV.shards):
            if entry is None:
                client.hdel(keys.people(shard), str(user_id))
            else:
                RESTRICT_PEOPLE.call(client, [keys.people(shard)], [str(user_id), entry])


def agree(shards: Iterable[int] | None = None) -> int:
    """Makes the copies in `shards` (default: all) match PostgreSQL; returns the number of changes.

    Raises: redis.RedisError; OperationalError.
    """
    client = blocking_client()
    chosen = list(range(settings.ENV.shards) if shards is None else shards)
    # Read the log first: an entry that is there and no longer in PostgreSQL is over. An entry
    # written after this read has another value, and stays.
    pipeline = client.pipeline(transaction=False)
    for shard in chosen:
        pipeline.hgetall(keys.people(shard))
    found = pipeline.execute()
    stored = _all_in_force(clocks.LOG.now())
    changed = 0
    for shard, entries in zip(chosen, found, strict=True):
        logged = {user.decode(): entry.decode() for user, entry in entries.items()}
        missing = {user: entry for user, entry in stored.items() if logged.get(user) != entry}
        over = {user: entry for user, entry in logged.items() if user not in stored}
        if missing:
            pairs = [text for pair in missing.items() for text in pair]
            RESTRICT_PEOPLE.call(client, [keys.people(shard)], pairs)
        if over:
            pairs = [text for pair in over.items() for text in pair]
            FORGET_PEOPLE.call(client, [keys.people(shard)], pairs)
        changed += len(missing) + len(over)
    return changed


def _all_in_force(now: datetime) -> dict[str, str]:
    people = User.objects.filter(
        Q(muted_until__gt=now) | Q(deactivated_at__gt=now - REMEMBER_DEACTIVATED)
    ).only("pk", "muted_until", "deactivated_at", "is_active")
    return {str(user.pk): _entry(user) for user in people}


def _in_force(user: User, now: datetime) -> bool:
    muted = user.muted_until is not None and user.muted_until > now
    since = user.deactivated_at
    return muted or (since is not None and since > now - REMEMBER_DEACTIVATED)


def _entry(user: User) -> str:
    until = 0 if user.muted_until is None else max(0, int(user.muted_until.timestamp() * 1000))
    return f"{until}:{int(user.deactivated_at is not None)}"
