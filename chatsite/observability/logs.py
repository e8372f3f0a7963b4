"""Turns log records into lines: JSON for programs, or one readable line for people.

Each line carries the ids of what it is about: `request_id` and `user_id`
(`chatsite.observability.request_log`), `task_id` (`connect_tasks`), and those that the caller
knows: `shard`, `room`, `seq`, given as `extra={"room": …}` or bound with structlog's context
variables. It never contains what people wrote, a token or a mail address. So only an error's class
and where it was raised are written, because its text may quote what was refused. Texts of Veche's
own errors and of the operating system are safe and stay. With DEBUG, all texts are shown.

django-structlog is not used: it writes addresses with their queries, and texts of errors.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog
from celery.signals import task_postrun, task_prerun
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from chatsite.env import Env

IDS = frozenset(
    {"request_id", "user_id", "task_id", "task", "shard", "room", "seq", "dead_letter"}
    | {"method", "route", "status", "ms"}
)
# Everything that some programs take for a line end, that moves the cursor, or hides nearby text.
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        *(0x061C, 0x200E, 0x200F),
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
    )
}


def configuration(env: Env, stream: TextIO) -> dict[str, Any]:
    """Django's LOGGING: everything goes to `stream`, which is standard error.

    Standard output is for the results of commands, for programs to read.
    """
    terminal = stream.isatty()
    console = env.log_format == "console" or (env.log_format == "auto" and (terminal or env.debug))
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"()": formatter, "console": console, "colors": terminal, "texts": env.debug}
        },
        "filters": {"route": {"()": RouteInsteadOfPath}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
            },
        },
        "root": {"handlers": ["stderr"], "level": env.log_level},
        "loggers": {
            # Django's own handlers would mail the admins and print.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.channels.server": {"level": "WARNING"},
            # `veche.requests` logs 4xx responses, without the path.
            "django.request": {"level": "ERROR", "filters": ["route"]},
            "django.security.csrf": {"filters": ["route"]},
            "daphne": {"level": "INFO"},
            # At DEBUG the client logs every record that it sends, message texts included.
            "kafka": {"level": "WARNING"},
            "opentelemetry": {"level": "WARNING"},
        },
    }


def formatter(*, console: bool, colors: bool, texts: bool) -> logging.Formatter:
    """The formatter for all records. `texts`: whether texts of errors may be shown."""
    renderer: list[Processor]
    if console:
        renderer = [
            one_line,
            structlog.dev.ConsoleRenderer(
                colors=colors, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    else:
        renderer = [structlog.processors.JSONRenderer()]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(allow=IDS),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            ErrorFormatter(texts),
            *renderer,
        ],
    )


def one_line(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Escapes control characters, so that nobody's words can start a line of their own.

    JSON does that by itself. A traceback keeps its lines, which are ours.
    """
    for field, value in event.items():
        if isinstance(value, str) and field != "exception":
            event[field] = value.translate(_CONTROLS)
    return event


class ErrorFormatter:
    """Replaces `exc_info` with a traceback."""

    def __init__(self, texts: bool) -> None:
        self._texts = texts

    def __call__(
        self, logger: WrappedLogger, name: str, event: MutableMapping[str, Any]
    ) -> Mapping[str, Any]:
        found = event.pop("exc_info", None)
        if isinstance(found, tuple) and found[1] is not None:
            event["exception"] = "".join(self._lines(cast(ExcInfo, found)[1])).rstrip()
        return event

    def _lines(self, error: BaseException) -> Iterator[str]:
        if error.__cause__ is not None:
            yield from self._lines(error.__cause__)
            yield "The above was the direct cause of:\n"
        elif error.__context__ is not None and not error.__suppress_context__:
            yield from self._lines(error.__context__)
            yield "While that was handled:\n"
        yield from traceback.format_list(traceback.extract_tb(error.__traceback__))
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        text = str(error) if self._texts or is_ours(error) else ""
        # Control characters in the text could look like lines of the traceback.
        yield f"{kind}: {text.translate(_CONTROLS)}\n" if text else f"{kind}\n"


def is_ours(error: BaseException) -> bool:
    """Whether an error is Veche's own or the system's, so that its text quotes nobody's words."""
    return type(error).__module__.startswith("chat.") or type(error) in {
        OSError,
        ConnectionRefusedError,
        ConnectionResetError,
        BrokenPipeError,
        TimeoutError,
    }


class RouteInsteadOfPath(logging.Filter):
    """Django logs the path of a request that failed; paths may contain one-time secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is not None:
            record.msg, record.args = "a request failed", ()
            record.method, record.route = request.method, route_of(request)
            record.user_id = known_user_id(request)
            record.status = getattr(record, "status_code", None)
        return True


def route_of(request: Any) -> str:
    """The pattern that the path matched; `-` when none did."""
    match = getattr(request, "resolver_match", None)
    return "-" if match is None else f"/{match.route}"


def known_user_id(request: Any) -> int | None:
    """The id of the person who asked, if already looked up; makes no query itself."""
    caller = getattr(getattr(request, "auth", None), "user_id", None)
    if isinstance(caller, int):
        return caller
    user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    found = getattr(user, "pk", None)
    return found if isinstance(found, int) else None


def connect_tasks() -> None:
    """Adds a Celery task's name and id to its log lines. Calling it again changes nothing."""
    task_prerun.connect(_bind_task, dispatch_uid="chatsite.observability.logs")
    task_postrun.connect(_unbind_task, dispatch_uid="chatsite.observability.logs")


def _bind_task(task_id: str, task: Any, **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)


def _unbind_task(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
