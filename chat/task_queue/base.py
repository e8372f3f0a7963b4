"""What every Celery task of Veche is built on: `WakeUp`, the default, and `LastingTask`.

A task takes ids, never anybody's words, and calls one function that is safe to run twice. What
it cannot do is never lost and never goes round for ever:

| failure | `WakeUp` | `LastingTask` |
|---|---|---|
| infrastructure is away | left to the sweep | sent again later, as often as it takes |
| `PermanentError` | one dead letter | dead letter |
| any other error | one dead letter | sent again later; dead letter after `max_attempts` |
| the worker is killed | left to the sweep | run again at once; dead letter after `max_attempts` |

A wake-up's failures are one dead letter, because the sweep repeats them every few seconds. A task
that a dead letter has sent runs once and reports to the letter.
"""

from __future__ import annotations

import logging
import re
from typing import Any, ClassVar

import msgspec
from celery import Task
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from redis.exceptions import RedisError

from chat import dead_letters, task_runs
from chat.dead_letters import DeadLetterOrigin, Reason
from chat.errors import PermanentError
from chat.hints import queue_limit, queues
from chat.metrics import catalogue as metrics
from chat.resilience.backoff import delay_seconds
from chat.servers.failures import is_infrastructure_error
from chat.task_queue import expiry
from chat.task_queue.letter_retry import RetryToken, retry_token_of
from chat.task_runs import Call

logger = logging.getLogger(__name__)

# Ids, keys, slugs, e-mail addresses and times; a message has spaces sooner or later.
ARGUMENT = re.compile(r"[\w.:@/+~=-]{0,200}")
WAITS_HEADER = "veche_waits"
# The broker's own default.
VISIBILITY_SECONDS = 3600


class WorkerLost(Exception):
    """The task ended the process that ran it."""


class WakeUp(Task):  # type: ignore[type-arg]
    """A task that only says "look". Lost or failed, it is asked for again by the sweep."""

    abstract = True
    ignore_result = True
    may_be_dropped: ClassVar[bool] = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.called_directly or self.request.is_eager:
            return self.run(*args, **kwargs)
        self._check_time()
        ticket = retry_token_of(self.request.headers)
        try:
            result = self.run(*args, **kwargs)
        except (Ignore, Reject, Retry):
            raise
        except Exception as error:
            # Celery would log the error's text and the arguments; it may quote what was refused.
            self._failed(error, ticket, args, kwargs)
            raise Ignore from None
        self._succeeded(ticket)
        return result

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        """As Celery's, for arguments that are ids; None when the queue is too long for wake-ups.

        Raises: TypeError for other arguments; ValueError for a countdown that the broker would
        not wait for.
        """
        check_arguments(args, kwargs)
        self._check_countdown(options)
        queue = options.get("queue") or queues.queue_of(self.name)
        if self.may_be_dropped and queue_limit.is_full(queue):
            return None
        return super().apply_async(args, kwargs, *more, **options)

    def _check_time(self) -> None:
        """Raises: Ignore when the task has waited for longer than it was to."""
        if expiry.is_over(self.request):
            logger.debug("task %s waited too long and is dropped", self.name)
            raise Ignore

    def _failed(
        self, error: Exception, ticket: RetryToken | None, args: Any, kwargs: dict[str, Any]
    ) -> None:
        if ticket is not None:
            self._report(ticket, error)
        elif is_infrastructure_error(error) or isinstance(error, SoftTimeLimitExceeded):
            self._log(error, "left_to_sweep")
        else:
            call = Call(task=self.name, args=list(args), kwargs=kwargs)
            origin = DeadLetterOrigin(call=msgspec.json.encode(call).decode())
            try:
                self._dead_letter(error, Reason.TASK_FAILED, origin, call)
            except RedisError:
                self._log(error, "left_to_sweep")

    def _succeeded(self, ticket: RetryToken | None) -> None:
        if ticket is None:
            return
        try:
            ticket.report_done()
        except RedisError as error:
            # The letter is due again when its claim ends, and the task is safe to run twice.
            self._log(error, "unreported")

    def _report(self, ticket: RetryToken, error: BaseException) -> None:
        try:
            ticket.report_failed(error)
        except RedisError:
            self._log(error, "unreported")
        else:
            self._log(error, "reported")

    def _dead_letter(
        self, error: BaseException, reason: Reason, origin: DeadLetterOrigin, call: Call
    ) -> None:
        letter = dead_letters.add(
            source=f"task:{self.name}",
            reason=reason,
            error=error,
            origin=origin,
            payload=msgspec.json.encode(call),
        )
        self._log(error, "dead_letter", letter)

    def _log(self, error: BaseException, outcome: str, letter: str = "") -> None:
        metrics.TASK_FAILURES.labels(task=self.name, outcome=outcome).inc()
        severity = logging.ERROR if letter else logging.WARNING
        # Only the kind of error and where it was raised: its text may quote what was refused.
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
            raise ValueError(f"A countdown may be {limit:.0f} s; put off longer, it is data.")


