"""Which queue a task waits in: what people wait for has one of its own.

A drain gives a message its second tick and hands it to everything behind. In one queue it would
wait for exports (up to 20 s while Kafka is away) and for the check of recent rooms (up to 55 s).
`chatsite.worker.queue_order` keeps a process of each worker free for this queue.

| Queue (Redis list, database of Celery) | Tasks |
|---|---|
| `drains` | short, and somebody waits for them |
| `celery` | everything else; its name is Celery's own default |
"""

from __future__ import annotations

from typing import Final

DRAINS: Final = "drains"
DEFAULT: Final = "celery"
QUEUES: Final = (DRAINS, DEFAULT)

IN_DRAINS: Final = frozenset(
    {
        "chat.tasks.persist_shard",
        "chat.tasks.sweep_shards",
        # Until it has run, somebody who was muted everywhere can still write.
        "chat.tasks.agree_on_restrictions",
    }
)


def queue_of(task: str) -> str:
    return DRAINS if task in IN_DRAINS else DEFAULT
