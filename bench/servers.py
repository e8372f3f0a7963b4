"""A benchmark's own servers, thrown away when it is over."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localstack.running_stack import RunningStack
from localstack.servers import LocalServers


@contextmanager
def own_servers(
    folder: Path | None = None,
    *,
    durable: bool = True,
    kafka: bool = False,
    given: Mapping[str, str] | None = None,
    **environment: str,
) -> Iterator[LocalServers]:
    """Start servers, with this process's environment set so that Veche uses them.

    `environment` is added to that; the rest is as in `LocalServers`. Data in `folder` stays for the
    next run.
    """
    place = folder.resolve() if folder else Path(tempfile.mkdtemp(prefix="veche-bench-"))
    try:
        with LocalServers(place, durable=durable, kafka=kafka, given=given) as servers:
            os.environ.update(
                {
                    "DJANGO_SETTINGS_MODULE": "chatsite.settings",
                    "ALLOWED_ORIGINS": "http://localhost",
                    "LOG_LEVEL": "WARNING",
                    **(given or {}),
                    **servers.environment,
                    **environment,
                }
            )
            yield servers
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def own_stack() -> Iterator[RunningStack]:
    """All of Veche, with a web process that logs little."""
    with tempfile.TemporaryDirectory(prefix="veche-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another account if this one is root
        stack = RunningStack(folder, {"LOG_LEVEL": "WARNING"})
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()
