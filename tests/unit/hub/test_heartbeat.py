"""A heartbeat reads what has changed, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.errors import Unavailable
from chat.hub import heartbeat
from chat.protocol import Heads
from tests.unit.hub.hub_world import ROOM, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.hub.close_down()


async def beat(world: World) -> None:
    await heartbeat.look_at_rooms(world.hub)
    await heartbeat.send_heads(world.hub)


async def test_people_are_looked_up_once_and_then_only_where_somebody_came_or_went(
    world: World,
) -> None:
    world.rooms.events[9] = []
    world.enter(user_id=1, rooms=[ROOM, 9])
    await beat(world)
    world.rooms.looked_for.clear()

    await beat(world)
    world.rooms.post()
    await beat(world)

    assert world.rooms.looked_for == []


async def test_who_was_taken_out_is_out_after_the_next_heartbeat(world: World) -> None:
    socket, _ = world.enter(user_id=1)
    other, _ = world.enter(user_id=2)
    await beat(world)
    world.rooms.out.add((1, ROOM))
    world.rooms.acl = "2"

    await beat(world)
    await until_spawned_tasks_are_done(world)

    assert not socket.rooms
    assert other.rooms.keys() == {ROOM}


async def test_who_was_taken_out_while_they_connected_is_found_without_a_change(
    world: World,
) -> None:
    world.enter(user_id=1)
    await beat(world)
    late, _ = world.enter(user_id=2)  # its list was read before the change that the hub has seen
    world.rooms.out.add((2, ROOM))
    world.rooms.looked_for.clear()

    await beat(world)
    await until_spawned_tasks_are_done(world)

    assert world.rooms.looked_for[0] == {ROOM: {2}}
    assert late.rooms == {}


async def test_people_are_looked_up_again_while_nobody_can_say(world: World) -> None:
    socket, _ = world.enter(user_id=1)
    await beat(world)
    world.rooms.out.add((1, ROOM))
    world.rooms.acl = "2"
    world.rooms.away = True
    with pytest.raises(Unavailable):
        await beat(world)
    world.rooms.away = False

    await beat(world)
    await until_spawned_tasks_are_done(world)

    assert socket.rooms == {}


async def test_who_could_not_be_put_out_is_looked_up_again(world: World) -> None:
    socket, _ = world.enter(user_id=1)
    world.enter(user_id=2)
    await beat(world)
    world.rooms.out.add((1, ROOM))
    world.rooms.acl = "2"
    await heartbeat.look_at_rooms(world.hub)
    world.rooms.away = True  # before they are put out
    await until_spawned_tasks_are_done(world)
    assert socket.rooms.keys() == {ROOM}
    world.rooms.away = False

    await beat(world)
    await until_spawned_tasks_are_done(world)
    world.rooms.looked_for.clear()
    await beat(world)

    assert socket.rooms == {}
    assert world.rooms.looked_for == []


async def test_log_that_names_no_state_of_its_acl_is_asked_every_time(world: World) -> None:
    world.rooms.acl = ""  # loaded by an older version
    socket, _ = world.enter(user_id=1)
    await beat(world)
    world.rooms.out.add((1, ROOM))

    await beat(world)
    await until_spawned_tasks_are_done(world)

    assert socket.rooms == {}


async def test_people_of_a_room_that_leaves_the_log_are_looked_up_once(world: World) -> None:
    world.enter(user_id=1)
    await beat(world)
    world.rooms.unloaded.add(ROOM)
    world.rooms.looked_for.clear()

    await beat(world)
    await beat(world)

    assert world.rooms.looked_for == [{ROOM: {1}}]


async def test_people_are_looked_up_when_the_log_began_anew(world: World) -> None:
    socket, _ = world.enter(user_id=1)
    await beat(world)
    world.rooms.unloaded.add(ROOM)
    await beat(world)
    world.rooms.epoch = 2
    world.rooms.acl = "token"
    world.rooms.out.add((1, ROOM))

    await beat(world)
    await until_spawned_tasks_are_done(world)
    await beat(world)
    await until_spawned_tasks_are_done(world)

    assert socket.rooms == {}


async def test_heads_tell_what_moved_at_once_and_the_other_rooms_in_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEADS_IN_TURN", 2)
    rooms = list(range(10, 15))
    for room in rooms:
        world.rooms.events[room] = []
    _, wire = world.enter(rooms=rooms)
    world.hint(world.rooms.post(room=14))

    for _ in range(4):
        await heartbeat.send_heads(world.hub)

    told = [sorted(map(int, frame["rooms"])) for frame in wire.of_type("heads")]
    assert told == [[10, 11, 14], [12, 13], [14], [10, 11]]
    assert wire.of_type("heads")[0]["rooms"]["14"] == [1, 1]


async def test_heads_of_many_rooms_come_in_several_frames(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "MAX_HEADS", 3)
    rooms = list(range(10, 18))
    for room in rooms:
        world.rooms.events[room] = []
    _, wire = world.enter(rooms=rooms)

    await heartbeat.send_heads(world.hub)

    assert [len(frame["rooms"]) for frame in wire.of_type("heads")] == [3, 3, 2]


async def test_somebody_without_rooms_gets_heads_as_a_sign_of_life(world: World) -> None:
    _, wire = world.enter(rooms=[])

    await heartbeat.send_heads(world.hub)

    assert wire.of_type("heads") == [{"t": "heads", "rooms": Heads(rooms={}).rooms}]


async def until_spawned_tasks_are_done(world: World) -> None:
    while tasks := [task for task in world.hub._tasks if not task.done()]:
        for task in tasks:
            await task
