"""The promise under any sequence of posts, repeats, drains, crashes and resumes (I1–I3, I5, I6).

Hypothesis makes the sequences. After every step the log and PostgreSQL together hold each
acknowledged event once, at its place, without a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from chat import room_log
from chat.actions import messages
from chat.errors import ClientError
from chat.events import EventType, MessagePosted, RoomEvent, decode_data
from chat.models import RoomEvent as StoredEvent
from chat.persistence import drain, projections
from chat.protocol import KeyAge, check_key
from chat.queries import history
from chat.room_log import keys
from chat.servers.redis_log import blocking_client
from tests.support.rooms import key_of_age, new_key, new_person, new_room

T = TypeVar("T")

SHARDS = 4
BODIES = strategies.sampled_from(["да", "no", "ещё раз", "a\nb", "{}", "👍"])


class Crash(Exception):
    """A process that ends here: its transaction is rolled back, its memory is gone."""


class Delivery(RuleBasedStateMachine):
    posts = Bundle("posts")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.acknowledged: dict[str, tuple[int, int, str]] = {}  # key → room, seq, body
        self.seen: dict[int, list[RoomEvent]] = {}  # a client's copy of each room

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.do(room_log.close())
        self.runner.close()

    @initialize()
    def two_people_in_two_rooms(self) -> None:
        self.ann = self.do(new_person(f"ann-{new_key()}"))
        self.bob = self.do(new_person(f"bob-{new_key()}"))
        self.rooms = [self.do(new_room(self.ann, self.bob)) for _ in range(2)]
        self.seen = {room.pk: [] for room in self.rooms}

    # --- what people do ---------------------------------------------------------------------

    @rule(target=posts, who=strategies.booleans(), where=strategies.booleans(), body=BODIES)
    def post(self, who: bool, where: bool, body: str) -> tuple[int, int, str, str]:
        author, room = (self.ann if who else self.bob), self.rooms[where]
        key = new_key()
        appended = self.do(messages.post_message(author.pk, room.pk, key, body))
        assert not appended.repeat
        self.acknowledged[key] = (room.pk, appended.event.seq, body)
        return author.pk, room.pk, key, body

    @rule(target=posts, count=strategies.integers(2, 30), where=strategies.booleans())
    def post_many_at_once(self, count: int, where: bool) -> Any:
        room = self.rooms[where]
        sent = [(self.ann.pk, room.pk, new_key(), f"{i}") for i in range(count)]

        async def send_all() -> list[room_log.Appended]:
            return await asyncio.gather(*(messages.post_message(*one) for one in sent))

        answers = self.do(send_all())
        assert [one.event.seq for one in answers] == sorted(one.event.seq for one in answers)
        for (_, room_id, key, body), answer in zip(sent, answers, strict=True):
            self.acknowledged[key] = (room_id, answer.event.seq, body)
        return multiple(*sent)

    @rule(sent=posts)
    def send_the_same_again(self, sent: tuple[int, int, str, str]) -> None:
        again = self.do(messages.post_message(*sent))

        assert again.repeat
        assert (again.event.room, again.event.seq) == self.acknowledged[sent[2]][:2]

    @rule(sent=posts)
    def send_something_else_under_the_same_key(self, sent: tuple[int, int, str, str]) -> None:
        author, room, key, body = sent
        with pytest.raises(ClientError) as refused:
            self.do(messages.post_message(author, room, key, body + "!"))
        assert refused.value.code == "key_conflict"

    @rule(sent=posts)
    def edit(self, sent: tuple[int, int, str, str]) -> None:
        author, room, key, _ = sent
        seq = self.acknowledged[key][1]
        self.do(messages.edit_message(author, room, new_key(), seq, "edited"))

    # --- what the machinery does, and how it fails ----------------------------------------------

    @rule(shard=strategies.integers(0, SHARDS - 1))
    def drain(self, shard: int) -> None:
        drained = drain.drain(shard)
        assert (drained.letters, drained.stopped) == (0, False)

    @rule(shard=strategies.integers(0, SHARDS - 1))
    def drainer_dies_before_its_commit(self, shard: int) -> None:
        def store_and_die(*arguments: Any) -> None:
            store(*arguments)
            raise Crash

        store = projections.store
        with pytest.MonkeyPatch.context() as patch, suppress(Crash):
            patch.setattr(projections, "store", store_and_die)
            drain.drain(shard)

    @rule(shard=strategies.integers(0, SHARDS - 1))
    def drainer_dies_after_its_commit(self, shard: int) -> None:
        def die(*_: Any) -> None:
            raise Crash

        with pytest.MonkeyPatch.context() as patch, suppress(Crash):
            patch.setattr(drain, "_tell_log", die)
            drain.drain(shard)

    @rule()
    def web_process_restarts(self) -> None:
        self.do(room_log.close())

    @rule()
    def idle_rooms_leave_the_log(self) -> None:
        states = self.do(room_log.room_states([room.pk for room in self.rooms]))
        for room, state in states.items():
            if state.head == state.stored:
                shard = room % SHARDS
                blocking_client().delete(
                    keys.room(shard, room), keys.acl(shard, room), keys.log(shard, room)
                )

    @rule(target=posts, where=strategies.booleans(), body=BODIES)
    def post_what_waited_in_an_outbox_for_hours(self, where: bool, body: str) -> Any:
        sent = (self.bob.pk, self.rooms[where].pk, key_of_age(hours=7), body)
        appended = self.do(messages.post_message(*sent))
        self.acknowledged[sent[2]] = (sent[1], appended.event.seq, body)
        return sent

    @rule(sent=posts)
    def log_forgets_a_key_that_is_older_than_it_remembers(
        self, sent: tuple[int, int, str, str]
    ) -> None:
        author, room, key, _ = sent
        made_long_ago = check_key(key, datetime.now(UTC)) is KeyAge.OLD
        if made_long_ago and StoredEvent.objects.filter(key=key).exists():
            blocking_client().delete(f"veche:{{{room % SHARDS}}}:key:{author}:{key}")

    @rule(where=strategies.booleans(), limit=strategies.integers(1, 40))
    def reader_comes_back_and_resumes(self, where: bool, limit: int) -> None:
        room = self.rooms[where].pk
        seen = self.seen[room]
        while found := self.do(history.events_after(room, len(seen), limit)):
            seen += found
        assert len(seen) == self._head(room)

    # --- what always holds ------------------------------------------------------------------

    @invariant()
    def log_and_postgresql_together_have_every_event_once_at_its_place(self) -> None:
        for room in self.seen:
            everything = self._everything(room)
            assert [event.seq for event in everything] == list(range(1, len(everything) + 1))
            posted = [event for event in everything if event.type == EventType.MESSAGE_POSTED]
            assert [event.n for event in posted] == list(range(1, len(posted) + 1))
            # A text that was replaced since is not read any more.
            places = {
                event.key: (
                    room,
                    event.seq,
                    self.acknowledged[str(event.key)][2] if event.redacted else self._body(event),
                )
                for event in posted
            }
            expected = {k: place for k, place in self.acknowledged.items() if place[0] == room}
            assert places == expected

    @invariant()
    def what_a_reader_saw_is_what_stands(self) -> None:
        for room, seen in self.seen.items():
            everything = self._everything(room)[: len(seen)]
            assert [(one.seq, one.key, one.type) for one in seen] == [
                (one.seq, one.key, one.type) for one in everything
            ]

    def _everything(self, room: int) -> list[RoomEvent]:
        found: list[RoomEvent] = []
        while page := self.do(history.events_after(room, len(found), 500)):
            found += page
        return found

    def _head(self, room: int) -> int:
        self.do(room_log.ensure_loaded([room]))
        return self.do(room_log.room_states([room]))[room].head

    @staticmethod
    def _body(event: RoomEvent) -> str:
        data = decode_data(event.type, event.data)
        assert isinstance(data, MessagePosted)
        return data.body


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
def test_every_acknowledged_event_keeps_its_place_whatever_happens() -> None:
    run_state_machine_as_test(
        Delivery,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
