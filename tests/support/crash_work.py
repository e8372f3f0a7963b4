"""A day in the life of Veche as a list of steps that any process can do, leave and resume.

`python -m tests.support.crash_work` carries out plans in separate processes, each of which dies at
a crash point. The journal says which steps are done and which places were acknowledged. Another
process goes on from there with the same keys, as clients do.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

PEOPLE = 2
ROOMS = 5  # in four shards, so two share one
ROUNDS = 3
# Longer than a retry takes, shorter than the tests wait for a claim whose holder is dead.
CLAIM_MS = 1_000
# The test's event bus refuses longer bodies.
RECORD_BYTES = 900
WAIT_SECONDS = 20.0


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a person sends under `key`; `target` is the key of what it is about."""

    room: int
    actor: int
    key: str
    type: str
    data: dict[str, Any]
    target: str | None = None


class Step(msgspec.Struct, frozen=True):
    """`do` names a method of `Worker`; `said` is what people send concurrently."""

    do: str
    said: list[Said] = []


class Plan(msgspec.Struct, frozen=True):
    steps: list[Step]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the journal: a step that is done, or a place that was acknowledged."""

    done: int | None = None
    key: str | None = None
    seq: int | None = None


class Journal:
    """Survives its process: every line is handed to the operating system before work goes on."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        lines = path.read_bytes().splitlines()
        self._lines = [msgspec.json.decode(line, type=Line) for line in lines]
        self.done = sum(line.done is not None for line in self._lines)
        self.acknowledged = {line.key: line.seq for line in self._lines if line.key and line.seq}

    def step_done(self, number: int) -> None:
        self._write(Line(done=number))

    def acknowledge(self, key: str, seq: int) -> None:
        earlier = self.acknowledged.setdefault(key, seq)
        assert earlier == seq, "a repeat got another place"
        self._write(Line(key=key, seq=seq))

    def _write(self, line: Line) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")


def plan(rooms: list[int], people: list[int], new_key: Callable[[], str]) -> Plan:
    """Steps that pass every crash point at least three times."""
    return Plan(list(_steps(rooms, people, new_key)))


def _steps(rooms: list[int], people: list[int], new_key: Callable[[], str]) -> Iterator[Step]:
    ann, bob = people

    def said(
        room: int, actor: int, event_type: str, target: str | None = None, /, **data: Any
    ) -> Said:
        return Said(
            room=room, actor=actor, key=new_key(), type=event_type, data=data, target=target
        )

    def post(room: int, actor: int, body: str) -> Said:
        return said(room, actor, "message.posted", body=body)

    for room in rooms:
        name = f"room {room}"
        created = said(room, ann, "room.created", slug=name, name=name, kind="private")
        yield Step("say", [created])
        yield Step("say", [said(room, ann, "member.joined", user=ann, role="owner")])
        yield Step("say", [said(room, ann, "member.joined", user=bob)])
    for number in range(ROUNDS):
        posts = [post(room, who, f"hello {number}") for room in rooms for who in people]
        yield Step("say", posts)
        first = posts[0]
        yield Step("say", [said(first.room, ann, "message.edited", first.key, body="edited")])
        yield Step("say", [said(first.room, bob, "reaction.added", first.key, emoji="👍")])
        replies = [
            said(first.room, bob, "reply.posted", first.key, body=f"reply {which}")
            for which in range(2)
        ]
        yield Step("say", replies)
        yield Step("moderate", [said(first.room, ann, "message.deleted", replies[0].key)])
        of_bob = posts[people.index(bob)]
        yield Step("moderate", [said(of_bob.room, ann, "message.deleted", of_bob.key)])
        yield Step("carry_on")
        # PostgreSQL refuses one message, the event bus another, and an invalid entry comes in.
        yield Step("refuse")
        refused = post(rooms[number], bob, "refused")
        yield Step("say", [refused, post(rooms[-1], ann, "x" * 2 * RECORD_BYTES)])
        yield Step("say", [said(refused.room, bob, "message.edited", refused.key, body="put back")])
        yield Step("bring_in_junk")
        yield Step("carry_on")
        yield Step("accept")
        yield Step("retry")
        yield Step("discard")
        yield Step("carry_on")
        yield Step("unload")
        if number == 1:
            yield Step("lose_a_shard")


