"""The analytics over `/api/v1/analytics/`: the right numbers for those who may see them."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from pytest_django.fixtures import Settings

from analytics.counting.batch_sums import COUNTERS
from analytics.models import CountedRoom
from analytics.reading import schemas
from chat.events import (
    EventType,
    MemberJoined,
    MessageEdited,
    MessagePosted,
    Reaction,
    RoomCreated,
    RoomEvent,
    RoomKind,
)
from chat.models import Room, User
from chat.names.usernames import PROBE_USERNAME
from tests.support.admin_world import without_second_factor
from tests.support.analytics_events_in_time import Asker, Story, between
from tests.support.chat_world import make_user, store
from tests.support.moderation_world import make_staff
from tests.support.rooms import new_room

pytestmark = pytest.mark.django_db(transaction=True)

# Operation → the schemas of its answer and of its rows.
TABLES: dict[str, tuple[type[Any], type[Any]]] = {
    "totals": (schemas.Totals, schemas.TotalsRow),
    "minutes": (schemas.Minutes, schemas.MinuteRow),
    "activity": (schemas.Activity, schemas.ActivityRow),
    "active": (schemas.Active, schemas.ActiveRow),
    "hours": (schemas.Hours, schemas.HourRow),
    "replies": (schemas.Replies, schemas.RepliesRow),
    "weeks": (schemas.Weeks, schemas.WeekRow),
    "newcomers": (schemas.Newcomers, schemas.NewcomerRow),
    "people": (schemas.People, schemas.PersonRow),
    "emoji": (schemas.Emoji, schemas.EmojiRow),
}
ONLY_ALL_ROOMS: dict[str, tuple[type[Any], type[Any]]] = {
    "top-rooms": (schemas.TopRooms, schemas.TopRoomRow)
}
ONLY_ONE_ROOM: dict[str, tuple[type[Any], type[Any]]] = {"words": (schemas.Words, schemas.WordRow)}
# What tells more of a private room than its numbers.
INSIDE = {"people", "words"}
OPERATIONS = ["live", *TABLES, *ONLY_ALL_ROOMS, *ONLY_ONE_ROOM]


def made_room(kind: RoomKind = RoomKind.PUBLIC, name: str = "Tea") -> Room:
    slug = f"{name.lower()}-{random.getrandbits(40)}"
    return Room.objects.create(slug=slug, name=name, kind=kind)


def told_room(
    story: Story, at: datetime, kind: RoomKind = RoomKind.PUBLIC, name: str = "Tea"
) -> int:
    """A room that the chat and the events know."""
    room = made_room(kind, name)
    data = RoomCreated(slug=room.slug, name=name, kind=kind)
    story.tell(room.pk, at, data, EventType.ROOM_CREATED)
    return room.pk


def write(
    story: Story, room: int, at: datetime, actor: int = 1, body: str = "tea?", to: int | None = None
) -> int:
    data = MessagePosted(body=body, reply_to=to)
    return story.tell(room, at, data, EventType.MESSAGE_POSTED, actor)


async def administrator() -> Asker:
    return Asker(await make_staff("boss", "administrator"))


@pytest.fixture(autouse=True)
def password_alone(settings: Settings) -> None:
    without_second_factor(settings)


# --- Who may see what ---------------------------------------------------------------------------
async def test_numbers_are_for_owners_of_the_room_and_administrators_alone() -> None:
    owner, member = await make_user("olga"), await make_user("max")
    other, clerk = await make_user("otto"), await make_staff("clerk", "moderator", "auditor")
    boss = await make_staff("boss", "administrator")
    root = await make_user("root", is_staff=True, is_superuser=True)
    room = await new_room(owner, member)
    await new_room(other)
    askers = [Asker(person) for person in (None, member, other, clerk, owner, boss, root)]

    async def statuses(operation: str, query: dict[str, int]) -> list[int]:
        return [(await asker.ask(operation, query)).status for asker in askers]

    for operation in OPERATIONS:
        in_one = 400 if operation in ONLY_ALL_ROOMS else 200
        in_all = 400 if operation in ONLY_ONE_ROOM else 200
        # Stranger, member, owner of another, staff without the right; owner, administrator, root.
        one: dict[str, int] = {"room": room.pk}
        all_: dict[str, int] = {}
        none = {"room": 999_999_999}
        in_private = 403 if operation in INSIDE else in_one
        assert await statuses(operation, one) == [
            *(401, 404, 404, 404),
            *(in_one, in_private, in_one),
        ], operation
        assert await statuses(operation, all_) == [
            *(401, 403, 403, 403),
            *(403, in_all, in_all),
        ], operation
        assert await statuses(operation, none) == [401, *[404] * 6], operation


async def test_people_and_words_of_a_private_room_are_for_who_may_read_it() -> None:
    boss, reader = [await make_staff(name, "administrator") for name in ("boss", "reader")]
    member = await make_user("rita")
    for person in (reader, member):
        right = await Permission.objects.aget(codename="view_private_rooms")
        await person.user_permissions.aadd(right)
    private = await sync_to_async(told_room)(Story(), datetime.now(UTC), RoomKind.PRIVATE, "Plan")
    public = await sync_to_async(told_room)(Story(), datetime.now(UTC), RoomKind.PUBLIC, "Tea")

    for operation in INSIDE:
        answers = [
            (await Asker(person).ask(operation, {"room": room})).status
            for person in (boss, reader, member)
            for room in (private, public)
        ]
        assert answers == [403, 200, 200, 200, 404, 404], operation


async def test_room_of_others_and_no_room_are_refused_in_the_same_words() -> None:
    stranger, owner = await make_user("sven"), await make_user("olga")
    room = await new_room(owner)

    of_others = await Asker(stranger).ask("activity", {"room": room.pk})
    of_nobody = await Asker(stranger).ask("activity", {"room": 999_999_999})

    assert of_others.body == of_nobody.body
    assert of_others.body["code"] == "not_found"


async def test_direct_conversations_are_in_the_sums_and_nowhere_else() -> None:
    story, now = Story(), datetime.now(UTC)
    direct = await sync_to_async(told_room)(story, now, RoomKind.DIRECT, "private-talk")
    for minute in range(6):
        write(story, direct, now - timedelta(minutes=minute), actor=1 + minute % 2, body="hush")
    await sync_to_async(story.count)()
    boss = await administrator()

    assert (await boss.ask("totals")).rows[0]["messages"] == 6
    assert (await boss.ask("top-rooms")).rows == []
    assert (await boss.ask("rooms")).body["rooms"] == []
    for operation in OPERATIONS:
        refused = await boss.ask(operation, {"room": direct})
        assert refused.status == 404, operation


async def test_rooms_to_choose_from_are_those_whose_numbers_one_may_see() -> None:
    owner, member = await make_user("olga"), await make_user("max")
    boss = await make_staff("boss", "administrator")
    mine = await new_room(owner, member)
    other = await new_room(member)
    for room in (mine, other):
        await store(room.pk)
        await CountedRoom.objects.acreate(
            room=room.pk, kind="private", slug=room.slug, name=room.name
        )

    async def found(user: User, q: str = "") -> set[int]:
        answer = await Asker(user).ask("rooms", {"q": q})
        schemas.Rooms.model_validate(answer.body)
        return {room["id"] for room in answer.body["rooms"]}

    assert await found(owner) == {mine.pk}
    assert await found(member) == {other.pk}
    assert await found(boss) == {mine.pk, other.pk}
    assert await found(boss, mine.name.upper()) == {mine.pk}
    assert await found(owner, other.name) == set()
    assert await found(boss, "%") == set()


# --- The right numbers --------------------------------------------------------------------------
# Around the ends of daylight saving time, and in zones whose hours begin at half past.
ZONES = ["UTC", "Asia/Kolkata", "Europe/London", "Australia/Lord_Howe", "America/St_Johns"]
CLOCKS_CHANGE = datetime(2026, 10, 24, tzinfo=UTC)


def busy_days(story: Story, begin: datetime, days: int) -> list[int]:
    """Three rooms and four people who do things at random times."""
    pick = random.Random(7)
    rooms = [told_room(story, begin, name=f"Room{number}") for number in range(3)]
    seconds = sorted(pick.uniform(0, days * 86_400) for _ in range(500))
    for second in seconds:
        at, room, actor = begin + timedelta(seconds=second), pick.choice(rooms), pick.randint(1, 4)
        share = pick.random()
        if share < 0.7:
            write(story, room, at, actor, "x" * pick.randint(1, 9))
        elif share < 0.85:
            story.tell(room, at, Reaction(target=2, emoji="👍"), EventType.REACTION_ADDED, actor)
        elif share < 0.95:
            story.tell(room, at, MessageEdited(target=2, body="y"), EventType.MESSAGE_EDITED, actor)
        else:
            story.tell(room, at, MemberJoined(user=actor), EventType.MEMBER_JOINED, actor)
    return rooms


def truth(events: list[RoomEvent]) -> dict[str, int]:
    kinds = Counter(one.type for one in events)
    posted = [one for one in events if one.type == EventType.MESSAGE_POSTED]
    active = {EventType.MESSAGE_POSTED, EventType.MESSAGE_EDITED, EventType.REACTION_ADDED}
    return {
        "messages": len(posted),
        "characters": sum(bytes(one.data).count(b"x") for one in posted),
        "reactions": kinds[EventType.REACTION_ADDED],
        "edits": kinds[EventType.MESSAGE_EDITED],
        "joins": kinds[EventType.MEMBER_JOINED],
        "people": len({one.actor for one in events if one.type in active}),
        "rooms": len({one.room for one in posted}),
    }


@pytest.mark.parametrize("zone", ZONES)
async def test_steps_of_every_zone_hold_what_happened_between_their_ends(zone: str) -> None:
    story = Story()
    rooms = await sync_to_async(busy_days)(story, CLOCKS_CHANGE - timedelta(days=3), 12)
    await sync_to_async(story.count)()
    boss = await administrator()
    dates = {"from": "2026-10-23", "to": "2026-10-30", "tz": zone}

    for step in ("hour", "day", "week", "month"):
        for room in (None, rooms[0]):
            asked = {**dates, "step": step} | ({} if room is None else {"room": room})
            answer = (await boss.ask("activity", asked)).body
            active = (await boss.ask("active", asked)).rows
            starts = [datetime.fromisoformat(row["from"]) for row in answer["rows"]]
            ends = [*starts[1:], datetime.fromisoformat(answer["period"]["to"])]
            events = [one for one in story.events if room is None or one.room == room]

            for start, end, counts, here in zip(starts, ends, answer["rows"], active, strict=True):
                row = {**counts, **here}
                wanted = truth(between(events, start, end))
                if room is not None:
                    wanted["rooms"] = None  # type: ignore[assignment]
                assert {key: row[key] for key in wanted} == wanted, (step, start)
                # A step begins on the zone's clock, whatever that did.
                local = start.astimezone(ZoneInfo(zone))
                assert local.utcoffset() == start.utcoffset()
                assert local.minute in {0, 30} if step == "hour" else local.hour == 0
            assert sum(row["messages"] for row in answer["rows"]) > 50


async def test_totals_are_the_sum_of_the_steps_and_of_the_period_before() -> None:
    story = Story()
    await sync_to_async(busy_days)(story, CLOCKS_CHANGE - timedelta(days=3), 12)
    await sync_to_async(story.count)()
    boss = await administrator()
    zone = ZoneInfo("Asia/Kathmandu")
    begin, end = datetime(2026, 10, 26, tzinfo=zone), datetime(2026, 10, 30, tzinfo=zone)

    dates = {"from": "2026-10-26", "to": "2026-10-29", "tz": "Asia/Kathmandu"}
    now, before = (await boss.ask("totals", dates)).rows

    for row, start, stop in ((now, begin, end), (before, begin - timedelta(days=4), begin)):
        wanted = truth(between(story.events, start, stop))
        assert {key: row[key] for key in wanted} == wanted
        assert datetime.fromisoformat(row["from"]) == start


async def test_totals_of_a_running_period_count_people_and_rooms_exactly() -> None:
    story, now = Story(), datetime.now(UTC)
    await sync_to_async(busy_days)(story, now - timedelta(days=12), 12)
    await sync_to_async(story.count)()
    boss = await administrator()

    for period in ("24h", "7d", "30d", "365d"):
        answer = await boss.ask("live", {"period": period, "tz": "Australia/Adelaide"})
        start = datetime.fromisoformat(answer.body["period"]["from"])
        wanted = truth([one for one in story.events if one.at >= start])
        assert {key: answer.body["totals"][key] for key in wanted} == wanted, period


async def test_what_the_probe_writes_is_in_no_number_of_all_rooms() -> None:
    story, now = Story(), datetime.now(UTC)
    begin = CLOCKS_CHANGE - timedelta(days=3)
    await sync_to_async(busy_days)(story, begin, 12)
    await sync_to_async(busy_days)(story, now - timedelta(days=1), 1)
    await sync_to_async(story.count)()
    boss = await administrator()
    dates = {"from": "2026-10-22", "to": "2026-10-30", "tz": "Asia/Kathmandu"}

    async def answers() -> dict[str, list[dict[str, Any]]]:
        operations = ["totals", "activity", "active", "hours", "replies", "weeks", "newcomers"]
        operations += ["people", "top-rooms", "emoji"]
        return {one: (await boss.ask(one, dates)).rows for one in operations}

    async def live() -> tuple[int, dict[str, int]]:
        answer = (await boss.ask("live", {"period": "30d"})).body
        totals = {one: answer["totals"][one] for one in ("messages", "people", "rooms", "joins")}
        return sum(minute["messages"] for minute in answer["minutes"]), totals

    people_alone, live_of_people = await answers(), await live()

    probe = await User.objects.acreate(pk=1_000, username=PROBE_USERNAME)  # nobody of above
    room = await sync_to_async(told_room)(story, begin, RoomKind.PRIVATE, "Probe")
    await Room.objects.filter(pk=room).aupdate(created_by=probe)
    story.tell(room, begin, MemberJoined(user=probe.pk), EventType.MEMBER_JOINED, probe.pk)
    for hours in range(24 * 12):
        write(story, room, begin + timedelta(hours=hours), probe.pk, "probe")
    for minutes in range(20):
        write(story, room, now - timedelta(minutes=minutes), probe.pk, "probe")
    await sync_to_async(story.count)()

    assert await answers() == people_alone
    assert await live() == live_of_people
    assert room not in {one["id"] for one in (await boss.ask("rooms")).body["rooms"]}
    # Who asks about the probe's room alone gets its numbers.
    [of_probe, _] = (await boss.ask("totals", {**dates, "room": room})).rows
    assert of_probe["messages"] > 100


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Europe/London", "Australia/Lord_Howe"])
async def test_hours_of_the_week_are_those_of_the_wall_clock(zone: str) -> None:
    story = Story()
    await sync_to_async(busy_days)(story, CLOCKS_CHANGE - timedelta(days=25), 30)
    await sync_to_async(story.count)()
    boss = await administrator()

    dates = {"from": "2026-10-01", "to": "2026-10-28", "tz": zone}
    rows = (await boss.ask("hours", dates)).rows

    inside = between(
        story.events,
        datetime(2026, 10, 1, tzinfo=ZoneInfo(zone)),
        datetime(2026, 10, 29, tzinfo=ZoneInfo(zone)),
    )
    local = [
        one.at.astimezone(ZoneInfo(zone)) for one in inside if one.type == EventType.MESSAGE_POSTED
    ]
    wanted = Counter((moment.isoweekday(), moment.hour) for moment in local)
    assert {
        (row["weekday"], row["hour"]): row["messages"] for row in rows if row["messages"]
    } == wanted
    assert len(rows) == 168


async def test_reply_times_are_within_two_percent_of_the_exact_ones() -> None:
    story, at = Story(), datetime(2026, 10, 20, 9, tzinfo=UTC)
    room = await sync_to_async(told_room)(story, at)
    waits = [7, 30, 45, 90, 200, 600, 3_000, 9_000, 20_000, 40_000]
    asked = {wait: write(story, room, at + timedelta(seconds=wait / 1000), 1) for wait in waits}
    for wait, seq in sorted(asked.items()):
        write(story, room, at + timedelta(seconds=wait + wait / 1000), 2, to=seq)
    await sync_to_async(story.count)()
    boss = await administrator()

    body = (await boss.ask("replies", {"from": "2026-10-20", "to": "2026-10-20"})).body

    assert body["replies"] == 10
    assert body["median_seconds"] == pytest.approx(200, rel=0.021)
    assert body["p95_seconds"] == pytest.approx(40_000, rel=0.021)
    assert sum(row["replies"] for row in body["rows"]) == 10


async def test_weeks_tell_who_came_stayed_and_left() -> None:
    story = Story()
    monday = datetime(2026, 9, 7, 12, tzinfo=UTC)
    room = await sync_to_async(told_room)(story, monday)
    # Person → weeks in which they wrote.
    there = {1: [0, 1, 2], 2: [0, 2], 3: [1, 2], 4: [2], 5: [0]}
    for person, weeks in there.items():
        for week in weeks:
            write(story, room, monday + timedelta(weeks=week, days=person), person)
    await sync_to_async(story.count)()
    boss = await administrator()

    dates = {"from": "2026-09-07", "to": "2026-10-04", "room": room}
    table = {row["week"]: row for row in (await boss.ask("weeks", dates)).rows}
    newcomers = (await boss.ask("newcomers", dates)).rows

    def numbers(day: str) -> tuple[Any, ...]:
        return tuple(table[day][key] for key in ("active", "new", "returning", "lost"))

    assert numbers("2026-09-07") == (3, 3, 0, 0)
    assert numbers("2026-09-14") == (2, 1, 1, 2)
    assert numbers("2026-09-21") == (4, 1, 3, 0)
    assert numbers("2026-09-28") == (0, 0, 0, 4)
    stayed = {(row["week"], row["weeks_later"]): row["active"] for row in newcomers}
    assert [stayed["2026-09-07", later] for later in range(4)] == [3, 1, 2, 0]
    assert [stayed["2026-09-14", later] for later in range(3)] == [1, 1, 0]


async def test_most_of_rooms_people_emoji_and_words() -> None:
    story = Story()
    noon = datetime(2026, 10, 21, 12, tzinfo=UTC)
    anna = await make_user("anna", display_name="Anna")
    boris = await make_user("boris", display_name="Boris")
    tea = await sync_to_async(told_room)(story, noon - timedelta(days=2), name="Tea")
    cake = await sync_to_async(told_room)(story, noon - timedelta(days=2), name="Cake")
    for number in range(5):
        actor = anna.pk if number % 2 else boris.pk
        write(story, tea, noon + timedelta(minutes=20 * number), actor, "samovar hot")
    write(story, tea, noon, anna.pk, "onlyonce")
    write(story, cake, noon, anna.pk)
    for emoji, times in (("🍵", 3), ("🔥", 1)):
        for _ in range(times):
            story.tell(
                tea, noon, Reaction(target=2, emoji=emoji), EventType.REACTION_ADDED, anna.pk
            )
    await sync_to_async(story.count)()
    boss = await administrator()
    day = {"from": "2026-10-21", "to": "2026-10-21", "tz": "Europe/Moscow"}

    rooms = (await boss.ask("top-rooms", day)).rows
    people = (await boss.ask("people", {**day, "room": tea})).rows
    emoji_ = (await boss.ask("emoji", {**day, "room": tea})).rows
    words = (await boss.ask("words", {**day, "room": tea})).rows

    assert [(row["name"], row["messages"], row["reactions"]) for row in rooms] == [
        ("Tea", 6, 4),
        ("Cake", 1, 0),
    ]
    assert [(row["name"], row["quarters"], row["days"]) for row in people] == [
        ("Anna", 3, 1),
        ("Boris", 3, 1),
    ]
    assert [(row["emoji"], row["added"]) for row in emoji_] == [("🍵", 3), ("🔥", 1)]
    assert [(row["word"], row["messages"]) for row in words] == [("hot", 5), ("samovar", 5)]


# --- Shapes of answers --------------------------------------------------------------------------
async def test_csv_has_the_rows_of_the_json() -> None:
    story, now = Story(), datetime.now(UTC)
    rooms = await sync_to_async(busy_days)(story, now - timedelta(days=9), 9)
    await sync_to_async(story.count)()
    boss = await administrator()

    for operation, (_, row) in {**TABLES, **ONLY_ALL_ROOMS, **ONLY_ONE_ROOM}.items():
        asked = {"tz": "Asia/Kolkata"} | ({"room": rooms[0]} if operation in ONLY_ONE_ROOM else {})
        as_json = (await boss.ask(operation, asked)).rows
        as_csv = await boss.ask(operation, {**asked, "format": "csv"})

        found = list(csv.DictReader(io.StringIO(as_csv.text)))
        assert set(found[0] if found else ()) <= {
            field.alias or name for name, field in row.model_fields.items()
        }
        assert [dict(one) for one in found] == [
            {key: "" if value is None else str(value) for key, value in one.items()}
            for one in as_json
        ], operation
        assert as_csv.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert as_csv.headers["Content-Disposition"].startswith("attachment; filename=")


async def test_csv_gives_spreadsheets_no_formula() -> None:
    story, now = Story(), datetime.now(UTC)
    formula = '=HYPERLINK("http://evil.example","Tea")'
    room = await sync_to_async(told_room)(story, now, name="Tea")
    write(story, room, now)
    await sync_to_async(story.count)()
    await CountedRoom.objects.filter(room=room).aupdate(name=formula)
    boss = await administrator()

    text = (await boss.ask("top-rooms", {"format": "csv"})).text

    assert next(csv.DictReader(io.StringIO(text)))["name"] == f"'{formula}"


async def test_answers_are_what_the_document_says() -> None:
    story, now = Story(), datetime.now(UTC)
    rooms = await sync_to_async(busy_days)(story, now - timedelta(days=9), 9)
    await sync_to_async(story.count)()
    boss = await administrator()

    for operation, (schema, _) in {**TABLES, **ONLY_ALL_ROOMS, **ONLY_ONE_ROOM}.items():
        asked = {"room": rooms[0]} if operation in ONLY_ONE_ROOM else {}
        body = (await boss.ask(operation, asked)).body
        assert schema.model_validate(body).model_dump(mode="json", by_alias=True) == body, operation
    live = (await boss.ask("live")).body
    schemas.Live.model_validate(live)
    assert set(live["totals"]) == {*COUNTERS, "people", "rooms"}
    assert len(live["minutes"]) == 60


async def test_live_says_304_until_something_is_counted() -> None:
    story, now = Story(), datetime.now(UTC)
    room = await sync_to_async(told_room)(story, now)
    write(story, room, now)
    await sync_to_async(story.count)()
    boss = await administrator()

    # A minute that ends meanwhile makes a new answer, once.
    for _ in range(2):
        first = await boss.ask("live", {"room": room})
        tag = first.headers["ETag"]
        # As it was given, as a gateway gives it on with a compressed body, among others, and any.
        asked = [tag, f"W/{tag}", f'"else", W/{tag}', "*"]
        unchanged = [
            await boss.ask("live", {"room": room}, **{"If-None-Match": one}) for one in asked
        ]
        if all(one.status == 304 for one in unchanged):
            break
    write(story, room, now)
    await sync_to_async(story.count)()
    moved = await boss.ask("live", {"room": room}, **{"If-None-Match": first.headers["ETag"]})

    assert [(one.status, one.text) for one in unchanged] == [(304, "")] * 4
    assert unchanged[0].headers["ETag"] == tag
    assert first.body["totals"]["messages"] == 1
    assert (moved.status, moved.body["totals"]["messages"]) == (200, 2)
    assert moved.body["freshness"]["waiting"] == 0
    assert moved.headers["Cache-Control"] == "private, no-cache"


async def test_live_tells_how_far_counting_is_behind_what_is_stored() -> None:
    boss = await administrator()
    fresh = (await boss.ask("live")).body["freshness"]
    room = await new_room(await make_user("olga"))
    await store(room.pk)

    stored = (await boss.ask("live")).body["freshness"]
    story = Story()
    story.tell(
        room.pk,
        datetime.now(UTC),
        RoomCreated(slug="tea", name="Tea", kind=RoomKind.PUBLIC),
        EventType.ROOM_CREATED,
    )
    await sync_to_async(story.count)()
    counted = (await boss.ask("live")).body["freshness"]

    assert (fresh["stored_at"], fresh["last_event_at"], fresh["waiting"]) == (None, None, None)
    assert stored["stored_at"] is not None
    assert stored["last_event_at"] is None
    assert counted["last_event_at"] >= counted["stored_at"]
    assert not counted["stopped"]


# --- Bad input ----------------------------------------------------------------------------------
BAD: list[tuple[str, dict[str, Any] | list[tuple[str, Any]]]] = [
    ("activity", {"period": "1h"}),
    ("activity", {"period": ""}),
    ("activity", {"period": "7d", "from": "2026-01-01", "to": "2026-01-02"}),
    ("activity", {"from": "2026-01-01"}),
    ("activity", {"to": "2026-01-01"}),
    ("activity", {"from": "2026-01-02", "to": "2026-01-01"}),
    ("activity", {"from": "2026-02-30", "to": "2026-03-01"}),
    ("activity", {"from": "1767225600", "to": "1767225600"}),
    ("activity", {"from": "2026-01-01T00:00:00", "to": "2026-01-02"}),
    ("activity", {"from": "1970-01-01", "to": "1970-01-02"}),
    ("activity", {"from": "9999-12-30", "to": "9999-12-31"}),
    ("activity", {"from": "2000-01-01", "to": "2026-01-01"}),
    ("activity", {"from": "2011-12-30", "to": "2011-12-30", "tz": "Pacific/Apia"}),
    ("activity", {"from": "2026-01-01", "to": "2026-06-01", "step": "hour"}),
    ("activity", {"step": "minute"}),
    ("activity", {"tz": "Mars/Olympus"}),
    ("activity", {"tz": "../../etc/passwd"}),
    ("activity", {"tz": "localtime"}),
    ("activity", {"tz": ""}),
    ("activity", {"tz": "x" * 5_000}),
    ("activity", {"tz": "Europe/Moscow\0"}),
    ("activity", {"format": "xlsx"}),
    ("activity", {"room": 0}),
    ("activity", {"room": -1}),
    ("activity", {"room": 2**63}),
    ("activity", {"room": "1 OR 1=1"}),
    ("activity", {"room": "9" * 5_000}),
    ("top-rooms", {"limit": 0}),
    ("top-rooms", {"limit": -1}),
    ("top-rooms", {"limit": 10**9}),
    ("people", {"limit": "x"}),
    ("rooms", {"limit": 0}),
    ("rooms", {"q": "\0"}),
    ("rooms", {"q": "x" * 10_000}),
    ("words", {}),
]


async def test_bad_input_is_named_and_refused() -> None:
    boss = await administrator()

    for operation, query in BAD:
        answer = await boss.ask(operation, query)

        asked = f"{operation} {str(query)[:100]}"
        assert (answer.status, answer.body["code"]) == (400, "bad_request"), asked
        assert answer.headers["Content-Type"] == "application/problem+json"
        named = answer.body["detail"].split(":")[0].split(",")[0].removeprefix("asked.")
        assert named in {"from", "to", "period", "tz", "step", "format", "room", "limit", "q"}, (
            asked
        )


async def test_day_that_a_change_of_the_clock_began_late_is_a_day() -> None:
    boss = await administrator()

    asked = {"from": "2026-04-23", "to": "2026-04-25", "tz": "Africa/Cairo", "step": "day"}
    rows = (await boss.ask("activity", asked)).rows

    # In Cairo, 24 April 2026 began at one in the morning.
    assert [row["from"] for row in rows] == [
        "2026-04-23T00:00:00+02:00",
        "2026-04-24T01:00:00+03:00",
        "2026-04-25T00:00:00+03:00",
    ]


async def test_time_to_come_is_empty() -> None:
    boss = await administrator()
    asked = {"from": "2090-01-01", "to": "2090-01-03", "tz": "Asia/Kolkata", "step": "day"}

    for operation in [*TABLES, *ONLY_ALL_ROOMS]:
        answer = await boss.ask(operation, asked)
        assert answer.status == 200, operation
        assert all(not row.get("messages") for row in answer.rows), operation


async def test_longest_period_is_answered() -> None:
    boss = await administrator()
    first = date(2022, 1, 1)
    asked = {"from": str(first), "to": str(first + timedelta(days=5 * 366 - 1)), "step": "day"}

    answer = await boss.ask("activity", asked)

    assert answer.status == 200
    assert len(answer.rows) == 5 * 366
