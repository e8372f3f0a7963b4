"""`manage.py dead_letters`, run as an operator runs it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from chat import dead_letters
from chat.dead_letters import DeadLetter, DeadLetterOrigin, Outcome, Reason, Retried, store

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "\x1b[31mhello [bold]you[/bold]\u202e\nsecond line"


def run(*command: str) -> tuple[int, str]:
    """Exit code and output."""
    output = io.StringIO()
    try:
        call_command("dead_letters", *command, stdout=output, stderr=output)
    except SystemExit as stop:
        return int(str(stop.code)), output.getvalue()
    return 0, output.getvalue()


def add_letter(
    source: str = "test", reason: Reason = Reason.REFUSED, error: str = "refused", **origin: Any
) -> str:
    fields = {
        b"room": str(origin.get("room", 7)).encode(),
        b"type": b"message.posted",
        b"data": json.dumps({"body": WORDS}, ensure_ascii=False).encode(),
    }
    return dead_letters.add(
        source=source,
        reason=reason,
        error=error,
        origin=DeadLetterOrigin(**(origin or {"room": 7, "seq": 1})),
        payload=dead_letters.pack_entry(fields),
    )


def test_list_shows_letters_as_a_table_and_how_many_there_are() -> None:
    first = add_letter("persist", room=7, seq=3)
    second = add_letter("persist", Reason.NO_ROOM, room=8, seq=1)

    code, output = run("list")

    assert code == 0
    assert first in output
    assert second in output
    assert "7:3" in output
    assert "in all 2: 1 waiting for their next attempt, 1 parked" in output


def test_list_filters_pages_and_speaks_json() -> None:
    ids = [add_letter("persist", room=7, seq=seq) for seq in range(1, 6)]
    add_letter("export", room=7, seq=9)

    _, output = run("list", "--source", "persist", "--limit", "2", "--after", ids[1], "--json")

    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["id"] for line in lines] == ids[2:4]
    assert lines[0]["origin"] == {"room": 7, "seq": 3}
    assert "payload" not in lines[0]


def test_list_fills_its_page_however_far_the_letters_lie_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_letters.listing, "PAGE_LETTERS", 3)
    ids = [add_letter("rare" if seq % 4 == 0 else "test", room=7, seq=seq) for seq in range(12)]

    _, output = run("list", "--source", "rare", "--json")

    assert [json.loads(line)["id"] for line in output.splitlines()] == ids[::4]


def test_nothing_in_a_letter_acts_on_the_terminal(log_redis: redis.Redis) -> None:
    letter_id = add_letter("task:\x1b[2J", error="[red]\x1b]0;title\x07\r\n\u202e", room=7, seq=1)
    log_redis.xadd(store.STREAM, {b"source": b"\x1b[H", b"origin": b"\xff", b"error": b"\x9b\x07"})

    outputs = [run("list")[1], run("show", letter_id, "--show-payload")[1]]

    for output in outputs:
        assert all(one.isprintable() or one == "\n" for one in output)
        assert "[red]" in output


def test_show_leaves_out_what_people_wrote_unless_it_is_asked_for() -> None:
    letter_id = add_letter("persist")

    _, without = run("show", letter_id)
    _, with_words = run("show", letter_id, "--show-payload")
    _, as_json = run("show", letter_id, "--json")

    assert "hello" not in without
    assert "hello" not in as_json
    assert "hello" in with_words
    assert "\\u001b[31m" in with_words
    assert "\\u202e" in with_words


def test_show_of_a_letter_that_is_gone_fails() -> None:
    for letter_id in ("1-1", "nonsense"):
        code, output = run("show", letter_id)
        assert code == 1
        assert "no dead letter" in output


def test_retry_by_filter_says_what_became_of_each() -> None:
    def retry(letter: DeadLetter, token: str) -> Retried:
        if letter.origin.seq == 2:
            raise ValueError("still wrong")
        return Retried.DONE

    dead_letters.register("test", retry)
    ids = [add_letter(room=7, seq=seq) for seq in (1, 2, 3)]
    other = add_letter(room=8, seq=1)

    code, output = run("retry", "--room", "7")

    assert code == 1
    assert f"{ids[1]}: waiting ValueError: still wrong" in output
    assert "2 done" in output
    assert [letter.id for letter in dead_letters.every()] == [ids[1], other]


def test_retry_of_all_that_succeeds_exits_with_zero() -> None:
    dead_letters.register("test", lambda letter, token: Retried.DONE)
    for seq in range(5):
        add_letter(room=7, seq=seq)

    code, output = run("retry", "--all", "--json")

    assert code == 0
    assert {json.loads(line)["outcome"] for line in output.splitlines()} == {Outcome.DONE}
    assert dead_letters.counts().total == 0


@pytest.mark.parametrize("command", [("retry",), ("discard", "--why", "x", "--yes")])
def test_nothing_happens_to_all_letters_by_mistake(command: tuple[str, ...]) -> None:
    add_letter()

    with pytest.raises(CommandError, match="--all"):
        run(*command)

    assert dead_letters.counts().total == 1


def test_discard_is_on_record_with_the_reason_and_the_name() -> None:
    letter_id = add_letter()

    code, output = run("discard", letter_id, "--why", "test data", "--by", "olga")

    assert (code, output) == (0, "discarded: 1 done\n")
    record = dead_letters.discarded(letter_id)
    assert record is not None
    assert (record.why, record.by) == ("test data", "olga")
    assert run("discard", letter_id, "--why", "again", "--by", "olga")[0] == 1


def test_discarding_by_filter_asks_first() -> None:
    add_letter(room=7, seq=1)

    with pytest.raises(CommandError, match="--yes"):
        run("discard", "--room", "7", "--why", "x", "--by", "olga")
    assert dead_letters.counts().total == 1

    code, _ = run("discard", "--room", "7", "--why", "x", "--by", "olga", "--yes")
    assert code == 0
    assert dead_letters.counts().total == 0


def test_export_writes_a_line_for_each_letter(tmp_path: Path) -> None:
    ids = [add_letter(room=7, seq=seq) for seq in range(3)]
    bare, whole = tmp_path / "bare.jsonl", tmp_path / "whole.jsonl"

    run("export", "--output", str(bare))
    run("export", "--output", str(whole), "--show-payload")

    lines = [json.loads(line) for line in bare.read_text().splitlines()]
    assert [line["id"] for line in lines] == ids
    assert "payload" not in lines[0]
    [first, *_] = [json.loads(line) for line in whole.read_text().splitlines()]
    fields = dead_letters.unpack_entry(base64.b64decode(first["payload"]))
    assert json.loads(fields[b"data"])["body"] == WORDS
    with pytest.raises(CommandError, match="exists"):
        run("export", "--output", str(bare))


def test_log_server_that_is_away_is_said_with_an_exit_code_of_its_own(settings: Settings) -> None:
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url="redis://127.0.0.1:1/0")

    with pytest.raises(CommandError, match="does not answer") as failed:
        run("list")

    assert failed.value.returncode == 2


def test_payload_that_is_no_entry_is_withheld_and_escaped() -> None:
    letter_id = dead_letters.add(
        source="export",
        reason=Reason.REFUSED,
        error="",
        origin=DeadLetterOrigin(room=7, seq=1),
        payload=b"hello \x1b\xff",
    )

    assert "hello" not in run("show", letter_id)[1]
    assert "hello \\x1b\\xff" in run("show", letter_id, "--show-payload")[1]