class Worker:
    """Carries out the steps of a plan in this process, from where the journal ends."""

    def __init__(self, plan: Plan, journal: Path) -> None:
        self._plan = plan
        self.journal = Journal(journal)

    def work(self) -> None:
        with asyncio.Runner() as runner:
            for number, step in enumerate(self._plan.steps):
                if number >= self.journal.done:
                    if step.do == "say":
                        runner.run(self._say(step.said))
                    elif step.do == "moderate":
                        runner.run(self._moderate(step.said))
                    else:
                        getattr(self, step.do)()
                    self.journal.step_done(number)
            runner.run(self._leave())

    async def _leave(self) -> None:
        from chat import room_log
        from chat.hints import to_hubs

        await to_hubs.publisher().flush()
        await room_log.close()

    async def _say(self, said: list[Said]) -> None:
        await asyncio.gather(*(self.send(one) for one in said))

    async def _moderate(self, said: list[Said]) -> None:
        """The owner deletes other people's messages, on record."""
        from chat.actions import moderation
        from chat.actions.recorded_act import Options
        from chat.audit.entries import Actor, Channel

        for one in said:
            assert one.target is not None
            outcome = await moderation.delete_message(
                Actor(user_id=one.actor, channel=Channel.API),
                one.room,
                self.journal.acknowledged[one.target],
                Options(reason="Spam", key=one.key),
            )
            assert outcome.seq is not None
            self.journal.acknowledge(one.key, outcome.seq)

    async def send(self, said: Said) -> bool:
        """Send an event; True when it had been accepted before."""
        from chat import events, room_log
        from chat.room_log import NewEvent

        kind = events.EventType(said.type)
        name = "root" if kind is events.EventType.REPLY_POSTED else "target"
        about = {} if said.target is None else {name: self.journal.acknowledged[said.target]}
        appended = await room_log.append(
            NewEvent(
                room=said.room,
                type=kind,
                data=msgspec.convert({**said.data, **about}, events.DATA_TYPES[kind]),
                actor=said.actor,
                key=said.key,
            )
        )
        self.journal.acknowledge(said.key, appended.event.seq)
        return appended.repeat

    def carry_on(self) -> None:
        """Store and export everything."""
        from chat.export import exporter
        from chat.persistence import drain

        export = exporter.of_process().export
        for shard in shards():
            until_not_busy(lambda shard=shard: drain.drain(shard).busy)  # type: ignore[misc]
            until_not_busy(lambda shard=shard: export(shard).busy)  # type: ignore[misc]

    def refuse(self) -> None:
        execute("ALTER TABLE chat_message DROP CONSTRAINT IF EXISTS refuse")
        execute(
            "ALTER TABLE chat_message ADD CONSTRAINT refuse CHECK (body <> 'refused') NOT VALID"
        )

    def accept(self) -> None:
        execute("ALTER TABLE chat_message DROP CONSTRAINT IF EXISTS refuse")

    def bring_in_junk(self) -> None:
        from chat.room_log import keys
        from chat.servers.redis_log import blocking_client

        blocking_client().xadd(keys.ingest(0), {b"junk": b"1"})

    def retry(self) -> None:
        """Retry every dead letter, including those whose holder has died."""
        from chat import dead_letters
        from chat.dead_letters import Outcome

        until_not_busy(
            lambda: any(
                result.outcome == Outcome.BUSY for result in dead_letters.retry(list(letters()))
            )
        )

    def discard(self) -> None:
        """Discard the dead letters that no retry can help."""
        from chat import dead_letters
        from chat.dead_letters import Outcome, Reason

        hopeless = list(letters(Reason.UNREADABLE))
        until_not_busy(
            lambda: any(
                result.outcome == Outcome.BUSY
                for result in dead_letters.discard(hopeless, why="junk", by="ann")
            )
        )

    def unload(self) -> None:
        from chat.room_log.unloading import unload_idle

        for shard in shards():
            unload_idle(shard, idle_ms=-1_000)

    def lose_a_shard(self) -> None:
        """Make the log lose a shard of which everything was stored."""
        from chat.servers.redis_log import blocking_client

        for name in blocking_client().scan_iter("veche:{0}:*", count=1_000):
            blocking_client().delete(name)


def shards() -> range:
    from django.conf import settings

    return range(settings.ENV.shards)


def letters(reason: str | None = None) -> Iterator[str]:
    from chat.dead_letters import STREAM
    from chat.servers import streams
    from chat.servers.redis_log import blocking_client

    for raw_id, fields in streams.entries(blocking_client(), STREAM):
        if reason is None or fields[b"reason"].decode() == reason:
            yield raw_id.decode()


def execute(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def until_not_busy(is_busy: Callable[[], bool]) -> None:
    """Wait: PostgreSQL needs a moment to notice that the process that held something is dead."""
    deadline = time.monotonic() + WAIT_SECONDS
    while is_busy():
        assert time.monotonic() < deadline, "somebody who is dead still holds it"
        time.sleep(0.02)


def load() -> None:
    """Import what the steps would import when they begin."""
    import chat.actions.moderation
    import chat.export.exporter
    import chat.hints.to_hubs
    import chat.persistence.drain
    import chat.room_log.unloading  # noqa: F401


def shorten_waits() -> None:
    from chat.dead_letters import store
    from chat.event_bus import redis_stream

    store.CLAIM_MS = CLAIM_MS
    redis_stream.MAX_RECORD_BYTES = RECORD_BYTES


class Order(msgspec.Struct, frozen=True):
    """A plan, and the crash point at which its process dies; the output goes into `said`."""

    plan: str
    journal: str
    crash_point: str
    said: str


def carry_out(order: Order) -> None:
    from chat.resilience import crash_points

    os.dup2(os.open(order.said, os.O_WRONLY | os.O_CREAT, 0o600), 2)
    crash_points._armed = crash_points._Armed(order.crash_point)
    Worker(
        msgspec.json.decode(Path(order.plan).read_bytes(), type=Plan), Path(order.journal)
    ).work()


def main() -> None:
    """Carry out each order that comes on a line, and answer with the exit code.

    Each order has its own process, forked from this one: it opens its own connections, but need not
    load Django and Veche again.
    """
    import django

    django.setup()
    load()
    shorten_waits()
    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            code = 1
            try:
                carry_out(msgspec.json.decode(line, type=Order))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
