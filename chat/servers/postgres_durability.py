"""Refuses a PostgreSQL that could forget what it has committed.

What is committed is trimmed from the log, so it must be on PostgreSQL's disk by then; otherwise a
message with ✓✓ could be lost in a crash. Source: docs/decisions/0002.
"""

from __future__ import annotations

from collections.abc import Mapping

# The values of this session, since a role or a database may have its own.
READ_SETTINGS = """
    SELECT name, setting FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
"""


def weaknesses(found: Mapping[str, str]) -> list[str]:
    """Why, by the rows of `READ_SETTINGS`, a commit may be lost; [] when it may not.

    Every other value of `synchronous_commit` waits for the server's own disk.
    """
    return [
        f"{name} is {found.get(name, 'unknown')}"
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if found.get(name, "off") == "off"
    ]


class WeakDatabaseError(Exception):
    """PostgreSQL's settings void the promise and ALLOW_WEAK_DATABASE is not set."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "PostgreSQL may lose what it has committed: "
            + "; ".join(problems)
            + ". Fix its configuration, or set ALLOW_WEAK_DATABASE=1 to run without the guarantee."
        )
