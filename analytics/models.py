"""What the analytics keep: numbers, and which events are in them.

Only `analytics.counting.rollups` writes these tables. Every row is a sum, a minimum, a maximum or a
union of what single events add, so the order of events makes no difference, and reading them all
again into empty tables gives the same rows (docs/decisions/0017).

**Rooms.** `room` is the room's id, or `ALL_ROOMS` if the row is about all rooms together. There
are no foreign keys into the chat's tables: the analytics know only what the events say.

**Time.** Everything is kept in UTC. Offsets of time zones are whole quarters of an hour, so a day,
an hour or a week of any zone is a sum of `QuarterRollup` rows, and the bits of `PersonDay` say who
was active in it. Bit `i` (0 … 47) of `am_quarters` stands for the quarter that begins `i` ×
15 min after 00:00 UTC of the row's day, bit `i` of `pm_quarters` for the one `i` × 15 min after
12:00 UTC. `DayRollup` is for periods that are whole UTC days, and for the inside of long ones.

**Size.** The tables grow with the number of messages, never faster: see docs/analytics.md.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

ALL_ROOMS = 0
"""Stands for all rooms together where a table has a `room`; ids of rooms begin at 1."""

QUARTER_SECONDS = 900
QUARTERS_OF_HALF_A_DAY = 48

REPLY_ERROR = 0.02
"""Times to first reply are off by at most this share: see `ReplyTimes`."""
REPLY_BASE = (1 + REPLY_ERROR) / (1 - REPLY_ERROR)
FASTEST_REPLY_SECONDS = 1.0
SLOWEST_REPLY_DAYS = 7
"""What is answered later than this has had no first reply."""

MAX_EMOJI_CHARACTERS = 32
WORD_FROM_MESSAGES = 3
"""A word is kept in clear when it was used in so many messages, by more than one person."""


class ConsumedPartition(models.Model):
    """How far a partition of the event bus is in the rollups; moved in their transaction.

    A process that writes the partition's events locks the row and compares its position with the
    one at which the process began: of two processes that hold the same partition, one fails.
    """

    pk = models.CompositePrimaryKey("bus", "partition")
    bus = models.CharField(
        max_length=100, help_text="`kafka:<topic>` or `redis-stream:<key>`: a new bus begins anew."
    )
    partition = models.IntegerField(help_text="0 on a Redis Stream, which has one.")
    position = models.CharField(
        max_length=50,
        blank=True,
        help_text="Kafka: offset of the next record; Redis Stream: id of the last entry. "
        "Empty: from the beginning.",
    )
    event_at = models.DateTimeField(
        null=True, blank=True, help_text="Time of the newest event that was counted from here."
    )
    moved_at = models.DateTimeField(null=True, blank=True)
    waiting = models.BigIntegerField(
        null=True, blank=True, help_text="Records behind the position when it moved; null: unknown."
    )
    stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="Set when too many records were bad; a person decides."
    )
    stopped_reason = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.bus} {self.partition} at {self.position or 'the beginning'}"


class CountedRoom(models.Model):
    """Which events of a room are in the rollups, and what the events say about the room.

    Every event from seq 1 to `seq` is counted, except for those in `OpenPlaces`. The row is locked
    while events of the room are counted.
    """

    room = models.BigIntegerField(primary_key=True)
    seq = models.BigIntegerField(default=0)
    kind = models.CharField(
        max_length=10, blank=True, help_text="`public`, `private`, `direct`; empty: not known."
    )
    slug = models.CharField(max_length=80, blank=True)
    name = models.CharField(max_length=80, blank=True)
    name_seq = models.BigIntegerField(default=0, help_text="Event that gave the name.")
    archived = models.BooleanField(default=False)
    archived_seq = models.BigIntegerField(default=0, help_text="Event that said so.")
    first_at = models.DateTimeField(null=True, blank=True, help_text="Time of the oldest event.")
    last_at = models.DateTimeField(null=True, blank=True, help_text="Time of the newest event.")

    def __str__(self) -> str:
        return f"{self.room} counted to {self.seq}"


class OpenPlaces(models.Model):
    """Places of a room, `first` to `last`, below its `seq`, whose events are not counted (yet).

    An event that comes for such a place is counted, and the place is closed; an event for any
    other place below the room's `seq` is a repeat.
    """

    class Reason(models.TextChoices):
        MISSING = "missing"  # later events have come, but not these
        PLACEHOLDER = "placeholder"  # `event.quarantined` came; the event itself may follow
        REFUSED = "refused"  # the event is a dead letter of the analytics

    pk = models.CompositePrimaryKey("room", "first")
    room = models.BigIntegerField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    reason = models.CharField(max_length=12, choices=Reason.choices)

    def __str__(self) -> str:
        return f"{self.room}:{self.first}-{self.last} {self.reason}"


class Counters(models.Model):
    """What is counted for a room, or for all rooms, in a period of time (UTC)."""

    room = models.BigIntegerField()
    messages = models.BigIntegerField(default=0, help_text="`message.posted` events.")
    characters = models.BigIntegerField(
        default=0, help_text="Characters (code points) of these messages, as they were posted."
    )
    edits = models.BigIntegerField(default=0)
    deletions = models.BigIntegerField(default=0)
    restorations = models.BigIntegerField(default=0)
    reactions = models.BigIntegerField(default=0, help_text="`reaction.added` events.")
    reactions_removed = models.BigIntegerField(default=0)
    joins = models.BigIntegerField(
        default=0, help_text="`member.joined` events of people who were not in the room."
    )
    departures = models.BigIntegerField(
        default=0, help_text="Left or removed; a ban of somebody who is outside is neither."
    )
    replies = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="`reply.posted` events: replies that only their thread shows.",
    )

    class Meta:
        abstract = True


class MinuteRollup(Counters):
    """For a minute. Kept for `analytics.counting.pruning.MINUTES_KEPT`; the others include older
    ones."""

    pk = models.CompositePrimaryKey("room", "start")
    start = models.DateTimeField(help_text="Beginning of the minute.")

    class Meta:
        indexes: ClassVar = [BrinIndex(fields=["start"], name="minute_by_start")]

    def __str__(self) -> str:
        return f"{self.room} {self.start:%Y-%m-%d %H:%M}"


class QuarterRollup(Counters):
    """For a quarter of an hour. Hours and days of every time zone are sums of these."""

    pk = models.CompositePrimaryKey("room", "start")
    start = models.DateTimeField(help_text="Beginning of the quarter, UTC.")

    class Meta:
        indexes: ClassVar = [BrinIndex(fields=["start"], name="quarter_by_start")]

    def __str__(self) -> str:
        return f"{self.room} {self.start:%Y-%m-%d %H:%M}"


class DayRollup(Counters):
    """For a UTC day. The bits say in which quarters of it there were messages."""

    pk = models.CompositePrimaryKey("room", "day")
    day = models.DateField()
    am_quarters = models.BigIntegerField(default=0)
    pm_quarters = models.BigIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["day", "room"], name="day_rollup_by_day")]

    def __str__(self) -> str:
        return f"{self.room} {self.day}"


class PersonDay(models.Model):
    """A person was active in a room, or anywhere, on a UTC day; the bits say when.

    Active people are those who posted, replied, edited, deleted or restored a message, or added or
    removed a reaction. This is exact: there is a row for each person, so the people of any range
    of quarters can be counted, in one room or in several, without an error.
    """

    pk = models.CompositePrimaryKey("room", "day", "person")
    room = models.BigIntegerField()
    day = models.DateField()
    person = models.BigIntegerField(help_text="User id.")
    am_quarters = models.BigIntegerField(default=0)
    pm_quarters = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.person} in {self.room} on {self.day}"


class PersonSeen(models.Model):
    """When a person was first active in a room, or anywhere: to know new people from returning."""

    pk = models.CompositePrimaryKey("room", "person")
    room = models.BigIntegerField()
    person = models.BigIntegerField(help_text="User id.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["room", "first_at"], name="seen_by_first")]

    def __str__(self) -> str:
        return f"{self.person} in {self.room} since {self.first_at}"


class ReplyTimes(models.Model):
    """How many messages got their first reply in a quarter of an hour, by how long it took.

    The first reply is the message with the lowest seq that replies to it (`reply_to`) and is not
    by the same author, within `SLOWEST_REPLY_DAYS`. The row belongs to the time of the reply.

    This is a histogram with logarithmic buckets, which can be added over rooms and time: bucket 0
    holds all up to `FASTEST_REPLY_SECONDS`, bucket `b` those that took more than
    `REPLY_BASE ** (b - 1)` and at most `REPLY_BASE ** b` times that. The value
    `2 * REPLY_BASE ** b / (REPLY_BASE + 1)` (times `FASTEST_REPLY_SECONDS`) is within
    `REPLY_ERROR` of everything in it, so of every percentile, too.
    """

    pk = models.CompositePrimaryKey("room", "start", "bucket")
    room = models.BigIntegerField()
    start = models.DateTimeField(help_text="Beginning of the quarter, UTC.")
    bucket = models.SmallIntegerField()
    replies = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.replies} in bucket {self.bucket} of {self.room} at {self.start}"


class EmojiDay(models.Model):
    """How often an emoji was added to messages, and removed, on a UTC day."""

    pk = models.CompositePrimaryKey("room", "day", "emoji")
    room = models.BigIntegerField()
    day = models.DateField()
    emoji = models.CharField(max_length=MAX_EMOJI_CHARACTERS)
    added = models.BigIntegerField(default=0)
    removed = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.emoji} in {self.room} on {self.day}"


class WordWeek(models.Model):
    """In how many messages of a room a word was used in a week (Monday to Sunday, UTC).

    Not for `ALL_ROOMS`, and not for direct conversations. `word` is null until the word has been
    used in `WORD_FROM_MESSAGES` messages and by more than one person. Until then there is only a
    digest, which cannot be reversed without the installation's secret key; so text written by
    mistake is never kept. See `analytics.counting.words` for what counts as a word.
    """

    pk = models.CompositePrimaryKey("room", "week", "digest")
    room = models.BigIntegerField()
    week = models.DateField(help_text="The Monday.")
    digest = models.BigIntegerField()
    word = models.CharField(max_length=24, null=True, blank=True)  # noqa: DJ001
    messages = models.BigIntegerField(default=0)
    person = models.BigIntegerField(help_text="Somebody who used it.")
    shared = models.BooleanField(default=False, help_text="Somebody else did, too.")

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["room", "week"],
                name="words_to_show",
                condition=models.Q(word__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.word or self.digest} in {self.room}, week of {self.week}"


class PostedMessage(models.Model):
    """When and by whom a message was posted, to measure how long its first reply took. No text.

    Kept for `analytics.counting.pruning.MESSAGES_KEPT`.
    """

    pk = models.CompositePrimaryKey("room", "seq")
    room = models.BigIntegerField()
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    author = models.BigIntegerField(null=True)
    reply_seq = models.BigIntegerField(null=True, help_text="Its first reply, if there is one.")
    reply_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [BrinIndex(fields=["at"], name="posted_by_time")]

    def __str__(self) -> str:
        return f"{self.room}:{self.seq}"


class EarlyReply(models.Model):
    """A reply that came before its message, whose place is open. No text."""

    pk = models.CompositePrimaryKey("room", "target", "seq")
    room = models.BigIntegerField()
    target = models.BigIntegerField()
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    author = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.room}:{self.seq} answers {self.target}"
