"""`WakeUp`, the base of every Celery task of Veche.

A task takes ids, never anybody's words, and calls one function that is safe to run twice. Its
message may be dropped or lost at any time, because the sweep sends it again. So work that fails is
never lost and never circulates for ever:

| failure | what happens |
|---|---|
| infrastructure is unreachable | left to the sweep |
| the worker is killed | left to the sweep |
| any other error | one dead letter, however often the sweep repeats it |

A task that was sent to retry a dead letter runs once and reports its outcome to the dead letter.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import msgspec
from celery import Task
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from redis.exceptions import RedisError

from chat import dead_letters
from chat.dead_letters import DeadLetterOrigin, Reason
from chat.hints import queue_limit, queues
from chat.metrics import catalogue as metrics
from chat.servers.failures import is_infrastructure_error
from chat.task_queue import expiry
from chat.task_queue.dead_letter_retry import Call, RetryToken, retry_token_of

logger = logging.getLogger(__name__)

# Ids, keys, slugs, e-mail addresses and times. It has no spaces, and most messages do.
ARGUMENT = re.compile(r"[\w.:@/+~=-]{0,200}")
# The broker's own default.
VISIBILITY_SECONDS = 3600


class WakeUp(Task):  # type: ignore[type-arg]
    """A task that only says "look". If it is lost or fails, the sweep asks for it again."""

    abstract = True
    ignore_result = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.called_directly or self.request.is_eager:
            return self.run(*args, **kwargs)
        self._check_time()
        retry_token = retry_token_of(self.request.headers)
        try:
            result = self.run(*args, **kwargs)
        except (Ignore, Reject, Retry):
            raise
        except Exception as error:
            # Celery would log the arguments and the error's text, which may quote what was refused.
            self._failed(error, retry_token, args, kwargs)
            raise Ignore from None
        self._succeeded(retry_token)
        return result

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        """Like Celery's, for arguments that are ids; None when the queue is full.

        Raises: TypeError for other arguments; ValueError for a countdown that the broker would
        not wait for.
        """
        check_arguments(args, kwargs)
        self._check_countdown(options)
        queue = options.get("queue") or queues.queue_of(self.name)
        if queue_limit.is_full(queue):
            return None
        return super().apply_async(args, kwargs, *more, **options)

    def _check_time(self) -> None:
        """Raises: Ignore when the task has waited longer than it may."""
        if expiry.is_over(self.request):
            logger.debug("task %s waited too long and is dropped", self.name)
            raise Ignore

    def _failed(
        self, error: Exception, retry_token: RetryToken | None, args: Any, kwargs: dict[str, Any]
    ) -> None:
        if retry_token is not None:
            self._report(retry_token, error)
        elif is_infrastructure_error(error) or isinstance(error, SoftTimeLimitExceeded):
            self._log(error, "left_to_sweep")
        else:
            try:
                self._dead_letter(error, args, kwargs)
            except RedisError:
                self._log(error, "left_to_sweep")

    def _succeeded(self, retry_token: RetryToken | None) -> None:
        if retry_token is None:
            return
        try:
            retry_token.report_done()
        except RedisError as error:
            # The dead letter is due again when its claim ends, and the task is safe to run twice.
            self._log(error, "unreported")

    def _report(self, retry_token: RetryToken, error: Exception) -> None:
        try:
            retry_token.report_failed(error)
        except RedisError:
            self._log(error, "unreported")
        else:
            self._log(error, "reported")

    def _dead_letter(self, error: Exception, args: Any, kwargs: dict[str, Any]) -> None:
        call = msgspec.json.encode(Call(task=self.name, args=list(args), kwargs=kwargs))
        letter = dead_letters.add(
            source=f"task:{self.name}",
            reason=Reason.TASK_FAILED,
            error=error,
            origin=DeadLetterOrigin(call=call.decode()),
            payload=call,
        )
        self._log(error, "dead_letter", letter)

    def _log(self, error: Exception, outcome: str, letter: str = "") -> None:
        metrics.TASK_FAILURES.labels(task=self.name, outcome=outcome).inc()
        severity = logging.ERROR if letter else logging.WARNING
        # Only the error's class and where it was raised: its text may quote what was refused.
        logger.log(
            severity,
            "task %s failed: %s in %s: %s %s",
            self.name,
            type(error).__name__,
            _raised_in(error),
            outcome,
            letter,
        )

    def _check_countdown(self, options: dict[str, Any]) -> None:
        options_of_broker = self.app.conf.broker_transport_options
        limit = options_of_broker.get("visibility_timeout", VISIBILITY_SECONDS) / 2
        countdown = options.get("countdown")
        if options.get("eta") is not None or (countdown is not None and countdown > limit):
            raise ValueError(
                f"A countdown can be at most {limit:.0f} s; store a longer delay as data."
            )


def check_arguments(args: Any, kwargs: Any) -> None:
    """Refuses arguments that could be somebody's words: brokers, logs and dead letters show them.

    Raises: TypeError.
    """
    for value in [*(args or ()), *(kwargs or {}).values()]:
        if value is None or isinstance(value, bool | int | float):
            continue
        if not isinstance(value, str) or ARGUMENT.fullmatch(value) is None:
            raise TypeError("A task takes numbers and short names; pass the id of what it needs.")


def _raised_in(error: Exception) -> str:
    """Module and line of the innermost frame."""
    trace = error.__traceback__
    if trace is None:
        return "no frame"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
