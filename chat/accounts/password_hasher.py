"""How passwords are hashed: Argon2id with the cost that OWASP's cheat sheet recommends.

Django's own settings take 100 MiB and eight threads for each attempt, which on a small machine lets
a dozen simultaneous attempts exhaust the memory.
"""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1
