"""Refuses a log server that could forget what it acknowledged.

Source: the persistence chapter of the Redis manual; docs/decisions/0001.
"""

from __future__ import annotations

from collections.abc import Mapping

REQUIRED = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}


def weaknesses(configuration: Mapping[str, str]) -> list[str]:
    """What in a log server's `CONFIG GET` makes an acknowledgement worth less; [] when nothing."""
    return [
        f"{name} is {configuration.get(name, 'unknown')}, must be {wanted}"
        for name, wanted in REQUIRED.items()
        if configuration.get(name) != wanted
    ]


class WeakLogError(Exception):
    """The log server's settings void the promise and ALLOW_WEAK_LOG is not set."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "The log server may lose acknowledged messages: "
            + "; ".join(problems)
            + ". Mend its configuration, or set ALLOW_WEAK_LOG=1 to run without the guarantee."
        )
