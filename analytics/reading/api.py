"""`/api/v1/analytics/`: the numbers as JSON and CSV.

The installation mounts the router in its API, which authenticates (`request.auth.user_id`),
limits requests, and turns errors into problem documents.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from ninja import Query, Router
from ninja.errors import HttpError

from analytics.host import host
from analytics.models import ALL_ROOMS
from analytics.reading import periods, schemas
from analytics.reading.access import Selection, look_inside, selection_for
from analytics.reading.broken_rules import PERIOD_RULES, BrokenRule, Rule, breaks
from analytics.reading.periods import BadPeriod, Period, Recent
from analytics.reading.queries import freshness as fresh
from analytics.reading.queries import people, ranks, replies, room_list, sums
from analytics.reading.reading_slots import slot
from analytics.reading.responses import json_answer, table_answer

router = Router(tags=["analytics"])

ERRORS = {(400, 401, 403, 404, 429, 503): schemas.Problem}
MINUTES_SHOWN = 60
WEEKS_AT_LEAST, WEEKS_AT_MOST = 8, 53
COHORTS_AT_MOST = 12


OF_PERIOD = breaks(*PERIOD_RULES)


class Caller(Protocol):
    user_id: int


class SignedInRequest(HttpRequest):
    auth: Caller


def period_of(asked: schemas.Asked, now: datetime) -> Period:
    """The period that a request names.

    Raises: HttpError 400, with the parameter's name, if they do not make a period.
    """
    step = getattr(asked, "step", None)
    try:
        zone = periods.zone_named(asked.tz)
        if asked.from_ is None and asked.to is None:
            return periods.recent(asked.period or Recent.WEEK, zone, now, step)
        if asked.period is not None:
            raise BadPeriod("period: not together with from and to.", Rule.ONE_PERIOD)
        if asked.from_ is None or asked.to is None:
            raise BadPeriod("from, to: give both.", Rule.ONE_PERIOD)
        first, last = (_date(text) for text in (asked.from_, asked.to))
        return periods.between(first, last, zone, step)
    except BadPeriod as bad:
        raise BrokenRule(str(bad), bad.rule) from bad


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadPeriod(f"from, to: there is no day {text}.") from error


def shown(period: Period) -> dict[str, str]:
    return {
        "from": period.local(period.begin),
        "to": period.local(period.end),
        "tz": period.zone.key,
        "step": period.step.value,
    }


async def _at_once(call: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a quick query."""
    return await host().in_database(call, *arguments)


