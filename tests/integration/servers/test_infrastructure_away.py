"""While PostgreSQL is down the drain waits, and dead-letters nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import redis

from chat import dead_letters
from localstack.ports import free_port
from localstack.postgres import Postgres
from localstack.process import start, stop, wait_until_ready
from tests.support.servers import READY_SECONDS

EVENTS = 30

# A process of its own, because its database is: it drains while PostgreSQL is stopped and again
# when it is back, and says what happened.
DRAIN_WITHOUT_POSTGRES = """
import asyncio, json, os, signal, sys
import django; django.setup()
from django.core.management import call_command
from django.db import connections
from chat import room_log
from chat.errors import RetryableError
from chat.models import Message
from chat.persistence import drain, projections
from tests.support import rooms

connections.settings["default"]["OPTIONS"].pop("pool")  # as a worker does

async def talk():
    ann = await rooms.new_person("ann")
    room = await rooms.new_room(ann)
    for number in range(int(sys.argv[2])):
        await rooms.post(room, ann, f"message {number}")
    await room_log.close()
    return room

call_command("migrate", verbosity=0)
room = asyncio.run(talk())
shard = room.pk % int(os.environ["SHARDS"])
store, said = projections.store, {"errors": []}

def store_without_postgres(*arguments):
    # In the middle of the transaction, as a failing machine would.
    os.kill(int(sys.argv[1]), signal.SIGKILL)
    projections.store = store
    store(*arguments)

projections.store = store_without_postgres
for _ in range(3):
    try:
        drain.drain(shard)
    except RetryableError as error:
        said["errors"].append(str(error))
    connections.close_all()
print(json.dumps(said), flush=True)
sys.stdin.readline()  # PostgreSQL is back
said["stored"] = drain.drain(shard).stored
said["messages"] = Message.objects.filter(room=room).count()
print(json.dumps(said), flush=True)
"""


@pytest.fixture
def own_postgres(tmp_path: Path) -> Postgres:
    server = Postgres(tmp_path, free_port(), owner_password="secret", password="secret-too")
    server.prepare()
    return server


def test_postgres_killed_in_a_drain_leaves_no_dead_letter_and_loses_nothing(
    own_postgres: Postgres, log_redis: redis.Redis
) -> None:
    process = start(own_postgres.program)
    wait_until_ready(own_postgres.program, process, own_postgres.check, READY_SECONDS)
    drainer = subprocess.Popen(
        [sys.executable, "-c", DRAIN_WITHOUT_POSTGRES, str(process.pid), str(EVENTS)],
        env={**os.environ, "DATABASE_URL": own_postgres.owner_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert drainer.stdin is not None
    assert drainer.stdout is not None
    try:
        away = json.loads(_last_json(drainer.stdout))
        process.wait(timeout=30)
        letters_while_away = dead_letters.counts().total
        own_postgres.prepare()
        process = start(own_postgres.program)
        wait_until_ready(own_postgres.program, process, own_postgres.check, READY_SECONDS)
        drainer.stdin.write("\n")
        drainer.stdin.flush()
        back = json.loads(_last_json(drainer.stdout))
    finally:
        drainer.kill()
        drainer.wait()
        stop(own_postgres.program, process)

    assert away["errors"] == ["The database does not answer."] * 3
    assert letters_while_away == 0
    assert (back["stored"], back["messages"]) == (EVENTS + 2, EVENTS)
    assert dead_letters.counts().total == 0


def _last_json(lines: Iterable[str]) -> str:
    """The next line of JSON from the drainer; its logs go to the same stream."""
    return next(line for line in lines if line.startswith("{"))
