"""Dead letters in the admin: found among many, shown safely, acted on once."""

from __future__ import annotations

import dataclasses
import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import redis
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from chat import dead_letters
from chat.admin.delivery import dead_letter_jobs
from chat.audit.permissions import Act
from chat.dead_letters import DeadLetter, DeadLetterOrigin, Filter, Outcome, Reason, Retried
from chat.dead_letters.audit import person
from tests.support.admin_world import at_admin, recorded, staff, without_second_factor

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = "<script>alert('letter')</script>"
ADDRESS = "/admin/dead-letters/"


@pytest.fixture(autouse=True)
def password_alone(settings: Settings) -> None:
    without_second_factor(settings)


@pytest.fixture
def browser() -> Client:
    return at_admin(staff("boss", "administrator"))


@pytest.fixture
def retried() -> list[str]:
    """Dead letters of the source `mended` can now be stored; the list collects those that were."""
    done: list[str] = []

    def retry(letter: DeadLetter, token: str) -> Retried:
        done.append(letter.id)
        return Retried.DONE

    dead_letters.register("mended", retry)
    return done


def add(number: int = 1, source: str = "mended", reason: Reason = Reason.REFUSED) -> str:
    return dead_letters.add(
        source=source,
        reason=reason,
        error=f"IntegrityError: {SCRIPT}",
        origin=DeadLetterOrigin(shard=1, room=5, seq=number),
        payload=dead_letters.pack_entry(
            {b"room": b"5", b"data": f'{{"body":"{SCRIPT} words"}}'.encode()}
        ),
    )


def listed(browser: Client, query: str = "") -> list[str]:
    answer = browser.get(f"{ADDRESS}?{query}")
    assert answer.status_code == 200
    return [letter["id"] for letter in answer.context["letters"]]


def act(browser: Client, action: str, **more: Any) -> Any:
    form = {"action": action, "confirmed": "1", "why": "mended", **more}
    return browser.post(f"{ADDRESS}act/", form)


def outcomes(answer: Any) -> list[Outcome]:
    assert answer.status_code == 200, answer.content
    return [result.outcome for result, _ in answer.context["results"]]


# Looking


def test_list_is_filtered_by_source_reason_room_state_and_age(browser: Client) -> None:
    one, task = add(1), add(2, source="task:chat.tasks.x", reason=Reason.TASK_FAILED)
    hopeless = add(3, source="persist", reason=Reason.NO_ROOM)

    assert listed(browser) == [hopeless, task, one]
    assert listed(browser, "order=oldest") == [one, task, hopeless]
    assert listed(browser, "source=task:") == [task]
    assert listed(browser, "reason=no_room") == [hopeless]
    assert listed(browser, "state=waiting") == [task, one]
    assert listed(browser, "room=5") == [hopeless, task, one]
    assert listed(browser, "room=6") == []
    assert listed(browser, "until=2020-01-01") == []


def test_pages_follow_each_other(browser: Client) -> None:
    ids = [add(number) for number in range(1, 61)]

    first = browser.get(ADDRESS)
    second = listed(browser, f"after={first.context['next']}")

    assert [letter["id"] for letter in first.context["letters"]] == ids[:9:-1]
    assert second == ids[9::-1]


@pytest.mark.parametrize("query", ["reason=x", "state=x", "room=nowhere", "since=never"])
def test_filter_that_means_nothing_says_so(browser: Client, query: str) -> None:
    assert browser.get(f"{ADDRESS}?{query}").context["problems"]


def test_place_that_is_none_is_refused(browser: Client) -> None:
    assert browser.get(f"{ADDRESS}?after=x").status_code == 400


def test_entries_that_do_not_decode_are_listed_and_opened(
    browser: Client, log_redis: redis.Redis
) -> None:
    ids = [
        cast(bytes, log_redis.xadd(dead_letters.STREAM, cast(Any, fields))).decode()
        for fields in (
            {b"\xff\xfe": b"\x00" + SCRIPT.encode()},
            {b"source": b"persist", b"origin": b"{nonsense", b"payload": bytes(range(256))},
            {b"source": b"persist", b"origin": b"[" * 5_000, b"reason": SCRIPT.encode()},
        )
    ]

    page = browser.get(ADDRESS)
    opened = [browser.get(f"{ADDRESS}{one}/") for one in ids]

    assert [letter["id"] for letter in page.context["letters"]] == ids[::-1]
    assert {answer.status_code for answer in opened} == {200}
    for answer in (page, *opened):
        assert SCRIPT not in answer.content.decode()


def test_letter_of_whom_nothing_is_there_says_what_became_of_it(browser: Client) -> None:
    letter = add()
    act(browser, "discard", ids=letter)

    answers = [browser.get(f"{ADDRESS}{one}/") for one in (letter, "1-1", "nonsense", "9" * 60)]

    assert [answer.status_code for answer in answers] == [200, 404, 404, 404]
    assert "mended" in answers[0].content.decode()


