"""The dead letters of the analytics, which know nothing of the chat and are connected here."""

from __future__ import annotations

import copy

from django.db import DatabaseError
from redis.exceptions import RedisError

from analytics.counting.errors import DeadLetterLimitReached, NotAnEvent, NotYet, Unavailable
from analytics.counting.records import Bad, BadReason, Record
from chat import dead_letters
from chat.dead_letters import DeadLetter, DeadLetterOrigin, Reason, Retried, Unretryable
from chat.dead_letters.limit import DeadLetterLimit
from chat.dead_letters.limit import DeadLetterLimitReached as LimitReached
from chat.errors import PermanentError
from chat.servers import failures

SOURCE = "analytics"
MAX_KEY_CHARACTERS = 100

REASONS = {
    BadReason.UNREADABLE: Reason.UNREADABLE,
    BadReason.INVALID: Reason.INVALID_DATA,
}


class AnalyticsDeadLetters:
    """See `analytics.counting.dead_letters`. The limit is that of the drain and the export."""

    def __init__(self) -> None:
        self._limits: dict[int, DeadLetterLimit] = {}

    def is_data_error(self, error: DatabaseError) -> bool:
        return failures.is_data_error(error)

    def check(self, partition: int, bad: int, entries: int) -> None:
        limit = copy.copy(self._limits.get(partition) or DeadLetterLimit())
        try:
            limit.add(bad, entries)
        except LimitReached:
            raise DeadLetterLimitReached(f"{bad} of {entries} records are bad") from None

    def passed(self, partition: int, bad: int, entries: int) -> None:
        try:
            self._limits.setdefault(partition, DeadLetterLimit()).add(bad, entries)
        except LimitReached:
            # `check` has passed these records; the limit starts afresh.
            self._limits[partition] = DeadLetterLimit()

    def add(self, bus: str, partition: int, bad: Bad) -> None:
        try:
            dead_letters.add(
                source=SOURCE,
                reason=REASONS[bad.reason],
                error=bad.error,
                origin=DeadLetterOrigin(
                    stream_id=f"{bus}/{partition}/{bad.position}",
                    room=bad.room,
                    seq=bad.seq,
                    key=bad.key.decode(errors="backslashreplace")[:MAX_KEY_CHARACTERS],
                ),
                payload=bad.value,
            )
        except (RedisError, OSError) as error:
            raise Unavailable("The dead letters do not answer.") from error


def new_dead_letters() -> AnalyticsDeadLetters:
    return AnalyticsDeadLetters()


def retry(letter: DeadLetter, token: str) -> Retried:
    """Counts a dead letter's event, if it can be counted now; see `chat.dead_letters.sources`.

    Doing so twice is harmless, so `token` is not needed.
    """
    # This also imports the metrics of counting, which no other process should show.
    from analytics.counting import late_records

    key = (letter.origin.key or "").encode()
    try:
        late_records.count(Record(position="", key=key, value=letter.payload))
    except NotAnEvent as error:
        raise Unretryable(str(error)) from error
    except NotYet as error:
        raise PermanentError(str(error)) from error
    return Retried.DONE
