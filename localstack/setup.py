"""`python -m localstack.setup VAR`: migrate, collect static files, make the demo accounts.

The only module here that loads Django, in a process of its own that ends when all is ready. One
process for all three, because loading Django takes longer than the work when nothing is new.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

import django
from asgiref.sync import async_to_sync

from localstack.servers import write_private

# The first one is the administrator.
NAMES = {"anna": "Anna", "boris": "Boris"}


def main() -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=1)
    collect_static()
    if len(sys.argv) > 1:
        ensure_demo_accounts(Path(sys.argv[1]) / "demo-accounts.json")


def collect_static() -> None:
    """Collect the static files only if one has changed: compressing them takes seconds.

    Installations may share the folder.
    """
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            state = Path(storage.path(name)).stat()
            digest.update(f"{name} {state.st_size} {state.st_mtime_ns}\n".encode())
    folder = Path(settings.STATIC_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / ".collected"
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() == digest.hexdigest():
            return
        call_command("collectstatic", interactive=False, verbosity=1)
        done.write_text(digest.hexdigest())


def ensure_demo_accounts(path: Path) -> None:
    """Make the missing accounts; changes that people made to the others are kept."""
    from chat.actions.onboarding import land_in_general
    from chat.errors import ClientError
    from chat.models import User

    passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    for number, (username, display_name) in enumerate(NAMES.items()):
        if User.objects.filter(username=username).exists():
            continue
        passwords.setdefault(username, secrets.token_urlsafe(9))
        # Before the account, so that there is never one whose password nobody knows.
        write_private(path, json.dumps(passwords, indent=1))
        user = User(username=username, display_name=display_name)
        user.is_staff = user.is_superuser = number == 0
        user.set_password(passwords[username])
        user.save()
        try:
            async_to_sync(land_in_general)(user.pk)
        except ClientError as error:
            # They enter when they first connect.
            sys.stdout.write(f"{username} is not in #general yet: {error}\n")


if __name__ == "__main__":
    main()
