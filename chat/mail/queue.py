"""Queues mail in PostgreSQL for a worker to send, so that no page waits for a mail server.

So the time of an answer does not reveal whether a mail was sent, and a mail server that is down
breaks no page. `Backend` is Django's `EMAIL_BACKEND`: it writes rows, in the sender's transaction.
The task `chat.tasks.send_mail` sends what is due, one mail at a time and one worker at a time,
through `MAIL_TRANSPORT_BACKEND`. Delivery is at least once: if a worker dies between sending a mail
and deleting its row, the mail is sent again.

| what happens | answer |
|---|---|
| mail server is down, hangs up (421) or refuses us | all due mail waits, twice as long each time |
| it refuses this mail for now (4xx) | this mail waits, likewise |
| it refuses this mail for good (5xx) | dropped |
| older than `KEPT` | dropped |
| `MAX_WAITING` wait already | the new one is dropped |

After a failure of the server, the mail at which it happened comes after the others, so that a mail
that breaks the server holds up no other. Dropped mail is counted and logged without address or
text.
"""

from __future__ import annotations

import logging
import smtplib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.db.models.functions import Greatest, Now

from chat.metrics import catalogue as metrics
from chat.models import QueuedMail
from chat.resilience.backoff import delay_seconds

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
# A link that resets a password is valid for three days (PASSWORD_RESET_TIMEOUT).
KEPT = timedelta(days=1)
FIRST_RETRY_SECONDS = 10.0
LONGEST_RETRY_SECONDS = 900.0
# A run ends after this, so that a worker's child is not busy for long; the next run continues.
RUN_SECONDS = 20.0
BEHIND_THE_OTHERS = timedelta(seconds=1)
# RFC 5321: the service closes the connection.
HANGS_UP = 421
# Key of the advisory lock that the sender holds: "mail" as a number.
LOCK = 0x6D61696C


class Backend(BaseEmailBackend):
    """A Django mail backend that queues."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        return sum(put(message) for message in email_messages)


def put(message: EmailMessage, *, to_nobody: bool = False) -> bool:
    """Queues a plain-text mail for each recipient separately; False when it was dropped.

    `to_nobody` does the same work and sends nothing, for answers that must not differ.
    """
    recipients = [""] if to_nobody else message.recipients()
    if QueuedMail.objects.count() + len(recipients) > MAX_WAITING:
        _note("dropped", len(recipients))
        return False
    QueuedMail.objects.bulk_create(
        QueuedMail(
            recipient=recipient,
            sender=message.from_email,
            subject=str(message.subject),
            body=str(message.body),
        )
        for recipient in recipients
    )
    return True


def send_due() -> None:
    """Sends what is due, for `RUN_SECONDS` and one mail more, unless another worker is sending.

    Raises: DatabaseError. What was not sent stays due.
    """
    if not QueuedMail.objects.filter(next_at__lte=Now()).exists():
        return
    with _alone() as alone:
        if alone:
            _send_for(RUN_SECONDS)


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other worker is sending. The lock belongs to the connection and ends with it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        [held] = cursor.fetchone()
        try:
            yield held
        finally:
            if held:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _send_for(seconds: float) -> None:
    until = time.monotonic() + seconds
    transport = get_connection(settings.MAIL_TRANSPORT_BACKEND)
    try:
        while time.monotonic() < until:
            mail = _take()
            if mail is None:
                return
            try:
                _send(transport, mail)
            except (smtplib.SMTPException, OSError, ValueError) as error:
                if _is_final(error):
                    mail.delete()
                    _note("refused", error=error)
                elif _is_about_this_mail(error):
                    _note("later", error=error)  # it was put off when it was taken
                else:
                    _put_off_all(mail, error)
                    return
            else:
                mail.delete()
    finally:
        _close(transport)


def _take() -> QueuedMail | None:
    """The next due mail, already put off, so that it is not next again if this worker dies."""
    QueuedMail.objects.filter(recipient="").delete()
    expired, _ = QueuedMail.objects.filter(created_at__lt=Now() - KEPT).delete()
    _note("expired", expired)
    with transaction.atomic():
        mail = (
            QueuedMail.objects.select_for_update(skip_locked=True)
            .filter(next_at__lte=Now())
            .order_by("next_at", "pk")
            .first()
        )
        if mail is not None:
            mail.attempts += 1
            QueuedMail.objects.filter(pk=mail.pk).update(
                attempts=mail.attempts, next_at=Now() + _pause(mail.attempts)
            )
    return mail


def _send(transport: Any, mail: QueuedMail) -> None:
    message = EmailMessage(mail.subject, mail.body, mail.sender, [mail.recipient])
    transport.open()  # does nothing when it is open
    transport.send_messages([message])
    _note("sent", 1)


def _is_final(error: Exception) -> bool:
    """Whether the server will never accept the mail."""
    if isinstance(error, ValueError):
        return True  # it cannot be made into a mail, for example because of an invalid address
    return _is_about_this_mail(error) and all(code >= 500 for code in _codes(error))


def _is_about_this_mail(error: Exception) -> bool:
    """Whether the server refuses this mail, rather than us or everything at the moment."""
    return bool(_codes(error)) and HANGS_UP not in _codes(error)


def _codes(error: Exception) -> list[int]:
    """The server's codes for the recipient or the text; [] if it got to neither."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, smtplib.SMTPDataError) else []


def _put_off_all(mail: QueuedMail, error: Exception) -> None:
    """Puts off all due mail, as the server would answer the same to the next one; `mail` comes
    last, in case it is what breaks the server."""
    pause = _pause(mail.attempts)
    QueuedMail.objects.filter(next_at__lte=Now()).update(
        attempts=Greatest("attempts", mail.attempts), next_at=Now() + pause
    )
    QueuedMail.objects.filter(pk=mail.pk).update(next_at=Now() + pause + BEHIND_THE_OTHERS)
    _note("later", error=error)


def _pause(attempts: int) -> timedelta:
    return timedelta(
        seconds=delay_seconds(attempts, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS)
    )


def _close(transport: Any) -> None:
    try:
        transport.close()
    except (smtplib.SMTPException, OSError) as error:
        logger.info("the mail server did not say goodbye: %s", type(error).__name__)


def _note(outcome: str, mails: int = 1, error: Exception | None = None) -> None:
    if not mails:
        return
    metrics.MAILS.labels(outcome=outcome).inc(mails)
    if outcome != "sent":
        # The error's text holds addresses; its class says enough.
        kind = "" if error is None else type(error).__name__
        logger.warning("mail %s: %s %s", outcome, mails, kind)
