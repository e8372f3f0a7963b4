"""Requests and answers of the analytics API; the source of its part of the OpenAPI document."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field, WithJsonSchema

from analytics.reading.periods import EARLIEST, LATEST, MAX_DAYS, MAX_DAYS_BY_HOUR, Recent, Step

# The largest whole number in JavaScript, and so the largest id.
MAX_ID = 2**53 - 1
MAX_ZONE_CHARACTERS = 64
MAX_ROWS = 100

# Valid days, in years that are counted: the first and the last year are complete.
DateText = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d{2}-\d{2}$"),
    WithJsonSchema(
        {"type": "string", "format": "date", "pattern": r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"}
    ),
]


class RoomAsked(Schema):
    room: int | None = Field(
        None, ge=1, le=MAX_ID, description="A room; without it, all rooms, for administrators."
    )


class Asked(RoomAsked):
    """Which numbers are asked for."""

    period: Recent | None = Field(
        None, description="A period that ends now. Without it and without dates: the last 7 days."
    )
    from_: DateText | None = Field(
        None, alias="from", description=f"First day, in the time zone; from {EARLIEST} on."
    )
    to: DateText | None = Field(
        None, description=f"Last day, included; to {LATEST}, at most {MAX_DAYS} days in all."
    )
    tz: Annotated[str, WithJsonSchema({"type": "string", "format": "time-zone"})] = Field(
        "UTC",
        max_length=MAX_ZONE_CHARACTERS,
        description="IANA zone whose clock cuts days.",
    )


class TableAsked(Asked):
    format: Literal["json", "csv"] = Field("json", description="`csv` has the same rows.")


class SteppedAsked(TableAsked):
    step: Step | None = Field(
        None,
        description="Length of a row. Without it, what suits the period; "
        f"hours for at most {MAX_DAYS_BY_HOUR} days.",
    )


class RankedAsked(TableAsked):
    limit: int = Field(10, ge=1, le=MAX_ROWS, description="At most this many rows.")


class RoomsAsked(Schema):
    q: Annotated[
        str, WithJsonSchema({"type": "string", "pattern": r"^[^\x00]*$", "maxLength": 80})
    ] = Field("", max_length=80, description="Part of a name; empty for all.")
    limit: int = Field(50, ge=1, le=MAX_ROWS)


class Problem(Schema):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry_after: float | None = None
    rule: str | None = None


class Room(Schema):
    id: int
    name: str
    kind: str
    archived: bool


class Rooms(Schema):
    rooms: list[Room]
    more: bool = Field(description="Others have a name that looks the same.")


class Period(Schema):
    """From `from` up to but excluding `to`, with the time zone's offset."""

    from_: str = Field(alias="from")
    to: str
    tz: str
    step: Step


class Counters(Schema):
    messages: int
    characters: int = Field(description="Characters of these messages, as they were posted.")
    edits: int
    deletions: int
    restorations: int
    reactions: int
    reactions_removed: int
    joins: int
    departures: int = Field(description="Left or were removed.")
    replies: int = Field(description="Replies that only their thread shows.")


class ActivityRow(Counters):
    from_: str = Field(alias="from", description="Beginning of the step.")


class Activity(Schema):
    period: Period
    rows: list[ActivityRow]


class ActiveRow(Schema):
    from_: str = Field(alias="from", description="Beginning of the step.")
    people: int = Field(description="Who posted, edited, deleted or reacted, each once.")
    rooms: int | None = Field(description="Rooms with new messages; null for a single room.")


class Active(Schema):
    period: Period
    rows: list[ActiveRow]


class AllCounters(Counters):
    people: int = Field(description="Who posted, edited, deleted or reacted, each once.")
    rooms: int | None = Field(description="Rooms with new messages; null for a single room.")


class TotalsRow(AllCounters):
    from_: str = Field(alias="from")
    to: str


class Totals(Schema):
    """Two rows: the period, and the equally long one before it."""

    period: Period
    rows: list[TotalsRow]


class MinuteRow(Schema):
    from_: str = Field(alias="from")
    messages: int


class Minutes(Schema):
    rows: list[MinuteRow]


class Freshness(Schema):
    now: datetime = Field(description="The server's clock.")
    stored_at: datetime | None = Field(
        description="Time of the newest event that is to be counted."
    )
    last_event_at: datetime | None = Field(description="Time of the newest event that is counted.")
    counted_at: datetime | None = Field(description="When the numbers last changed.")
    waiting: int | None = Field(description="Events still to be counted then; null: not known.")
    stopped: bool = Field(description="Counting stopped because too many events were bad.")


class Live(Schema):
    period: Period
    totals: AllCounters
    minutes: list[MinuteRow] = Field(description="The last hour.")
    freshness: Freshness


class HourRow(Schema):
    weekday: int = Field(description="1 is Monday.")
    hour: int
    messages: int


class Hours(Schema):
    period: Period
    rows: list[HourRow]


class RepliesRow(Schema):
    from_: str = Field(alias="from")
    replies: int = Field(description="Messages that got their first reply.")
    median_seconds: float | None
    p95_seconds: float | None


class Replies(Schema):
    """Times are within 2 % of the exact ones."""

    period: Period
    replies: int
    median_seconds: float | None
    p95_seconds: float | None
    rows: list[RepliesRow]


class WeekRow(Schema):
    week: date = Field(description="The Monday.")
    active: int
    new: int = Field(description="Active for the first time ever.")
    returning: int = Field(description="Active, and not new.")
    lost: int | None = Field(description="Active in the week before, not in this one.")


class Weeks(Schema):
    period: Period
    rows: list[WeekRow]


class NewcomerRow(Schema):
    week: date = Field(description="The Monday of the week in which they came.")
    weeks_later: int
    active: int = Field(description="How many of them were active in that later week.")


class Newcomers(Schema):
    period: Period
    rows: list[NewcomerRow]


class TopRoomRow(Schema):
    room: int
    name: str
    archived: bool
    messages: int
    characters: int
    reactions: int


class TopRooms(Schema):
    period: Period
    rows: list[TopRoomRow]


class PersonRow(Schema):
    person: int
    name: str
    days: int = Field(description="Days on which they were active.")
    quarters: int = Field(description="Quarters of an hour in which they were active.")


class People(Schema):
    period: Period
    rows: list[PersonRow]


class EmojiRow(Schema):
    emoji: str
    added: int
    removed: int


class Emoji(Schema):
    """Counted by whole UTC days, all that the period touches."""

    from_: date = Field(alias="from")
    to: date
    rows: list[EmojiRow]


class WordRow(Schema):
    word: str
    messages: int = Field(description="In how many messages.")


class Words(Schema):
    """Counted by whole weeks (UTC, from Monday), all that the period touches."""

    from_: date = Field(alias="from")
    to: date
    rows: list[WordRow]
