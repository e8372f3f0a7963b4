"""Keeps a message that is not a task from stopping every worker.

Celery looks at a message's headers before anything else, and an unexpected value there ends the
worker. On its way out the worker gives the message back, so the next worker ends too, for as long
as the message exists. Here such a message is discarded, as Celery does with unknown tasks.
Nothing is lost: tasks carry no data, and what matters is asked for again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker import consumer
from vine import promise

from chatsite.worker import queue_order

logger = logging.getLogger(__name__)


class Consumer(consumer.Consumer):
    """Celery's setting `worker_consumer`."""

    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]

    def create_task_handler(self, promise: Any = promise) -> Callable[[Any], None]:
        queue_order.Limit.processes = self.pool.num_processes
        handle = super().create_task_handler(promise)

        def handle_or_discard(message: Any) -> None:
            try:
                handle(message)
            except self.connection_errors + self.channel_errors:
                raise  # the broker went down: Celery reconnects
            except Exception as error:
                # Only the kind: the text may quote the message.
                logger.error("a message is not a task and is discarded: %s", type(error).__name__)
                if not message.acknowledged:
                    message.reject_log_error(logger, self.connection_errors)

        return handle_or_discard
