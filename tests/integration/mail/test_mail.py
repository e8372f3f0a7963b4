"""Mail waits in PostgreSQL; what a page answers, and when, does not depend on who gets one."""

from __future__ import annotations

import dataclasses
import logging
import re
import stat
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from chat.mail import queue as mail_queue
from chat.models import QueuedMail, User
from chat.tasks import send_mail
from localstack.ports import free_port
from localstack.smtp_server import SmtpServer, smtp_server
from tests.support.account_world import person
from tests.support.web_process import test_database_url, web_process

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "chat.mail.queue.Backend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def anna() -> User:
    return person("anna")


@pytest.fixture
def server(settings: Settings) -> Iterator[SmtpServer]:
    """A mail server, and a queue in front of it as in an installation."""
    with smtp_server() as running:
        settings.EMAIL_BACKEND = QUEUE
        settings.MAIL_TRANSPORT_BACKEND = SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        settings.EMAIL_TIMEOUT = 10
        yield running


def queue(recipient: str = "anna@example.org", subject: str = "hello") -> None:
    EmailMessage(subject, "some text", "veche@example.org", [recipient]).send()


def make_due() -> None:
    QueuedMail.objects.update(next_at=Now() - timedelta(seconds=1))


def make_due_in_order() -> None:
    """Makes all mails due, even those put off for longest."""
    QueuedMail.objects.update(next_at=F("next_at") - timedelta(hours=1))


def ask_for_reset(email: str, **headers: str) -> Any:
    return Client().post(reverse("account_reset_password"), {"email": email}, headers=headers)


# The queue


def test_mail_is_sent_by_the_task_and_its_row_goes(server: SmtpServer) -> None:
    queue()
    before = len(server.mails)

    send_mail()

    [sent] = server.mails
    assert before == 0
    assert (sent["To"], sent["Subject"]) == ("anna@example.org", "hello")
    assert "some text" in str(sent.get_payload())
    assert not QueuedMail.objects.exists()


def test_server_that_is_away_loses_no_mail_and_is_asked_ever_more_rarely(
    server: SmtpServer, settings: Settings
) -> None:
    settings.EMAIL_PORT = free_port()
    for number in range(3):
        queue(f"anna{number}@example.org")
    waits = []
    for _ in range(3):
        send_mail()
        due = QueuedMail.objects.filter(next_at__lte=Now()).count()
        waits.append(due)
        make_due()

    settings.EMAIL_PORT = server.port
    send_mail()

    assert waits == [0, 0, 0]  # one attempt puts all of them off
    assert len(server.mails) == 3
    assert not QueuedMail.objects.exists()


def test_pauses_double_up_to_a_quarter_of_an_hour(server: SmtpServer, settings: Settings) -> None:
    settings.EMAIL_PORT = free_port()
    queue()
    pauses = []
    for attempts in (0, 1, 20):
        QueuedMail.objects.update(attempts=attempts, next_at=Now())
        send_mail()
        row = QueuedMail.objects.annotate(now=Now()).get()
        pauses.append((row.next_at - row.now).total_seconds())

    assert 5 < pauses[0] < 13
    assert 13 < pauses[1] < 26
    assert 600 < pauses[2] < 1_200


def test_server_that_refuses_for_now_gets_the_mail_later(server: SmtpServer) -> None:
    server.answer_to_recipient = "451 greylisted"
    queue()
    send_mail()
    waiting = QueuedMail.objects.count()
    server.answer_to_recipient = "250 fine"
    make_due()

    send_mail()

    assert waiting == 1
    assert len(server.mails) == 1


