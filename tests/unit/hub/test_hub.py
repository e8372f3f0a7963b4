"""What the hub does with hints, gaps, slow readers and people who leave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.errors import Unavailable
from chat.events import EventType
from chat.hub import healing, heartbeat, members, presence
from chat.hub.feeds import COALESCE_SECONDS, HEAL_AFTER_SECONDS
from chat.hub.stored_notices import EVERY_SECONDS
from chat.protocol import MAX_SYNC_EVENTS, Position
from tests.unit.hub.hub_world import ROOM, FakeTimers, World

NOT_YET = COALESCE_SECONDS / 2


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """On the real clock."""
    world = World()
    yield world
    await world.hub.close_down()


@pytest.fixture
def timers() -> FakeTimers:
    return FakeTimers()


@pytest.fixture
async def timed(timers: FakeTimers) -> AsyncIterator[World]:
    """With a clock that does not move."""
    world = World(timers=timers)
    yield world
    await world.hub.close_down()


# Coalescing


async def test_first_event_of_a_quiet_room_leaves_at_once(timed: World) -> None:
    _, wire = timed.enter()

    timed.hint(timed.rooms.post())

    assert wire.seqs() == [1]


async def test_events_under_load_share_one_frame(timed: World, timers: FakeTimers) -> None:
    _, wire = timed.enter()
    timed.hint(timed.rooms.post())

    for _ in range(3):
        timed.hint(timed.rooms.post())
    timers.advance(NOT_YET)
    assert wire.seqs() == [1]

    timers.advance(COALESCE_SECONDS)
    assert [[event["seq"] for event in frame["events"]] for frame in wire.of_type("events")] == [
        [1],
        [2, 3, 4],
    ]


async def test_frame_leaves_early_when_it_is_full(
    timed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.hub.feeds.FULL_FRAME_BYTES", 1_000)
    _, wire = timed.enter()
    timed.hint(timed.rooms.post())

    timed.hint(timed.rooms.post(body="x" * 1_000))

    assert wire.seqs() == [1, 2]


async def test_frames_are_numbered_for_each_connection(timed: World, timers: FakeTimers) -> None:
    _, early = timed.enter()
    timed.hint(timed.rooms.post())
    timers.advance(1)
    _, late = timed.enter(user_id=2)
    timed.hint(timed.rooms.post())

    assert [frame["f"] for frame in early.of_type("events")] == [1, 2]
    assert [frame["f"] for frame in late.of_type("events")] == [1]
    assert late.seqs() == [2]


# Order and gaps


async def test_doubled_and_overlapping_hints_are_handed_on_once(
    timed: World, timers: FakeTimers
) -> None:
    _, wire = timed.enter()
    events = timed.rooms.posts(5)

    timed.hint(*events[:3])
    timed.hint(*events[:3])
    timed.hint(*events[1:4])
    timed.hint(*events)
    timers.advance(1)

    assert wire.seqs() == [1, 2, 3, 4, 5]
    assert timed.rooms.asked == []


async def test_hints_that_overtake_others_wait_for_them(timed: World, timers: FakeTimers) -> None:
    _, wire = timed.enter()
    first, second, third = timed.rooms.posts(3)

    timed.hint(third)
    timed.hint(second)
    assert wire.seqs() == []

    timed.hint(first)
    timers.advance(HEAL_AFTER_SECONDS)

    assert wire.seqs() == [1, 2, 3]
    assert timed.rooms.asked == []


async def test_lost_hint_is_replaced_from_the_log(world: World) -> None:
    _, wire = world.enter()
    first, _, third = world.rooms.posts(3)

    world.hint(first)
    world.hint(third)
    await wire.until(lambda: wire.seqs() == [1, 2, 3])

    assert world.rooms.asked == [(ROOM, 1)]


async def test_gap_in_a_quiet_room_is_found_by_looking_at_the_head(world: World) -> None:
    _, wire = world.enter()
    world.rooms.posts(3)

    await world.hub.healer.look_at([ROOM])
    await wire.until(lambda: wire.seqs() == [1, 2, 3])


async def test_log_that_forgot_what_people_have_seen_is_reported(world: World) -> None:
    _, wire = world.enter()
    posts = world.rooms.posts(3)
    for event in posts:
        world.hint(event)
    await wire.until(lambda: wire.seqs() == [1, 2, 3])
    del world.rooms.events[ROOM][1:]

    await world.hub.healer.look_at([ROOM])

    assert world.rooms.regressed == [(ROOM, 3, 1)]


async def test_gap_stays_open_while_the_log_is_away_and_is_filled_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "HEAL_RETRY_SECONDS", 0.01)
    _, wire = world.enter()
    _, second = world.rooms.posts(2)
    world.rooms.away = True

    world.hint(second)
    await world.rooms.refused.wait()
    assert wire.seqs() == []

    world.rooms.away = False
    await wire.until(lambda: wire.seqs() == [1, 2])


async def test_hub_that_is_far_behind_lets_each_connection_catch_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "MAX_HEAL_EVENTS", 10)
    _, wire = world.enter()
    events = world.rooms.posts(1_200)

    world.hint(events[-1])
    await wire.until(lambda: len(wire.seqs()) == 1_200)

    assert wire.seqs() == list(range(1, 1_201))
    assert max(len(frame["events"]) for frame in wire.of_type("events")) <= 500


@pytest.mark.parametrize("seed", range(5))
async def test_any_loss_doubling_and_reordering_of_hints_gives_each_event_once(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    _, at_head = world.enter()
    hints = []
    for _ in range(40):
        run = world.rooms.posts(chance.randint(1, 3))
        hints += [run] * chance.choice([0, 1, 1, 1, 2])
    chance.shuffle(hints)

    for run in hints:
        world.hint(*run)
        if chance.random() < 0.2:
            await asyncio.sleep(0)
    await world.hub.healer.look_at([ROOM])
    _, resumed = world.enter(user_id=2, at=Position(1, 3))
    last = world.rooms.head()
    await at_head.until(lambda: at_head.seqs()[-1:] == [last])
    await resumed.until(lambda: resumed.seqs()[-1:] == [last])

    assert at_head.seqs() == list(range(1, last + 1))
    assert resumed.seqs() == list(range(4, last + 1))


# Resuming


async def test_resuming_connection_gets_what_it_missed_and_then_what_is_new(world: World) -> None:
    world.rooms.posts(700)
    _, wire = world.enter(at=Position(epoch=1, seq=120))

    await wire.until(lambda: len(wire.seqs()) == 580)
    world.hint(world.rooms.post())
    await wire.until(lambda: wire.seqs()[-1] == 701)

    assert wire.seqs() == list(range(121, 702))


async def test_event_that_comes_while_one_catches_up_is_not_sent_twice(world: World) -> None:
    world.rooms.posts(600)
    _, wire = world.enter(at=Position(epoch=1, seq=0))

    world.hint(world.rooms.post())
    await wire.until(lambda: 601 in wire.seqs())
    world.hint(world.rooms.post())
    await wire.until(lambda: 602 in wire.seqs())

    assert wire.seqs() == list(range(1, 603))


@pytest.mark.parametrize("position", [Position(1, 6), Position(2, 3), Position(0, 3)])
async def test_position_that_cannot_be_is_answered_by_reset(
    world: World, position: Position
) -> None:
    world.rooms.posts(5)

    _, wire = world.enter(at=position)
    world.hint(world.rooms.post())

    assert wire.of_type("reset") == [{"t": "reset", "room": ROOM, "epoch": 1, "head": 5}]
    assert wire.seqs() == [6]


async def test_connection_that_knows_more_than_the_hub_is_not_told_twice(world: World) -> None:
    world.enter()
    event = world.rooms.post()  # the hint about it has not come yet

    _, wire = world.enter(user_id=2)
    world.hint(event)
    world.hint(world.rooms.post())
    await wire.until(lambda: wire.seqs() == [2])


async def test_catching_up_goes_on_when_the_log_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.hub.catch_up.FIRST_RETRY_SECONDS", 0.01)
    world.rooms.posts(5)
    world.rooms.away = True
    _, wire = world.enter(at=Position(1, 0))
    await world.rooms.refused.wait()

    world.rooms.away = False
    await wire.until(lambda: wire.seqs() == [1, 2, 3, 4, 5])


# The seen window


async def test_live_reader_that_confirms_nothing_is_closed(
    timed: World, timers: FakeTimers
) -> None:
    socket, slow = timed.enter(unseen_bytes=3_000)
    _, other = timed.enter(user_id=2)

    for _ in range(6):
        timed.hint(timed.rooms.post(body="x" * 1_000))
        timers.advance(1)

    assert slow.code == 4408
    assert slow.seqs() == [1, 2, 3]
    assert other.seqs() == [1, 2, 3, 4, 5, 6]
    assert socket not in timed.hub.sockets


async def test_live_reader_that_confirms_stays(timed: World, timers: FakeTimers) -> None:
    socket, wire = timed.enter(unseen_bytes=3_000)

    for frame in range(1, 20):
        timed.hint(timed.rooms.post(body="x" * 1_000))
        timers.advance(1)
        socket.seen(frame)

    assert wire.code is None
    assert len(wire.seqs()) == 19


async def test_reader_that_catches_up_is_waited_for(world: World) -> None:
    world.rooms.posts(600, body="x" * 1_000)
    socket, wire = world.enter(at=Position(1, 0), unseen_bytes=200_000)

    await wire.until(lambda: wire.seqs())
    first = len(wire.seqs())
    assert first < 600
    while len(wire.seqs()) < 600:
        have = len(wire.seqs())
        socket.seen(len(wire.of_type("events")))
        await wire.until(lambda have=have: len(wire.seqs()) > have)  # type: ignore[misc]

    assert wire.seqs() == list(range(1, 601))
    assert wire.code is None


async def test_reader_that_catches_up_has_room_for_what_is_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rooms.events[9] = []
    world.rooms.posts(2_000, body="x" * 1_000)
    socket, wire = world.enter(at=Position(1, 0), rooms=(ROOM, 9), unseen_bytes=700_000)
    wait_for_seen, waits = socket.wait_for_seen, asyncio.Event()

    async def say_that_it_waits(timeout_seconds: float) -> bool:
        waits.set()
        wire._changed.set()
        return await wait_for_seen(timeout_seconds)

    monkeypatch.setattr(socket, "wait_for_seen", say_that_it_waits)

    while len(wire.seqs()) < 2_000:
        await wire.until(lambda: waits.is_set() or len(wire.seqs()) == 2_000)
        waits.clear()
        world.hint(world.rooms.post(room=9, body="y" * 1_000))
        await wire.until(lambda: wire.code or len(wire.seqs(9)) == world.rooms.head(9))
        assert wire.code is None
        socket.seen(len(wire.of_type("events")))

    assert wire.seqs() == list(range(1, 2_001))


async def test_client_that_confirms_late_is_fed_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.hub.catch_up.HALF_FULL_SECONDS", 0.01)
    world.rooms.posts(600, body="x" * 1_000)
    _, wire = world.enter(at=Position(1, 0), unseen_bytes=900_000)

    await wire.until(lambda: len(wire.seqs()) == 600)

    assert wire.code is None


async def test_reader_that_catches_up_without_confirming_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.hub.catch_up.SEEN_TIMEOUT_SECONDS", 0.01)
    world.rooms.posts(600, body="x" * 1_000)
    _, wire = world.enter(at=Position(1, 0), unseen_bytes=100_000)

    await wire.until(lambda: wire.code is not None)

    assert wire.code == 4408


# People who enter and leave


@pytest.mark.parametrize("kind", [EventType.MEMBER_REMOVED, EventType.MEMBER_LEFT])
async def test_last_thing_that_one_gets_of_a_room_is_ones_own_leaving(
    timed: World, timers: FakeTimers, kind: EventType
) -> None:
    _, gone = timed.enter(user_id=1)
    _, stays = timed.enter(user_id=2)
    before, leaving = timed.rooms.post(), timed.rooms.post(kind=kind, data={"user": 1})
    after = timed.rooms.post()

    timed.hint(before, leaving, after)
    timers.advance(1)
    timed.hub.on_message({"type": "typing", "room": ROOM, "user": 2})
    timed.hub.on_message({"type": "presence", "room": ROOM, "online": [3], "offline": []})

    assert gone.seqs() == [1, 2]
    assert stays.seqs() == [1, 2, 3]
    assert gone.of_type("typing") == gone.of_type("presence") == []
    assert gone.code is None


async def test_who_leaves_while_catching_up_gets_nothing_of_after_that(world: World) -> None:
    world.rooms.posts(1_000)
    _, wire = world.enter(at=Position(1, 0))
    leaving = world.rooms.post(kind=EventType.MEMBER_REMOVED, data={"user": 1})

    world.hint(leaving, world.rooms.post())
    await wire.until(lambda: 1_001 in wire.seqs())
    await asyncio.sleep(0)

    assert wire.seqs() == list(range(1, 1_002))
    assert not world.hub.feeds


async def test_who_was_taken_out_in_a_gap_that_is_jumped_over_gets_nothing_of_after_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "MAX_HEAL_EVENTS", 5)
    _, gone = world.enter(user_id=1)
    _, stays = world.enter(user_id=2)
    world.rooms.posts(4)
    world.rooms.post(kind=EventType.MEMBER_REMOVED, data={"user": 1})
    world.rooms.posts(5)

    world.hint(world.rooms.post())
    await stays.until(lambda: 11 in stays.seqs())
    await gone.until(lambda: 5 in gone.seqs())
    world.hint(world.rooms.post())
    await stays.until(lambda: 12 in stays.seqs())

    assert gone.seqs() == [1, 2, 3, 4, 5]


async def test_who_was_taken_out_while_the_welcome_was_made_gets_nothing_of_after_that(
    world: World,
) -> None:
    _, stays = world.enter(user_id=2)
    socket, gone = world.connect(user_id=1)
    rooms = [world.rooms.info()]
    world.hint(world.rooms.post(kind=EventType.MEMBER_REMOVED, data={"user": 1}))
    world.hint(world.rooms.post())

    world.hub.enter(socket, rooms, {})
    await gone.until(lambda: 1 in gone.seqs())
    world.hint(world.rooms.post())
    await stays.until(lambda: 3 in stays.seqs())

    assert gone.seqs() == [1]


async def test_who_came_back_stays_when_the_removal_is_only_heard_of_later(world: World) -> None:
    world.rooms.members.add((1, ROOM))
    socket, wire = world.enter(user_id=1)
    removed = world.rooms.post(kind=EventType.MEMBER_REMOVED, data={"user": 1})
    joined = world.rooms.post(kind=EventType.MEMBER_JOINED, data={"user": 1})

    # The hint that they are back finds them still there.
    world.hub.on_message({"type": "joined", "user": 1, "room": ROOM})
    world.hint(removed, joined)
    await wire.until(lambda: wire.of_type("room"))
    world.hint(world.rooms.post())
    await wire.until(lambda: 3 in wire.seqs())

    assert socket.rooms.keys() == {ROOM}


async def test_removal_of_before_one_came_back_takes_nobody_out(world: World) -> None:
    world.enter(user_id=2)  # so that the feed is there, and behind
    world.rooms.post(kind=EventType.MEMBER_REMOVED, data={"user": 1})
    world.rooms.post(kind=EventType.MEMBER_JOINED, data={"user": 1})
    socket, wire = world.enter(user_id=1)

    world.hint(*world.rooms.events[ROOM])
    world.hint(world.rooms.post())
    await wire.until(lambda: 3 in wire.seqs())

    assert (wire.seqs(), set(socket.rooms)) == ([3], {ROOM})


async def test_room_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    world.rooms.events[9] = []
    world.rooms.posts(3)
    world.rooms.posts(3, room=9)
    world.rooms.unreadable.add(ROOM)
    socket, wire = world.connect()
    at = {str(room): Position(1, 0) for room in (ROOM, 9)}

    world.hub.enter(socket, [world.rooms.info(room) for room in (ROOM, 9)], at)
    await wire.until(lambda: wire.seqs(9) == [1, 2, 3])
    world.hint(world.rooms.post(room=9))
    await wire.until(lambda: wire.seqs(9) == [1, 2, 3, 4])

    assert wire.seqs() == []


async def test_room_in_which_much_was_missed_holds_up_no_other(world: World) -> None:
    world.rooms.events[9] = []
    world.rooms.posts(10 * MAX_SYNC_EVENTS)
    world.rooms.posts(MAX_SYNC_EVENTS + 3, room=9)
    socket, wire = world.connect()
    at = {str(room): Position(1, 0) for room in (ROOM, 9)}

    world.hub.enter(socket, [world.rooms.info(room) for room in (ROOM, 9)], at)
    await wire.until(lambda: len(wire.seqs(9)) == MAX_SYNC_EVENTS + 3)
    world.hint(world.rooms.post(room=9))
    await wire.until(lambda: len(wire.seqs(9)) == MAX_SYNC_EVENTS + 4)

    assert len(wire.seqs()) <= 4 * MAX_SYNC_EVENTS
    await wire.until(lambda: len(wire.seqs()) == 10 * MAX_SYNC_EVENTS)
    for room in (ROOM, 9):
        assert wire.seqs(room) == list(range(1, world.rooms.head(room) + 1))


async def test_who_was_taken_out_unnoticed_gets_that_first(world: World) -> None:
    _, wire = world.enter()
    world.rooms.posts(3)
    world.rooms.post(kind=EventType.MEMBER_REMOVED, data={"user": 1})
    world.rooms.post()
    world.rooms.out.add((1, ROOM))

    await members.put_out(world.hub, 1, ROOM)

    assert wire.seqs() == [1, 2, 3, 4]
    assert not world.hub.feeds


async def test_who_was_taken_out_is_out_although_the_log_does_not_say_when(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket, wire = world.enter()
    world.rooms.out.add((1, ROOM))

    async def in_vain(room: int) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(world.hub.healer, "bring_up", in_vain)

    await members.put_out(world.hub, 1, ROOM)

    assert (wire.seqs(), socket.rooms, wire.code) == ([], {}, None)


async def test_who_came_back_meanwhile_stays(world: World) -> None:
    socket, _ = world.enter()

    await members.put_out(world.hub, 1, ROOM)

    assert socket.rooms.keys() == {ROOM}


async def test_room_that_one_enters_is_announced_before_its_events(world: World) -> None:
    world.rooms.events[9] = []
    world.rooms.members.add((1, 9))
    _, wire = world.enter(rooms=[])
    joined = world.rooms.post(room=9, kind=EventType.MEMBER_JOINED, data={"user": 1})

    world.hub.on_message({"type": "joined", "user": 1, "room": 9})
    await wire.until(lambda: wire.of_type("room"))
    world.hint(joined, world.rooms.post(room=9))
    await wire.until(lambda: wire.seqs(9))

    [announced] = wire.of_type("room")
    assert (announced["room"]["id"], announced["room"]["head"]) == (9, 1)
    assert wire.seqs(9) == [2]


async def test_room_entered_while_welcome_is_prepared_is_not_missed(world: World) -> None:
    world.rooms.events[9] = []
    world.rooms.members.add((1, 9))
    socket, wire = world.connect()

    world.hub.on_message({"type": "joined", "user": 1, "room": 9})
    await asyncio.gather(*world.hub._tasks)
    assert wire.frames == []

    world.hub.enter(socket, [], {})
    await wire.until(lambda: wire.of_type("room"))


async def test_joined_hint_about_a_stranger_gives_nothing(world: World) -> None:
    _, wire = world.enter(rooms=[])

    world.hub.on_message({"type": "joined", "user": 1, "room": ROOM})
    await asyncio.gather(*world.hub._tasks)

    assert wire.frames == []


async def test_rooms_nobody_here_is_in_cost_nothing(timed: World) -> None:
    socket, _ = timed.enter()
    timed.hint(timed.rooms.post())

    timed.hub.dismiss(socket)
    timed.hub.dismiss(socket)
    timed.hint(timed.rooms.post())

    assert timed.hub.feeds == {}
    assert timed.hub.sockets == set()


# Revocation, epochs, watermarks


async def test_revoked_session_is_closed_and_others_of_the_person_stay(timed: World) -> None:
    _, revoked = timed.enter(grant="one")
    _, kept = timed.enter(grant="two")
    _, other = timed.enter(user_id=2, grant="one")

    timed.hub.on_message({"type": "revoke", "user": 1, "session": "one"})

    assert (revoked.code, kept.code, other.code) == (4403, None, None)


async def test_revoked_person_is_closed_everywhere(timed: World) -> None:
    wires = [timed.enter(grant=grant)[1] for grant in ("one", "two", "token:3")]

    timed.hub.on_message({"type": "revoke", "user": 1, "session": None})
    timed.hint(timed.rooms.post())

    assert [wire.code for wire in wires] == [4403] * 3
    assert all(wire.frames == [] for wire in wires)


async def test_lost_log_resets_its_rooms_and_goes_on_from_the_stored_head(world: World) -> None:
    world.rooms.posts(5)
    _, live = world.enter()
    _, behind = world.enter(user_id=2, at=Position(1, 0))
    del world.rooms.events[ROOM][3:]
    world.rooms.epoch = 2

    world.hub.on_message({"type": "reset", "shard": ROOM % 4, "epoch": 2})
    await live.until(lambda: live.of_type("reset"))
    world.hint(world.rooms.post())
    await live.until(lambda: live.seqs())
    await behind.until(lambda: behind.seqs()[-1:] == [4])

    assert live.of_type("reset") == [{"t": "reset", "room": ROOM, "epoch": 2, "head": 3}]
    assert live.seqs() == [4]
    assert behind.of_type("reset") == live.of_type("reset")


async def test_lost_reset_of_a_room_that_no_log_holds_is_made_good_by_the_next_look(
    world: World,
) -> None:
    world.rooms.posts(10)
    _, wire = world.enter()
    world.rooms.epoch = 1_795_910_400_000
    del world.rooms.events[ROOM][4:]
    world.rooms.unloaded.add(ROOM)

    await heartbeat.look_at_rooms(world.hub)
    await wire.until(lambda: wire.of_type("reset"))
    await heartbeat.look_at_rooms(world.hub)

    expected = {"t": "reset", "room": ROOM, "epoch": 1_795_910_400_000, "head": 4}
    assert wire.of_type("reset") == [expected]


async def test_replaced_event_lets_everybody_read_the_room_again(world: World) -> None:
    world.rooms.posts(5)
    _, live = world.enter()
    _, behind = world.enter(user_id=2, at=Position(1, 0))

    world.hub.on_message({"type": "replaced", "room": ROOM, "seq": 2})
    world.hub.on_message({"type": "replaced", "room": ROOM + 1, "seq": 2})  # nobody here is in
    await live.until(lambda: live.of_type("reset"))
    world.hint(world.rooms.post())
    await live.until(lambda: live.seqs())
    await behind.until(lambda: behind.seqs()[-1:] == [6])

    assert live.of_type("reset") == [{"t": "reset", "room": ROOM, "epoch": 1, "head": 5}]
    assert live.seqs() == [6]
    assert behind.of_type("reset") == live.of_type("reset")


async def test_hints_of_a_lost_log_are_not_handed_on(world: World) -> None:
    stale = world.rooms.posts(5)
    world.rooms.events[ROOM].clear()
    world.rooms.epoch = 2
    _, wire = world.enter()

    world.hint(*stale)

    assert wire.frames == []


async def test_stored_watermarks_are_sent_ten_times_a_second_at_most(
    timed: World, timers: FakeTimers
) -> None:
    timed.rooms.events[6] = []
    _, wire = timed.enter(rooms=[ROOM, 6])

    timed.hub.on_message({"type": "stored", "rooms": {str(ROOM): 1, "6": 4, "77": 9}})
    timed.hub.on_message({"type": "stored", "rooms": {str(ROOM): 2}})
    timed.hub.on_message({"type": "stored", "rooms": {str(ROOM): 1}})
    assert wire.frames == []
    timers.advance(EVERY_SECONDS)

    assert wire.frames == [{"t": "stored", "rooms": {str(ROOM): 2, "6": 4}}]


# Limits and the end


async def test_one_person_has_so_many_connections_and_a_process_too() -> None:
    world = World(max_sockets=3, max_sockets_per_user=2)
    admit: list[Any] = []
    for user_id in (1, 1, 1, 2, 2):
        try:
            admit.append(world.connect(user_id))
        except AssertionError:
            admit.append(None)

    assert [one is not None for one in admit] == [True, True, False, True, False]
    await world.hub.close_down()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "events", "room": ROOM},
        {"type": "events", "room": ROOM, "epoch": 1, "first": 3, "last": 2, "special": 0},
        {"type": "stored", "rooms": 5},
        {"type": "revoke"},
        {},
    ],
)
async def test_hint_that_makes_no_sense_changes_nothing(
    timed: World, message: dict[str, Any]
) -> None:
    _, wire = timed.enter()

    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        timed.hub.on_message(message)
    timed.hint(timed.rooms.post())

    assert wire.seqs() == [1]


async def test_draining_hub_says_bye_waits_for_answers_and_closes(world: World) -> None:
    _, wire = world.enter()
    order: list[str] = []
    release = asyncio.Event()

    async def append() -> None:
        await release.wait()
        order.append("answered" if wire.code is None else "too late")

    world.hub.in_flight.add(asyncio.create_task(append()))
    drained = asyncio.create_task(world.hub.drain(timeout_seconds=5))
    await wire.until(lambda: wire.of_type("bye"))
    release.set()
    await drained

    assert order == ["answered"]
    assert wire.code == 1012
    assert 0 < wire.of_type("bye")[0]["reconnect_after_ms"] < 10_000


async def test_presence_is_renewed_although_a_room_empties_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "ROOMS_PER_CALL", 1)
    world.rooms.events[9] = []
    world.enter(user_id=1, rooms=[ROOM])
    gone, _ = world.enter(user_id=2, rooms=[9])
    renewed: list[list[int]] = []

    async def renew(feeds: dict[int, Any]) -> None:
        renewed.append(list(feeds))
        world.hub.dismiss(gone)

    monkeypatch.setattr(world.hub.presence, "_renew", renew)

    await world.hub.presence.refresh()

    assert renewed == [[ROOM]]


# Reading on several devices


def moved(*markers: list[int]) -> dict[str, Any]:
    return {"type": "read", "from": "elsewhere", "markers": list(markers)}


async def test_marker_that_moved_is_told_to_all_connections_of_its_person(world: World) -> None:
    _, first = world.enter()
    _, second = world.enter()
    _, other = world.enter(2)

    world.hub.on_message(moved([1, ROOM, 4, 3], [1, 77, 4, 3], [9, ROOM, 2, 1]))

    told = [{"t": "read", "room": ROOM, "seq": 4, "n": 3}]
    assert first.of_type("read") == second.of_type("read") == told
    assert other.of_type("read") == []


async def test_marker_that_moves_before_the_welcome_is_told_after_it(world: World) -> None:
    socket, wire = world.connect()
    info = world.rooms.info()  # what the welcome will say was looked up by now

    world.hub.on_message(moved([1, ROOM, 4, 3]))
    world.hub.on_message(moved([1, ROOM, 3, 2], [1, 77, 5, 5]))
    before = wire.of_type("read")
    world.hub.enter(socket, [info], {})

    assert before == []
    assert wire.of_type("read") == [{"t": "read", "room": ROOM, "seq": 4, "n": 3}]


async def test_marker_that_moves_while_a_room_is_looked_up_is_told_after_it(world: World) -> None:
    _, wire = world.enter(rooms=[])
    world.rooms.members.add((1, ROOM))
    look_up = world.rooms.room_for

    async def slowly(user_id: int, room: int) -> Any:
        found = await look_up(user_id, room)
        world.hub.on_message(moved([1, ROOM, 4, 3]))
        return found

    world.rooms.room_for = slowly  # type: ignore[method-assign]
    await world.hub.welcome_to(1, ROOM)

    assert [frame["t"] for frame in wire.frames if frame["t"] in {"room", "read"}] == [
        "room",
        "read",
    ]
