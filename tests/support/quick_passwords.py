"""Cheaper password hashes for tests: also Argon2id, but in one pass over little memory.

The cost that slows down guessing also slows down tests that sign in a thousand times, and proves
nothing there.
"""

from __future__ import annotations

from chat.accounts.password_hasher import Argon2


def install() -> None:
    Argon2.time_cost = 1
    Argon2.memory_cost = 8  # KiB, the minimum
