"""Log lines: JSON or one line for people, with ids, without anybody's words."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog
from django.db import IntegrityError

from chat.errors import RetryableError
from chat.tracing.request_ids import id_of_headers, request_id
from chatsite.env_reader import read_env
from chatsite.observability import logs
from tests.unit.chatsite.test_env import GOOD

WORDS = "what Ann wrote"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(message: str = "said", *args: object, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("chat.test", logging.WARNING, __file__, 1, message, args, None)
    made.__dict__.update(fields)
    return made


def as_json(made: logging.LogRecord, *, texts: bool = False) -> dict[str, Any]:
    line = logs.formatter(console=False, colors=False, texts=texts).format(made)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def as_text(made: logging.LogRecord) -> str:
    return logs.formatter(console=True, colors=False, texts=False).format(made)


def failed(error: BaseException) -> logging.LogRecord:
    """The record of an error that was caught where it was raised."""
    try:
        raise error
    except type(error) as caught:
        return record("failed", exc_info=(type(caught), caught, caught.__traceback__))


def test_json_line_has_time_level_logger_and_the_ids_that_are_known() -> None:
    with structlog.contextvars.bound_contextvars(request_id="abcdefgh", user_id=7):
        found = as_json(record("shard %s stopped", 3, room=5, seq=12, shard=3))

    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "event": "shard 3 stopped",
        "level": "warning",
        "logger": "chat.test",
        "request_id": "abcdefgh",
        "user_id": 7,
        "room": 5,
        "seq": 12,
        "shard": 3,
    }


def test_what_is_no_id_does_not_get_into_a_line() -> None:
    assert "body" not in as_json(record("said", body=WORDS))


@pytest.mark.parametrize("words", ["a\r\nb", "a\x1b[2Jb", "a\u2028b", "a\u202eb", "a\x85b", "a\0b"])
def test_nobodys_words_make_a_line_of_their_own(words: str) -> None:
    json_line = logs.formatter(console=False, colors=False, texts=False).format(record(words))
    text_line = as_text(record("%s", words))

    for line in (json_line, text_line):
        assert len(line.splitlines()) == 1
        assert words not in line
        assert line.isprintable()


def test_text_of_a_drivers_error_is_not_written_but_where_it_was_raised_is() -> None:
    found = as_json(failed(IntegrityError(f'Key (email)=(ann@example.org) holds "{WORDS}"')))

    assert found["exception"].endswith("django.db.utils.IntegrityError")
    assert "test_logs.py" in found["exception"]
    assert WORDS not in json.dumps(found)
    assert "ann@example.org" not in json.dumps(found)


def test_texts_of_causes_are_not_written_either() -> None:
    error = RetryableError("The database does not answer.")
    error.__cause__ = ValueError(WORDS)

    found = as_json(failed(error))["exception"]

    assert "builtins.ValueError\nThe above was the direct cause of:" in found
    assert found.endswith("chat.errors.RetryableError: The database does not answer.")
    assert WORDS not in found


def test_text_of_an_error_is_written_where_its_code_is_being_written() -> None:
    assert WORDS in as_json(failed(ValueError(WORDS)), texts=True)["exception"]


@pytest.mark.parametrize(
    ("setting", "terminal", "debug", "console"),
    [
        ("auto", False, False, False),
        ("auto", True, False, True),
        ("auto", False, True, True),
        ("json", True, True, False),
        ("console", False, False, True),
    ],
)
def test_lines_are_json_unless_a_person_reads_them(
    setting: str, terminal: bool, debug: bool, console: bool
) -> None:
    env = read_env({**GOOD, "LOG_FORMAT": setting, "DEBUG": str(debug)})

    chosen = logs.configuration(env, Terminal() if terminal else io.StringIO())

    assert chosen["formatters"]["line"]["console"] is console


def test_path_of_a_failed_request_is_replaced_by_its_route() -> None:
    class Request:
        method = "GET"
        resolver_match = None

    made = record(
        "Internal Server Error: %s", f"/reset/{WORDS}", request=Request(), status_code=500
    )
    logs.RouteInsteadOfPath().filter(made)
    found = as_json(made)

    assert (found["method"], found["route"], found["status"]) == ("GET", "-", 500)
    assert WORDS not in json.dumps(found)


@pytest.mark.parametrize("given", ["4f6e2c1a9b", "a.b-c_d.1", "A" * 64])
def test_request_id_of_a_proxy_is_taken_over(given: str) -> None:
    assert request_id(given) == given
    assert id_of_headers([(b"x-request-id", given.encode())]) == given


@pytest.mark.parametrize(
    "given", ["", "short", "a" * 65, "abc\r\nSet-Cookie: x", "abcdefg h", None]
)
def test_what_does_not_look_like_an_id_is_replaced(given: str | None) -> None:
    made = request_id(given)

    assert made != given
    assert len(made) == 32


def test_two_request_ids_of_one_handshake_are_none() -> None:
    headers = [(b"x-request-id", b"abcdefgh"), (b"x-request-id", b"ijklmnop")]

    assert id_of_headers(headers) not in {"abcdefgh", "ijklmnop"}