def test_list_says_so_when_the_log_server_is_away(browser: Client, settings: Settings) -> None:
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url="redis://127.0.0.1:1/0")

    answers = [browser.get(ADDRESS), browser.get(f"{ADDRESS}1-1/")]

    assert [answer.status_code for answer in answers] == [200, 503]
    assert all("does not answer" in answer.content.decode() for answer in answers)


# Reading what people wrote


def test_who_may_retry_may_not_read(browser: Client) -> None:
    letter = add()

    page = browser.get(f"{ADDRESS}{letter}/").content.decode()
    refused = browser.get(f"{ADDRESS}{letter}/?payload=1")

    assert "words" not in re.sub(r"<[^>]+>", "", page)
    assert refused.status_code == 403
    assert recorded(action=Act.ROOM_READ) == []


def test_reading_a_payload_is_on_record_and_shows_it_as_text() -> None:
    reader = at_admin(staff("mara", "moderator", "administrator"))
    letter = add()

    page = reader.get(f"{ADDRESS}{letter}/?payload=1").content.decode()

    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    [entry] = recorded(action=Act.ROOM_READ)
    assert (entry.target_id, entry.actor_name) == (letter, "mara")


# Acting on some


def test_preview_does_nothing_and_asks_for_a_reason(browser: Client, retried: list[str]) -> None:
    letter = add()

    preview = browser.post(f"{ADDRESS}act/", {"action": "retry", "ids": letter})
    empty = act(browser, "discard", ids=letter, why=" ")
    long = act(browser, "retry", ids=letter, why="x" * 501)

    assert [line["id"] for line in preview.context["letters"]] == [letter]
    assert empty.context["problem"]
    assert long.context["problem"]
    assert retried == []
    assert dead_letters.get(letter) is not None
    assert recorded(actor_name="boss") == []


def test_retry_and_discard_are_done_with_a_reason_on_record(
    browser: Client, retried: list[str]
) -> None:
    one, two = add(1), add(2)

    retry = act(browser, "retry", ids=[one])
    discard = act(browser, "discard", ids=[two], why="a test")

    assert (outcomes(retry), outcomes(discard)) == ([Outcome.DONE], [Outcome.DONE])
    assert retried == [one]
    assert dead_letters.counts().total == 0
    assert [
        (line.action, line.letter, line.by, line.why) for line in dead_letters.audit_lines(9)
    ] == [
        ("discard", two, "boss", "a test"),
        ("retry", one, "boss", "mended"),
    ]
    assert [(entry.action, entry.reason) for entry in recorded(actor_name="boss")] == [
        ("dead_letter.retry", "mended"),
        ("dead_letter.discard", "a test"),
    ]


def test_form_that_is_sent_again_finds_nothing_left(browser: Client, retried: list[str]) -> None:
    letter = add()

    answers = [outcomes(act(browser, "retry", ids=letter)) for _ in range(2)]

    assert answers == [[Outcome.DONE], [Outcome.GONE]]
    assert retried == [letter]


def test_two_people_at_once_do_it_once(retried: list[str]) -> None:
    both = [at_admin(staff(name, "administrator")) for name in ("boss", "chief")]
    for browser in both:
        browser.get(ADDRESS)  # loads its middleware, which is not for two threads at once
    letter = add()
    meet = threading.Barrier(2)

    def press(browser: Client) -> str:
        meet.wait(30)
        try:
            # Not from the context: Django's client notes that of every request in the process.
            return str(act(browser, "retry", ids=letter).content.decode())
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        pages = list(threads.map(press, both))

    assert sum("done, the dead letter is gone" in page for page in pages) == 1
    assert (
        sum("was already gone" in page or "somebody else is retrying it" in page for page in pages)
        == 1
    )
    assert retried == [letter]


def test_letters_that_were_stored_retried_or_trimmed_meanwhile_are_gone(
    browser: Client, retried: list[str], log_redis: redis.Redis
) -> None:
    stored, trimmed = add(1), add(2)
    browser.post(f"{ADDRESS}act/", {"action": "retry", "ids": [stored, trimmed]})
    list(dead_letters.retry([stored]))
    log_redis.xtrim(dead_letters.STREAM, maxlen=0)

    answer = act(browser, "retry", ids=[stored, trimmed, "no-id", "0-1"])

    assert outcomes(answer) == [Outcome.GONE] * 4


def test_letter_of_a_room_that_is_not_there_stays_and_says_why(browser: Client) -> None:
    letter = add(source="persist", reason=Reason.NO_ROOM)

    answer = act(browser, "retry", ids=letter)

    assert outcomes(answer) == [Outcome.PARKED]
    assert dead_letters.get(letter) is not None


@pytest.mark.parametrize("bad", [{"action": "explode"}, {"action": ""}])
def test_act_that_is_none_is_refused(browser: Client, bad: dict[str, str]) -> None:
    assert browser.post(f"{ADDRESS}act/", {"ids": "1-1", **bad}).status_code == 400


# Acting on all that match


