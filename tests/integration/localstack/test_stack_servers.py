"""The embedded servers are as durable as the guarantee needs, and Django reaches them."""

from __future__ import annotations

import pytest
import redis
from django.db import connection


def test_log_server_acknowledges_only_what_is_on_disk(log_redis: redis.Redis) -> None:
    wanted = {
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "maxmemory-policy": "noeviction",
    }

    found = {name: log_redis.config_get(name)[name] for name in wanted}

    assert found == wanted


def test_log_and_bus_are_two_servers(log_redis: redis.Redis, bus_redis: redis.Redis) -> None:
    assert log_redis.info("server")["run_id"] != bus_redis.info("server")["run_id"]


@pytest.mark.django_db
def test_postgresql_enforces_the_limits_of_the_environment() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        row = cursor.fetchone()

    assert row == ("5s",)