def test_address_that_is_refused_for_good_does_not_hold_up_the_others(
    server: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer_to_recipient = "550 no such person"
    queue("nobody@example.org")
    with caplog.at_level(logging.INFO):
        send_mail()
    server.answer_to_recipient = "250 fine"
    queue()
    send_mail()

    assert [sent["To"] for sent in server.mails] == ["anna@example.org"]
    assert not QueuedMail.objects.exists()
    assert "mail refused: 1 SMTPRecipientsRefused" in caplog.text
    assert "nobody@example.org" not in caplog.text


def test_address_that_is_refused_for_now_waits_alone(server: SmtpServer) -> None:
    server.answers_to[b"FULL@"] = "452 the mailbox is full"
    queue("full@example.org")
    queue()

    send_mail()

    assert [sent["To"] for sent in server.mails] == ["anna@example.org"]
    left = QueuedMail.objects.annotate(now=Now()).get()
    assert left.recipient == "full@example.org"
    assert left.next_at > left.now


def test_mail_at_which_the_server_hangs_up_comes_last_the_next_time(server: SmtpServer) -> None:
    server.answers_to[b"BOOM@"] = "421 good bye"
    queue("boom@example.org")
    queue()
    queue("boris@example.org")
    send_mail()
    held_up, due = len(server.mails), QueuedMail.objects.filter(next_at__lte=Now()).count()
    make_due_in_order()

    send_mail()

    assert (held_up, due) == (0, 0)
    assert [sent["To"] for sent in server.mails] == ["anna@example.org", "boris@example.org"]
    assert QueuedMail.objects.get().recipient == "boom@example.org"


def test_mail_that_cannot_be_written_does_not_hold_up_the_others(server: SmtpServer) -> None:
    QueuedMail.objects.create(
        recipient="anna@example.org", sender="veche@example.org", subject="a\nBcc: x", body="b"
    )
    queue()

    send_mail()

    assert [sent["Subject"] for sent in server.mails] == ["hello"]
    assert not QueuedMail.objects.exists()


def test_mail_of_yesterday_is_dropped(server: SmtpServer) -> None:
    queue()
    QueuedMail.objects.update(created_at=Now() - mail_queue.KEPT - timedelta(minutes=1))

    send_mail()

    assert server.mails == []
    assert not QueuedMail.objects.exists()


def test_queue_is_bounded(server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_queue, "MAX_WAITING", 2)
    for number in range(5):
        queue(f"anna{number}@example.org")

    assert QueuedMail.objects.count() == 2
    send_mail()
    queue("late@example.org")
    assert QueuedMail.objects.count() == 1


def test_one_worker_sends_at_a_time(server: SmtpServer) -> None:
    queue()
    with psycopg.connect(test_database_url()) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mail_queue.LOCK])
        send_mail()
        held = len(server.mails)

    send_mail()

    assert (held, len(server.mails)) == (0, 1)


