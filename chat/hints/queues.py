"""Which queue a task waits in: tasks that people wait for have their own.

A drain gives a message its second tick and passes it on to all later stages. In a shared queue it
would wait for exports (up to 20 s while Kafka is down) and for the check of recent rooms (up to
55 s). `chatsite.worker.queue_order` keeps one process of each worker free for `drains`.

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
        # Until this has run, a person who was muted everywhere may still be able to write.
        "chat.tasks.agree_on_restrictions",
    }
)


def queue_of(task: str) -> str:
    return DRAINS if task in IN_DRAINS else DEFAULT
