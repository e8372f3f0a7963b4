"""Refuses a log server that could forget what it acknowledged.

Settings alone do not prove it. After `CONFIG SET appendonly yes` on a running server, and after a
full resync of a replica, the append-only file is complete only when the first rewrite has ended; a
crash before that leaves an empty log. `INFO` shows a rewrite, but a later, ordinary one looks the
same although nothing is at risk. So during a rewrite the server is asked for a proof: something is
written, and `WAITAOF` says whether it has reached the file.

Source: the persistence chapter of the Redis manual; docs/decisions/0001 and 0032.

| Key on the log server | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:proof` | string | 1 min | what is written for `WAITAOF`; it belongs to no shard |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from redis import Redis

from chat.servers.lua import Script

PROVE = Script(Path(__file__).parent / "prove.lua")
PROOF = "veche:proof"
PROOF_LIFETIME_MS = 60_000

Command = Sequence[str | bytes | int]

REQUIRED = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}
# A write is flushed within milliseconds, or within this on a slow disk. A file that does not exist
# yet is not waited for, as that takes minutes.
PROOF_MS = 500
NOT_WHOLE = (
    "the append-only file is not complete until its first rewrite has ended "
    "(INFO persistence: aof_rewrite_in_progress, aof_rewrite_scheduled)"
)


def weaknesses(configuration: Mapping[str, str]) -> list[str]:
    """Why, by its `CONFIG GET`, a log server may lose what it acknowledged; [] when it may not."""
    return [
        f"{name} is {configuration.get(name, 'unknown')}, must be {wanted}"
        for name, wanted in REQUIRED.items()
        if configuration.get(name) != wanted
    ]


def file_weaknesses(persistence: Mapping[str, str]) -> list[str]:
    """Problems with the append-only file, by `INFO persistence`; [] when there are none."""
    problems = []
    if persistence.get("aof_enabled") != "1":
        problems.append("there is no append-only file (INFO persistence: aof_enabled)")
    if persistence.get("aof_last_write_status", "ok") != "ok":
        problems.append("the last write to the append-only file failed (aof_last_write_status)")
    return problems


def needs_proof(persistence: Mapping[str, str]) -> bool:
    """Whether a rewrite is under way or due; it may be the first."""
    names = ("aof_rewrite_in_progress", "aof_rewrite_scheduled")
    return any(persistence.get(name) != "0" for name in names)


def proof() -> list[Command]:
    """Commands whose answers `is_proof` judges, for one connection and in this order."""
    return [
        ("EVAL", PROVE.text, 1, PROOF, PROOF_LIFETIME_MS),
        ("WAITAOF", 1, 0, PROOF_MS),
    ]


def is_proof(answers: Sequence[object]) -> bool:
    """Whether what was written has reached the file.

    A server without WAITAOF (Redis before 7.2) proves nothing: new connections wait for the end of
    any rewrite.
    """
    written, waited = answers
    if isinstance(written, Exception) or not isinstance(waited, list):
        return False
    return bool(waited) and waited[0] == 1


def look(client: Redis) -> list[str]:
    """Why a log server may lose what it acknowledged; [] when it may not. Blocks.

    Raises: redis.ResponseError when this account may not ask; redis.RedisError.
    """
    configuration: dict[str, str] = {}
    for name in REQUIRED:
        # The driver decodes this answer, whatever the client's settings.
        configuration |= client.config_get(name)  # type: ignore[arg-type]
    found = client.info("persistence")
    persistence = {name: str(value) for name, value in found.items()}
    problems = [*weaknesses(configuration), *file_weaknesses(persistence)]
    if problems or not needs_proof(persistence):
        return problems
    pipeline = client.pipeline(transaction=False)
    for command in proof():
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    return [] if is_proof(pipeline.execute(raise_on_error=False)) else [NOT_WHOLE]


class WeakLogError(Exception):
    """The log server's settings void the promise and ALLOW_WEAK_LOG is not set."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "The log server may lose acknowledged messages: "
            + "; ".join(problems)
            + ". Fix its configuration, or set ALLOW_WEAK_LOG=1 to run without the guarantee."
        )