class LastingTask(WakeUp):
    """A task that nobody would ask for again: it is run until it succeeds or is a dead letter."""

    abstract = True
    may_be_dropped = False
    acks_late = True
    # A lost worker and the hard time limit put the message back; the runs are counted, so a task
    # that does this each time ends all the same.
    reject_on_worker_lost = True
    acks_on_timeout = False

    max_attempts: ClassVar[int] = 5
    first_retry_seconds: ClassVar[float] = 5.0
    longest_retry_seconds: ClassVar[float] = 600.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.called_directly or self.request.is_eager:
            return self.run(*args, **kwargs)
        self._check_time()
        try:
            starts = task_runs.begin(self._id)
        except RedisError as error:
            # Uncounted, it could go round for ever; its message is on the same server.
            raise Reject(type(error).__name__, requeue=True) from None
        ticket = retry_token_of(self.request.headers)
        if starts > (1 if ticket else self.max_attempts):
            self._give_up(WorkerLost(), Reason.WORKER_LOST, ticket, args, kwargs)
            raise Ignore
        try:
            result = self.run(*args, **kwargs)
        except (Ignore, Reject, Retry):
            raise
        except Exception as error:
            self._end_run(error, starts, ticket, args, kwargs)
            raise Ignore from None
        self._succeeded(ticket)
        self._forget()
        return result

    def _end_run(
        self,
        error: Exception,
        starts: int,
        ticket: RetryToken | None,
        args: Any,
        kwargs: dict[str, Any],
    ) -> None:
        if ticket is not None:
            self._give_up(error, Reason.TASK_FAILED, ticket, args, kwargs)
        elif is_infrastructure_error(error):
            self._put_off(error, self._waits + 1, args, kwargs)
        elif isinstance(error, PermanentError) or starts >= self.max_attempts:
            self._give_up(error, Reason.TASK_FAILED, ticket, args, kwargs)
        else:
            self._put_off(error, starts, args, kwargs, counts=True)

    def _give_up(
        self,
        error: BaseException,
        reason: Reason,
        ticket: RetryToken | None,
        args: Any,
        kwargs: dict[str, Any],
    ) -> None:
        if ticket is not None:
            self._report(ticket, error)
        else:
            call = Call(task=self.name, args=list(args), kwargs=kwargs)
            try:
                self._dead_letter(error, reason, DeadLetterOrigin(task_id=self.request.id), call)
            except RedisError:
                self._put_off(error, self._waits + 1, args, kwargs, counts=True)
                return
        self._forget()

    def _put_off(
        self,
        error: BaseException,
        failures: int,
        args: Any,
        kwargs: dict[str, Any],
        *,
        counts: bool = False,
    ) -> None:
        call = Call(
            task=self.name,
            args=list(args),
            kwargs=kwargs,
            id=self.request.id,
            headers={WAITS_HEADER: self._waits + (not counts)},
        )
        delay = delay_seconds(
            failures, first=self.first_retry_seconds, longest=self.longest_retry_seconds
        )
        try:
            if not counts:
                task_runs.take_back(self._id)
            task_runs.send_later(call, delay)
        except RedisError as away:
            # The message goes back to where it came from, which is the same server.
            raise Reject(type(away).__name__, requeue=True) from None
        self._log(error, "later")

    def _forget(self) -> None:
        try:
            task_runs.end(self._id)
        except RedisError as error:
            logger.warning("a task's count stays until it expires: %s", type(error).__name__)

    @property
    def _id(self) -> str:
        assert self.request.id is not None  # a worker runs nothing without one
        return self.request.id

    @property
    def _waits(self) -> int:
        """How often infrastructure was away when this task was run."""
        headers = self.request.headers
        return int(headers.get(WAITS_HEADER, 0)) if isinstance(headers, dict) else 0


def check_arguments(args: Any, kwargs: Any) -> None:
    """Refuses arguments that could be somebody's words: brokers, logs and dead letters show them.

    Raises: TypeError.
    """
    for value in [*(args or ()), *(kwargs or {}).values()]:
        if value is None or isinstance(value, bool | int | float):
            continue
        if not isinstance(value, str) or ARGUMENT.fullmatch(value) is None:
            raise TypeError("A task takes numbers and short names; pass the id of what it needs.")


def _raised_in(error: BaseException) -> str:
    """Module and line of the innermost frame."""
    trace = error.__traceback__
    if trace is None:
        return "no frame"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
