"""Real servers for every test process, started before Django's settings are read.

Each pytest process, so each pytest-xdist worker too, gets a PostgreSQL and two Valkey servers of
its own in a temporary folder. Where DATABASE_URL, LOG_REDIS_URL and BUS_REDIS_URL are all set,
those servers are used instead, and the Redis ones are flushed: never point them at real data.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from localstack.process import StartFailed
from localstack.servers import LocalServers
from tests.support import migrated_postgres, quick_kafka

CONNECTIONS = ("DATABASE_URL", "LOG_REDIS_URL", "BUS_REDIS_URL")

# Tests state what they need; nothing else of the developer's environment leaks in.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "chatsite.settings",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "ALLOWED_ORIGINS": "http://testserver,http://localhost",
    "SHARDS": "4",
    "REDIS_TIMEOUT_SECONDS": "2",
    "JDK_JAVA_OPTIONS": quick_kafka.java_options(),
}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Runs before pytest-django sets Django up."""
    from django.conf import settings

    if settings.configured:
        pytest.exit("Unset DJANGO_SETTINGS_MODULE: it loads settings before the test servers run.")
    if not hands_tests_out(config):
        try:
            prepare_environment()
        except StartFailed as problem:
            pytest.exit(str(problem), returncode=1)
        _ = settings.INSTALLED_APPS  # Loads the settings; pytest-django does the rest.
        # Tests make databases and tables; what they start runs as the role that owns nothing.
        os.environ.pop("DATABASE_OWNER_URL", None)


def hands_tests_out(config: pytest.Config) -> bool:
    """True in the process that only distributes tests to the workers of pytest-xdist."""
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")


# A file system in memory, and what has to be free there.
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2**30

servers_are_ours = False


def prepare_environment() -> None:
    global servers_are_ours
    folder = Path(tempfile.mkdtemp(prefix="veche-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(ENVIRONMENT, STATIC_ROOT=str(folder / "staticfiles"))
    if not all(os.environ.get(variable) for variable in CONNECTIONS):
        put_log_into_memory(folder / "var" / "data")
        migrated_postgres.put_into(folder / "var")
        servers = LocalServers(folder / "var", durable=False)
        servers.start()
        atexit.register(servers.stop)
        servers_are_ours = True
        os.environ.update(servers.environment, SECRET_KEY=ENVIRONMENT["SECRET_KEY"])


def put_log_into_memory(data: Path) -> None:
    """The log waits for its disk at each append: here too, but for one that does not keep it.

    What it has written outlives its process there as well.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
        folder = tempfile.mkdtemp(prefix="veche-tests-", dir=MEMORY)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        data.mkdir(parents=True)
        (data / "log").symlink_to(folder)


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    """A database on a server of ours goes with the server: PostgreSQL drops none before those who
    are connected have had five seconds to leave it."""
    return django_db_keepdb or servers_are_ours


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """The database of the tests is a copy of the one that is migrated already."""
    from django.db import connection

    if servers_are_ours:
        connection.settings_dict["TEST"]["TEMPLATE"] = migrated_postgres.TEMPLATE


@pytest.fixture(scope="session", autouse=True)
def what_proves_nothing_is_quick() -> None:
    # import what needs the settings
    from tests.support import quick_clients, quick_flush, quick_passwords

    quick_clients.install()
    quick_flush.install()
    quick_kafka.install()
    quick_passwords.install()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Ends the connection of the thread in which asgiref runs what tests do with the ORM.

    While it is open, the database cannot be dropped.
    """
    from asgiref.sync import SyncToAsync
    from django.db import connections

    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def log_redis() -> Iterator[redis.Redis]:
    """The log server, empty."""
    yield from empty_server("LOG_REDIS_URL")


@pytest.fixture
def bus_redis() -> Iterator[redis.Redis]:
    """The bus server, empty in all its databases."""
    yield from empty_server("BUS_REDIS_URL")


def empty_server(variable: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(os.environ[variable], socket_timeout=10) as client:
        client.flushall()
        yield client