def test_files_are_for_their_owner_alone_and_bounded(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.mail.files.MAX_FILES", 3)
    settings.EMAIL_BACKEND = QUEUE
    settings.MAIL_TRANSPORT_BACKEND = "chat.mail.files.Backend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    for number in range(5):
        queue(subject=f"hello {number}")

    send_mail()

    files = sorted((tmp_path / "mail").iterdir())
    assert stat.S_IMODE((tmp_path / "mail").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert ["Subject: hello 4" in file.read_text() for file in files] == [False, False, True]


# Who has an account


def test_page_answers_before_the_mail_server_does(
    anna: User, server: SmtpServer, tmp_path: Path
) -> None:
    """In a real web process, in front of a mail server that takes connections and says nothing."""
    server.goes_on.clear()
    url = f"smtp://127.0.0.1:{server.port}"
    with web_process(tmp_path / "web.log", EMAIL_URL=url) as web:
        answers = [post_reset(web.port, name) for name in ("anna@example.org", "no@example.org")]
        connections = server.connections
    log = (tmp_path / "web.log").read_text()

    assert [path for path, _ in answers] == [reverse("account_reset_password_done")] * 2
    assert answers[0][1] == answers[1][1]
    assert connections == 0
    assert "password/reset/key" not in log
    server.goes_on.set()
    send_mail()
    [sent] = server.mails
    assert sent["To"] == "anna@example.org"
    assert not QueuedMail.objects.exists()


def post_reset(port: int, email: str) -> tuple[str, int]:
    """Where the form led, and the length of that page."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar := CookieJar()))
    address = f"http://localhost:{port}{reverse('account_reset_password')}"
    browser.open(address, timeout=30).read()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = urllib.parse.urlencode({"email": email, "csrfmiddlewaretoken": token}).encode()
    request = urllib.request.Request(address, form, {"Referer": address})
    with browser.open(request, timeout=30) as answer:
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.read().decode())
        return urllib.parse.urlsplit(answer.url).path, len(text)


def test_mail_server_that_is_away_breaks_no_page(
    anna: User, server: SmtpServer, settings: Settings
) -> None:
    settings.EMAIL_PORT = free_port()

    answers = [ask_for_reset(name) for name in ("anna@example.org", "nobody@example.org")]
    send_mail()

    assert [answer.status_code for answer in answers] == [302, 302]
    assert QueuedMail.objects.get().recipient == "anna@example.org"


def work_of_reset(email: str) -> list[str]:
    """The statements that asking for a reset takes, without their values."""
    with CaptureQueriesContext(connection) as seen:
        ask_for_reset(email)
    return [
        re.sub(r"'[^']*'|\d+", "?", query["sql"])
        for query in seen.captured_queries
        if "pg_catalog" not in query["sql"]
    ]


def test_same_work_is_done_whether_or_not_somebody_has_the_address(
    anna: User, server: SmtpServer
) -> None:
    known, unknown = work_of_reset("anna@example.org"), work_of_reset("nobody@example.org")

    assert known == unknown
    assert sum("INSERT" in statement for statement in known) == 1
    assert QueuedMail.objects.count() == 2
    send_mail()
    assert [sent["To"] for sent in server.mails] == ["anna@example.org"]


# Addresses in mails


def link_in(text: str) -> str:
    [link] = re.findall(r"https?://\S+/accounts/(?:password/reset/key|confirm-email)/\S+", text)
    return str(link)


@pytest.mark.parametrize("host", ["localhost:31337", "127.0.0.1:1", "testserver:81", "[::1]:9"])
def test_links_begin_with_an_allowed_origin_whatever_host_is_asked_for(
    anna: User, settings: Settings, host: str
) -> None:
    settings.ENV = dataclasses.replace(
        settings.ENV, allowed_origins=("https://chat.example.org", "http://testserver")
    )

    ask_for_reset("anna@example.org", Host=host)

    text = str(mail.outbox[-1].body)
    assert link_in(text).startswith("https://chat.example.org/accounts/password/reset/key/")
    assert host not in text


@pytest.mark.parametrize(
    "path",
    ["/accounts/confirm-email/MQ:1vN:k3y/", "/accounts/password/reset/key/1-dc1a7k-5f3b9e77/"],
)
def test_pages_whose_address_holds_a_key_do_not_tell_it_as_their_referrer(path: str) -> None:
    assert Client().get(path)["Referrer-Policy"] == "strict-origin"


def test_links_keep_to_the_origin_that_somebody_uses(anna: User, settings: Settings) -> None:
    settings.ENV = dataclasses.replace(
        settings.ENV, allowed_origins=("https://chat.example.org", "http://testserver")
    )

    ask_for_reset("anna@example.org")

    assert link_in(str(mail.outbox[-1].body)).startswith("http://testserver/accounts/")


def test_link_resets_the_password_once(anna: User) -> None:
    ask_for_reset("anna@example.org")
    link = link_in(str(mail.outbox[-1].body))
    for expected in (True, False):
        browser = Client()
        page = browser.get(link, follow=True)
        form = {"password1": "other-Tree-77", "password2": "other-Tree-77"}
        if expected:
            browser.post(page.redirect_chain[-1][0], form)
        else:
            assert page.context["token_fail"]

    anna.refresh_from_db()
    assert anna.check_password("other-Tree-77")


@pytest.mark.parametrize(
    "target", ["http://localhost:31337/", "//localhost:1/", "https://evil.example/", "\\\\evil"]
)
def test_sign_in_leads_to_no_other_port_of_this_machine(anna: User, target: str) -> None:
    answer = Client().post(
        "/accounts/login/", {"login": "anna", "password": "tall-Oak-42-river", "next": target}
    )

    assert answer["Location"] == "/"
