"""The web process starts only on a log that keeps its word, tells its state, and lets people go."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path

import psycopg
import pytest
from django.test import AsyncClient, Client, RequestFactory
from pytest_django.fixtures import Settings

from chat.monitoring import health
from localstack.ports import free_port
from localstack.postgres import Postgres
from localstack.valkey import LOG_SETTINGS, Valkey
from tests.support.servers import OwnServer
from tests.support.web_process import web_process

pytestmark = pytest.mark.django_db(transaction=True)


START = {
    "web": [sys.executable, "-m", "chatsite.server"],
    "worker": [sys.executable, "-m", "celery", "-A", "chatsite", "worker", "-c", "1"],
}


def started(process: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The result of a process that ends by itself."""
    return subprocess.run(
        START[process],
        env={**os.environ, "PORT": str(free_port()), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("asgi_server", ["daphne", "uvicorn"])
def test_web_process_ends_well_when_it_is_asked_to(asgi_server: str, tmp_path: Path) -> None:
    with web_process(tmp_path / "web.log", ASGI_SERVER=asgi_server) as web:
        web.process.send_signal(signal.SIGTERM)

        assert web.process.wait(15) == 0


@pytest.mark.parametrize(
    ("process", "name", "weak"),
    [
        ("web", "appendonly", "no"),
        ("web", "appendfsync", "everysec"),
        ("web", "no-appendfsync-on-rewrite", "yes"),
        ("web", "maxmemory-policy", "allkeys-lru"),
        ("worker", "appendfsync", "everysec"),
    ],
)
def test_process_refuses_a_log_that_may_forget(
    process: str, name: str, weak: str, tmp_path: Path
) -> None:
    settings = {**LOG_SETTINGS, name: weak}
    log = OwnServer(Valkey("weak", tmp_path, free_port(), "password-of-the-log", settings))
    log.start()
    try:
        refused = started(process, LOG_REDIS_URL=log.url)
    finally:
        log.stop()

    assert refused.returncode == 1
    assert f"{name} is {weak}" in refused.stderr
    assert "ALLOW_WEAK_LOG" in refused.stderr
    assert "password-of-the-log" not in refused.stderr


@pytest.mark.parametrize("process", START)
def test_process_refuses_a_postgresql_that_may_forget(process: str) -> None:
    """As that of the tests does: what is stored is trimmed from the log, and would be nowhere."""
    refused = started(process, ALLOW_WEAK_DATABASE="0")

    assert refused.returncode == 1
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        assert f"{name} is off" in refused.stderr
    assert "ALLOW_WEAK_DATABASE" in refused.stderr


def test_settings_of_the_role_alone_are_looked_at_too() -> None:
    with tempfile.TemporaryDirectory(prefix="veche-weak-") as folder:
        postgres = Postgres(
            Path(folder), free_port(), owner_password="password-of-the-role", password="another"
        )
        server = OwnServer(postgres)
        server.start()
        try:
            with psycopg.connect(postgres.owner_url, autocommit=True) as connection:
                connection.execute("ALTER ROLE veche SET synchronous_commit = off")
            refused = started("worker", DATABASE_URL=postgres.owner_url, ALLOW_WEAK_DATABASE="0")
        finally:
            server.stop()

    assert refused.returncode == 1
    assert "may lose what it has committed: synchronous_commit is off. Fix" in refused.stderr
    assert "password-of-the-role" not in refused.stderr


async def test_ready_when_people_can_chat(async_client: AsyncClient) -> None:
    answer = await async_client.get("/readyz")

    assert answer.status_code == HTTPStatus.OK
    assert answer.json()["parts"] == {"database": "ok", "log": "ok", "bus": "ok"}


async def nowhere(*args: object) -> bool:
    return False


def without(part: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens where the server should be."""
    if part == "database":
        monkeypatch.setattr("chat.servers.postgres.lets_in", nowhere)
    else:
        url = {f"{part}_redis_url": f"redis://:hidden@127.0.0.1:{free_port()}/0"}
        settings.ENV = dataclasses.replace(settings.ENV, **url)


@pytest.mark.parametrize(
    ("part", "status", "code"),
    [("log", "not ready", 503), ("bus", "degraded", 200), ("database", "degraded", 200)],
)
async def test_ready_without_a_part_if_people_can_still_chat_and_the_answer_names_it(
    part: str,
    status: str,
    code: int,
    rf: RequestFactory,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readiness = health.Readiness(is_draining=lambda: False)
    readiness.has_reached_all = True
    without(part, settings, monkeypatch)

    answer = await readiness.answer(rf.get("/readyz"))

    said = json.loads(answer.content)
    assert (said["status"], answer.status_code) == (status, code)
    assert said["parts"][part] in {"ConnectionError", "Unavailable"}
    assert "hidden" not in answer.content.decode()


@pytest.mark.parametrize("part", ["log", "bus", "database"])
async def test_process_that_never_reached_a_part_is_not_ready(
    part: str, rf: RequestFactory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    readiness = health.Readiness(is_draining=lambda: False)
    without(part, settings, monkeypatch)

    answer = await readiness.answer(rf.get("/readyz"))

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert readiness.has_reached_all is False


async def test_not_ready_while_draining_though_alive(
    async_client: AsyncClient, rf: RequestFactory
) -> None:
    readiness = health.Readiness(is_draining=lambda: True)

    ready = await readiness.answer(rf.get("/readyz"))
    alive = await async_client.get("/healthz")

    assert (ready.status_code, json.loads(ready.content)) == (503, {"status": "draining"})
    assert alive.status_code == HTTPStatus.OK


def test_metrics_are_for_this_machine_only(client: Client) -> None:
    assert client.get("/metrics").status_code == HTTPStatus.OK
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == HTTPStatus.NOT_FOUND
    forwarded = client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
    assert forwarded.status_code == HTTPStatus.NOT_FOUND


def test_metrics_are_for_the_holder_of_the_token(client: Client, settings: Settings) -> None:
    token = "0123456789abcdef-token"
    settings.ENV = dataclasses.replace(settings.ENV, metrics_token=token)

    given = client.get(
        "/metrics", REMOTE_ADDR="192.0.2.1", headers={"Authorization": f"Bearer {token}"}
    )

    assert given.status_code == HTTPStatus.OK
    assert client.get("/metrics").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("asgi_server", ["daphne", "uvicorn"])
def test_prometheus_and_health_checks_may_ask_by_address_and_nobody_else(
    asgi_server: str, tmp_path: Path
) -> None:
    """As `docker-compose.yml` does, where a process is found by DNS."""
    token = "0123456789abcdef-token"
    by_address = {"Host": "172.18.0.5:8000", "Authorization": f"Bearer {token}"}
    with web_process(
        tmp_path / "web.log", ASGI_SERVER=asgi_server, METRICS_TOKEN=token, TRUSTED_PROXIES="1"
    ) as web:
        answers = {}
        for path in ["/metrics", "/readyz", "/healthz", "/", "/accounts/login/", "/metrics/"]:
            connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
            connection.request("GET", path, headers=by_address)
            answers[path] = connection.getresponse().status
            connection.close()

    assert answers == {
        "/metrics": HTTPStatus.OK,
        "/readyz": HTTPStatus.OK,
        "/healthz": HTTPStatus.OK,
        "/": HTTPStatus.BAD_REQUEST,
        "/accounts/login/": HTTPStatus.BAD_REQUEST,
        "/metrics/": HTTPStatus.BAD_REQUEST,
    }


@pytest.mark.parametrize("asgi_server", ["daphne", "uvicorn"])
def test_head_is_answered_like_get_without_the_body(asgi_server: str, tmp_path: Path) -> None:
    with web_process(tmp_path / "web.log", ASGI_SERVER=asgi_server) as web:
        answers = []
        for path in ["/api/openapi.json", "/api/v1/me", "/healthz"]:
            connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
            # On one connection: a body after the answer to HEAD would be taken for the next answer.
            for method in ["HEAD", "GET"]:
                connection.request(method, path)
                answer = connection.getresponse()
                body = answer.read()
                answers.append((path, method, answer.status, bool(body)))
            connection.close()

    assert answers == [
        ("/api/openapi.json", "HEAD", 200, False),
        ("/api/openapi.json", "GET", 200, True),
        ("/api/v1/me", "HEAD", 401, False),
        ("/api/v1/me", "GET", 401, True),
        ("/healthz", "HEAD", 200, False),
        ("/healthz", "GET", 200, True),
    ]


def test_metrics_without_a_token_are_not_for_a_page_under_a_name_of_its_own(
    client: Client,
) -> None:
    answer = client.get("/metrics", HTTP_HOST="rebound.example")

    assert answer.status_code == HTTPStatus.BAD_REQUEST
