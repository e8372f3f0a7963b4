"""`manage.py shards`: what an operator sees of the shards, and what sets them going again."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import msgspec
import pytest
from django.core.management import CommandError, call_command

from chat.event_bus.redis_stream import RedisStreamEventBus
from chat.export.exporter import Exporter
from chat.models import ShardCursor
from tests.integration.export.test_export import SHARDS, exported, stored_room

pytestmark = pytest.mark.django_db(transaction=True)


def output(*arguments: str) -> str:
    stdout = StringIO()
    call_command("shards", *arguments, stdout=stdout, stderr=StringIO())
    return stdout.getvalue()


def test_status_says_how_much_waits_for_each_step() -> None:
    room = stored_room(12)

    lines = [msgspec.json.decode(line) for line in output("status", "--json").splitlines()]
    table = output("status")

    assert len(lines) == 2 * SHARDS
    waiting = {(line["shard"], line["kind"]): line["waiting"] for line in lines}
    assert waiting[room.pk % SHARDS, "export"] == 12
    assert sum(count for count in waiting.values()) == 12
    assert "12" in table


def test_status_of_a_stopped_shard_fails_and_resume_mends_it() -> None:
    for kind in ("persist", "export"):
        ShardCursor.objects.create(
            shard=2, kind=kind, position="0", stopped_at=datetime.now(UTC), stopped_reason="poison"
        )

    with pytest.raises(CommandError, match="persist of shard 2, export of shard 2"):
        output("status")
    output("resume", "persist")
    with pytest.raises(CommandError, match="stopped: export of shard 2"):
        output("status", "--json")
    output("resume", "export", "--shard", "2")

    assert "poison" not in output("status")


def test_rewound_shards_are_published_again() -> None:
    room = stored_room(5)
    bus = RedisStreamEventBus(max_bytes=2**20)
    Exporter(bus).export(room.pk % SHARDS)

    output("rewind", "--shard", str(room.pk % SHARDS))
    again = Exporter(bus).export(room.pk % SHARDS)

    assert again.published == 5
    assert exported(room) == 5


def test_shard_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandError, match="0 to 3"):
        output("rewind", "--shard", "4")