def begin(browser: Client, action: str = "retry", **more: Any) -> str:
    """Begins a bulk act through its preview; returns its address."""
    preview = browser.post(f"{ADDRESS}act/", {"action": action, "scope": "all", **more})
    job = str(preview.context["job"])
    answer = act(browser, action, scope="all", job=job, **more)
    assert answer["Location"] == f"{ADDRESS}jobs/{job}/"
    return str(answer["Location"])


def job_of(address: str) -> dead_letter_jobs.Job:
    job = dead_letter_jobs.get(address.rstrip("/").rpartition("/")[2])
    assert job is not None
    return job


def test_all_that_match_are_retried_step_by_step(
    browser: Client, retried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_jobs, "STEP_LETTERS", 2)
    wanted = [add(number) for number in range(1, 6)]
    other = add(9, source="persist", reason=Reason.NO_ROOM)
    address = begin(browser, source="mended")
    later = add(10)

    steps = 0
    while job_of(address).state == dead_letter_jobs.RUNNING:
        browser.post(f"{address}step/")
        steps += 1
        assert steps < 20

    job = job_of(address)
    assert retried == wanted
    assert job.outcomes == {Outcome.DONE: 5}
    assert steps >= 3
    assert job.state == dead_letter_jobs.FINISHED
    assert {letter.id for letter in dead_letters.every()} == {other, later}
    [begun, *each] = recorded(actor_name="boss")
    assert begun.after == {"filter": {"source": "mended"}, "letters": 6}
    assert [(entry.target_id, entry.reason) for entry in each] == [
        (letter, "mended") for letter in wanted
    ]
    assert {str(entry.batch) for entry in each} == {job.id}


def test_bulk_act_is_stopped_half_way(
    browser: Client, retried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_jobs, "STEP_LETTERS", 2)
    ids = [add(number) for number in range(1, 6)]
    address = begin(browser)

    browser.post(f"{address}step/")
    browser.post(f"{address}step/", {"cancel": "1"})
    browser.post(f"{address}step/")
    page = browser.get(address).content.decode()

    assert retried == ids[:2]
    assert job_of(address).state == dead_letter_jobs.CANCELLED
    assert dead_letters.counts().total == 3
    assert "data-running" not in page


def test_page_of_a_bulk_act_says_all_that_it_was_narrowed_by(browser: Client) -> None:
    narrowed = {"source": "persist", "since": "2026-01-01 08:00", "until": "2026-02-03 09:30"}
    page = browser.get(begin(browser, **narrowed)).content.decode()

    assert "source persist, since 2026-01-01 08:00, until 2026-02-03 09:30" in page


def test_bulk_form_that_is_sent_twice_begins_one_act(browser: Client) -> None:
    add()
    job = str(uuid.uuid4())

    answers = [act(browser, "discard", scope="all", job=job)["Location"] for _ in range(2)]

    assert len(set(answers)) == 1
    assert len(recorded(action=Act.DEAD_LETTER_DISCARD)) == 1
    assert len(dead_letter_jobs.latest()) == 1


def test_step_that_is_asked_for_twice_at_once_is_taken_once(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    add()
    address = begin(browser)
    begun, go_on = threading.Event(), threading.Event()

    def slow(letter: DeadLetter, token: str) -> Retried:
        begun.set()
        assert go_on.wait(30)
        return Retried.DONE

    dead_letters.register("mended", slow)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(dead_letter_jobs.step, job_of(address).id)
        assert begun.wait(30)
        second = dead_letter_jobs.step(job_of(address).id)
        go_on.set()
        first.result(30)

    assert second is not None
    assert second.acted_on == 0
    assert job_of(address).outcomes == {Outcome.DONE: 1}


def test_step_is_bounded_in_time(
    browser: Client, retried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_jobs, "STEP_SECONDS", 0.0)
    ids = [add(number) for number in range(1, 4)]
    address = begin(browser)

    for _ in ids:
        browser.post(f"{address}step/")
    browser.post(f"{address}step/")

    assert retried == ids
    assert job_of(address).state == dead_letter_jobs.FINISHED


def test_role_that_may_not_discard_cannot_step_a_discard(browser: Client) -> None:
    letter = add()
    address = begin(browser, "discard")
    auditor = at_admin(staff("uta", "auditor"))

    assert auditor.post(f"{address}step/").status_code == 403
    assert auditor.get(address).status_code == 403
    assert dead_letters.get(letter) is not None


@pytest.mark.parametrize("id", ["x", "0" * 36, "../../etc"])
def test_bulk_act_that_is_none_is_not_found(browser: Client, id: str) -> None:
    assert browser.post(f"{ADDRESS}jobs/{id}/step/").status_code == 404
    assert dead_letter_jobs.step(id) is None


def test_job_needs_an_id_of_the_form() -> None:
    with pytest.raises(ValueError, match="UUID"):
        dead_letter_jobs.begin("x", action="retry", wanted=Filter(), why="w", by=person("boss"))
