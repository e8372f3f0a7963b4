"""Writes mail to files, for an installation that has no mail server: EMAIL_URL=filemail://.

The files contain links that reset passwords, so only the owner may read folder and files, and they
are not kept for ever.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

MAX_FILES = 1_000


class Backend(BaseEmailBackend):
    """Writes each mail to a file in `EMAIL_FILE_PATH`; the names sort by time."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for message in email_messages:
            name = f"{timezone.now():%Y%m%dT%H%M%S.%f}-{secrets.token_hex(2)}.eml"
            path = folder / name
            path.touch(mode=0o600)
            path.write_bytes(message.message().as_bytes())
        for old in sorted(folder.glob("*.eml"))[:-MAX_FILES]:
            old.unlink(missing_ok=True)
        return len(email_messages)
