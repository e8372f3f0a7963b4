"""Settings for tools that read the code and reach no server: mypy, `makemigrations --check`."""

import os

os.environ.update(
    DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    LOG_REDIS_URL="redis://127.0.0.1:1/0",
    BUS_REDIS_URL="redis://127.0.0.1:1/0",
    SECRET_KEY="only-for-tools-that-never-serve-anybody-0123456789",
    ALLOWED_ORIGINS="https://chat.example.org",
)

from chatsite.settings import *  # noqa: F403

# Fail at once instead of waiting for a pool that never fills.
DATABASES["default"]["OPTIONS"].pop("pool")  # noqa: F405
# Nor is the UI built where only the code is read.
SILENCED_SYSTEM_CHECKS += ["django_vite.W001"]  # noqa: F405