async def _in_database(call: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a query that may take long."""
    async with slot():
        return await host().in_database(call, *arguments)


@router.get("/rooms", response={200: schemas.Rooms, **ERRORS})
async def rooms(request: SignedInRequest, asked: Query[schemas.RoomsAsked]) -> HttpResponse:
    """Rooms whose numbers I may see: all for administrators, otherwise those that I own."""
    if "\0" in asked.q:
        raise HttpError(400, "q: this character is not allowed.")
    if await host().is_administrator(request):
        counted = await _at_once(room_list.find_rooms, asked.q, asked.limit + 1)
        found = [
            {"id": one.room, "name": one.name, "kind": one.kind, "archived": one.archived}
            for one in counted
        ]
    else:
        text = asked.q.casefold()
        found = [
            {"id": one.id, "name": one.name, "kind": one.kind, "archived": one.archived}
            for one in await host().rooms_owned_by(request)
            if text in one.name.casefold()
        ]
    return json_answer({"rooms": found[: asked.limit], "more": len(found) > asked.limit})


@router.get("/live", response={200: schemas.Live, 304: None, **ERRORS}, openapi_extra=OF_PERIOD)
async def live(request: SignedInRequest, asked: Query[schemas.Asked]) -> HttpResponse:
    """Totals up to now. Ask again with `If-None-Match`: 304 while nothing new was counted."""
    selection = await selection_for(request, asked.room)
    now = timezone.now()
    period = period_of(asked, now)
    freshness: fresh.Freshness = await _at_once(fresh.freshness)
    # The minute, because the last hour moves on by itself.
    room = selection.room_id
    tag = f'"{freshness.version}-{now:%d%H%M}-{period.begin:%s}-{period.end:%s}-{room}"'
    # Weakly, because a gateway that compresses the answer weakens the tag (RFC 9110, 13.1.2).
    response = get_conditional_response(request, etag=tag)
    if response is None:
        response = json_answer(await _at_once(_live, selection, period, freshness, now))
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    return response


def _live(
    selection: Selection, period: Period, freshness: fresh.Freshness, now: datetime
) -> dict[str, Any]:
    return {
        "period": shown(period),
        "totals": _totals(selection, period, now),
        "minutes": _minutes(selection, period, now),
        "freshness": {
            "now": now,
            "stored_at": host().newest_event_at(),
            "last_event_at": freshness.last_event_at,
            "counted_at": freshness.counted_at,
            "waiting": freshness.waiting,
            "stopped": freshness.stopped,
        },
    }


def _totals(selection: Selection, period: Period, now: datetime) -> dict[str, int | None]:
    room = selection.room_id
    return {
        **sums.totals(room, period.begin, period.end),
        "people": people.people(room, period.begin, period.end, now),
        "rooms": people.rooms(period.begin, period.end) if selection.room is None else None,
    }


def _minutes(selection: Selection, period: Period, now: datetime) -> list[dict[str, Any]]:
    found = sums.minutes(selection.room_id, now, MINUTES_SHOWN)
    return [{"from": period.local(start), "messages": count} for start, count in found]


@router.get("/totals", response={200: schemas.Totals, **ERRORS}, openapi_extra=OF_PERIOD)
async def totals(request: SignedInRequest, asked: Query[schemas.TableAsked]) -> HttpResponse:
    """Totals of the period, and of the equally long one before it."""
    selection, period, now = await _asked(request, asked)
    found = await _in_database(
        lambda: [
            {
                "from": one.local(one.begin),
                "to": one.local(one.end),
                **_totals(selection, one, now),
            }
            for one in (period, period.before())
        ]
    )
    body = {"period": shown(period), "rows": found}
    return table_answer(asked.format, "totals", schemas.TotalsRow, body)


async def _asked(
    request: SignedInRequest, asked: schemas.Asked
) -> tuple[Selection, Period, datetime]:
    selection = await selection_for(request, asked.room)
    now = timezone.now()
    return selection, period_of(asked, now), now


@router.get("/minutes", response={200: schemas.Minutes, **ERRORS}, openapi_extra=OF_PERIOD)
async def minutes(request: SignedInRequest, asked: Query[schemas.TableAsked]) -> HttpResponse:
    """Messages in each minute of the last hour, regardless of the period."""
    selection, period, now = await _asked(request, asked)
    found = await _in_database(_minutes, selection, period, now)
    return table_answer(asked.format, "last-hour", schemas.MinuteRow, {"rows": found})


@router.get("/activity", response={200: schemas.Activity, **ERRORS}, openapi_extra=OF_PERIOD)
async def activity(request: SignedInRequest, asked: Query[schemas.SteppedAsked]) -> HttpResponse:
    """What happened in each step of the period."""
    selection, period, _ = await _asked(request, asked)
    counted = await _in_database(sums.by_step, selection.room_id, period)
    found = [
        {"from": start, **counts} for start, counts in zip(_starts(period), counted, strict=True)
    ]
    body = {"period": shown(period), "rows": found}
    return table_answer(asked.format, "activity", schemas.ActivityRow, body)


def _starts(period: Period) -> list[str]:
    return [period.local(edge) for edge in period.edges()[:-1]]


@router.get("/active", response={200: schemas.Active, **ERRORS}, openapi_extra=OF_PERIOD)
async def active(request: SignedInRequest, asked: Query[schemas.SteppedAsked]) -> HttpResponse:
    """How many people and rooms were active in each step of the period."""
    selection, period, _ = await _asked(request, asked)
    found = await _in_database(_active, selection, period)
    body = {"period": shown(period), "rows": found}
    return table_answer(asked.format, "active", schemas.ActiveRow, body)


def _active(selection: Selection, period: Period) -> list[dict[str, Any]]:
    persons = people.people_by_step(selection.room_id, period)
    rooms_: list[int] | list[None] = (
        people.rooms_by_step(period) if selection.room is None else [None] * len(persons)
    )
    return [
        {"from": start, "people": of_people, "rooms": of_rooms}
        for start, of_people, of_rooms in zip(_starts(period), persons, rooms_, strict=True)
    ]


@router.get("/hours", response={200: schemas.Hours, **ERRORS}, openapi_extra=OF_PERIOD)
async def hours(request: SignedInRequest, asked: Query[schemas.TableAsked]) -> HttpResponse:
    """Messages by weekday and hour of the time zone: 168 rows."""
    selection, period, _ = await _asked(request, asked)
    table = await _in_database(sums.hours_of_the_week, selection.room_id, period)
    found = [
        {"weekday": weekday, "hour": hour, "messages": count}
        for weekday, counts in enumerate(table, start=1)
        for hour, count in enumerate(counts)
    ]
    body = {"period": shown(period), "rows": found}
    return table_answer(asked.format, "hours", schemas.HourRow, body)


@router.get("/replies", response={200: schemas.Replies, **ERRORS}, openapi_extra=OF_PERIOD)
async def first_replies(
    request: SignedInRequest, asked: Query[schemas.SteppedAsked]
) -> HttpResponse:
    """How long the first reply to a message took, by the time of the reply."""
    selection, period, _ = await _asked(request, asked)
    whole, steps = await _in_database(replies.by_step, selection.room_id, period)
    body = {
        "period": shown(period),
        **_reply_row(whole),
        "rows": [
            {"from": period.local(edge), **_reply_row(step)}
            for edge, step in zip(period.edges(), steps, strict=False)
        ],
    }
    return table_answer(asked.format, "replies", schemas.RepliesRow, body)


def _reply_row(found: replies.Replies) -> dict[str, float | None]:
    return {
        "replies": found.count,
        "median_seconds": found.median_seconds,
        "p95_seconds": found.p95_seconds,
    }


@router.get("/weeks", response={200: schemas.Weeks, **ERRORS}, openapi_extra=OF_PERIOD)
async def weeks(request: SignedInRequest, asked: Query[schemas.TableAsked]) -> HttpResponse:
    """New, returning and lost people of each week that the period touches; at least 8 weeks."""
    selection, period, now = await _asked(request, asked)
    whole = periods.weeks(period, WEEKS_AT_LEAST, WEEKS_AT_MOST)
    table, _ = await _in_database(people.by_week, selection.room_id, whole, now)
    found = [
        {
            "week": week.begin.astimezone(whole.zone).date(),
            "active": week.active,
            "new": week.new,
            "returning": week.returning,
            "lost": week.lost,
        }
        for week in table
    ]
    body = {"period": shown(whole), "rows": found}
    return table_answer(asked.format, "weeks", schemas.WeekRow, body)


@router.get("/newcomers", response={200: schemas.Newcomers, **ERRORS}, openapi_extra=OF_PERIOD)
async def newcomers(request: SignedInRequest, asked: Query[schemas.TableAsked]) -> HttpResponse:
    """How many of a week's newcomers were active in each week since then; 12 weeks."""
    selection, period, now = await _asked(request, asked)
    whole = periods.weeks(period, WEEKS_AT_LEAST, COHORTS_AT_MOST)
    _, table = await _in_database(people.by_week, selection.room_id, whole, now)
    found = [
        {
            "week": cohort.begin.astimezone(whole.zone).date(),
            "weeks_later": later,
            "active": active,
        }
        for cohort in table
        for later, active in enumerate(cohort.active)
    ]
    body = {"period": shown(whole), "rows": found}
    return table_answer(asked.format, "newcomers", schemas.NewcomerRow, body)


@router.get(
    "/top-rooms",
    response={200: schemas.TopRooms, **ERRORS},
    openapi_extra=breaks(*PERIOD_RULES, Rule.ALL_ROOMS),
)
async def top_rooms(request: SignedInRequest, asked: Query[schemas.RankedAsked]) -> HttpResponse:
    """Rooms with the most messages. For administrators; without direct conversations."""
    selection, period, _ = await _asked(request, asked)
    if selection.room is not None:
        raise BrokenRule("room: this is about all rooms.", Rule.ALL_ROOMS)
    columns = tuple(schemas.TopRoomRow.model_fields)
    found = await _in_database(ranks.top_rooms, period, asked.limit)
    body = {
        "period": shown(period),
        "rows": [dict(zip(columns, row, strict=True)) for row in found],
    }
    return table_answer(asked.format, "rooms", schemas.TopRoomRow, body)


@router.get("/people", response={200: schemas.People, **ERRORS}, openapi_extra=OF_PERIOD)
async def active_people(
    request: SignedInRequest, asked: Query[schemas.RankedAsked]
) -> HttpResponse:
    """People by the quarters of an hour in which they were active.

    For a private room, only its owners and people who may read private rooms may see them.
    """
    selection, period, _ = await _asked(request, asked)
    await look_inside(request, selection)
    found = await _in_database(_people, selection.room_id, period, asked.limit)
    body = {"period": shown(period), "rows": found}
    return table_answer(asked.format, "people", schemas.PersonRow, body)


def _people(room: int, period: Period, limit: int) -> list[dict[str, Any]]:
    by_days = Period(period.begin, period.end, period.zone, periods.Step.DAY)
    found = ranks.top_people(room, by_days, limit)
    names = host().names_of([person for person, _, _ in found])
    return [
        {"person": person, "name": names.get(person, ""), "days": days, "quarters": quarters}
        for person, quarters, days in found
    ]


@router.get("/emoji", response={200: schemas.Emoji, **ERRORS}, openapi_extra=OF_PERIOD)
async def emoji(request: SignedInRequest, asked: Query[schemas.RankedAsked]) -> HttpResponse:
    """Emoji by how often they were used as reactions."""
    selection, period, _ = await _asked(request, asked)
    first, last = ranks.whole_utc_days(period.begin, period.end)
    found = await _in_database(ranks.top_emoji, selection.room_id, first, last, asked.limit)
    body = {
        "from": first,
        "to": last,
        "rows": [{"emoji": one, "added": added, "removed": gone} for one, added, gone in found],
    }
    return table_answer(asked.format, "emoji", schemas.EmojiRow, body)


@router.get(
    "/words",
    response={200: schemas.Words, **ERRORS},
    openapi_extra=breaks(*PERIOD_RULES, Rule.ONE_ROOM),
)
async def words(request: SignedInRequest, asked: Query[schemas.RankedAsked]) -> HttpResponse:
    """Words that several people used in a room, by messages; without the commonest words.

    For a private room, only its owners and people who may read private rooms may see them.
    """
    selection, period, _ = await _asked(request, asked)
    await look_inside(request, selection)
    if selection.room_id == ALL_ROOMS:
        raise BrokenRule("room: words are counted for single rooms only.", Rule.ONE_ROOM)
    first, last = ranks.whole_utc_days(period.begin, period.end)
    monday = first - timedelta(days=first.weekday())
    found = await _in_database(ranks.top_words, selection.room_id, monday, last, asked.limit)
    body = {
        "from": monday,
        "to": last + timedelta(days=6 - last.weekday()),
        "rows": [{"word": word, "messages": count} for word, count in found],
    }
    return table_answer(asked.format, "words", schemas.WordRow, body)
