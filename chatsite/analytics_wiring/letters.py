"""The dead letters of the analytics, which know nothing of the chat and are connected here."""

from __future__ import annotations

import copy

from redis.exceptions import RedisError

from analytics.counting.errors import Away, DeadLetterLimitReached, NotAnEvent, NotYet
from analytics.counting.records import Bad, BadReason, Record
from chat import dead_letters
from chat.dead_letters import DeadLetterOrigin, Letter, Reason, Retried, Unretryable
from chat.dead_letters.limit import DeadLetterLimitReached as LimitReached
from chat.dead_letters.limit import LetterLimit
from chat.errors import PermanentError

SOURCE = "analytics"
MAX_KEY_CHARACTERS = 100

REASONS = {
    BadReason.UNREADABLE: Reason.UNREADABLE,
    BadReason.INVALID: Reason.INVALID_DATA,
}


class AnalyticsLetters:
    """See `analytics.counting.letters`. The limit is the same as for the drain and the export."""

    def __init__(self) -> None:
        self._limits: dict[int, LetterLimit] = {}

    def check(self, partition: int, bad: int, entries: int) -> None:
        limit = copy.copy(self._limits.get(partition) or LetterLimit())
        try:
            limit.add(bad, entries)
        except LimitReached:
            raise DeadLetterLimitReached(f"{bad} of {entries} records are bad") from None

    def passed(self, partition: int, bad: int, entries: int) -> None:
        try:
            self._limits.setdefault(partition, LetterLimit()).add(bad, entries)
        except LimitReached:
            # `check` has passed these records; the limit starts afresh.
            self._limits[partition] = LetterLimit()

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
            raise Away("The dead letters do not answer.") from error


def new_letters() -> AnalyticsLetters:
    return AnalyticsLetters()


def retry(letter: Letter, token: str) -> Retried:
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
