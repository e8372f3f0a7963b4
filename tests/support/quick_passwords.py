"""Hashes the passwords of tests for less: with Argon2id too, but in one pass over little memory.

What makes guessing dear makes tests that sign in a thousand times dear, and proves nothing there.
"""

from __future__ import annotations

from chat.accounts.password_hasher import Argon2


def install() -> None:
    Argon2.time_cost = 1
    Argon2.memory_cost = 8  # KiB, the least that there is
