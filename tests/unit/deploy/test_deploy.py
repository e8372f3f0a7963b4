"""What docker-compose.yml starts is durable and has no password that others know."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from chat.servers.redis_durability import weaknesses
from chatsite.env import BASE_DIR
from chatsite.env_reader import read_env

COMPOSE = (BASE_DIR / "docker-compose.yml").read_text()


def directives(path: Path) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    return dict(line.split(maxsplit=1) for line in lines if line)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder of secrets, freshly made."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(BASE_DIR / "deploy/make-secrets", tmp_path / "deploy")
    make(tmp_path)
    return tmp_path / "secrets"


def make(folder: Path) -> None:
    subprocess.run(["sh", "deploy/make-secrets"], cwd=folder, check=True, capture_output=True)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_log_server_of_compose_acknowledges_only_what_is_on_disk() -> None:
    assert weaknesses(directives(BASE_DIR / "deploy/valkey/log.conf")) == []


def test_bus_server_of_compose_drops_nothing_to_make_room() -> None:
    assert directives(BASE_DIR / "deploy/valkey/bus.conf")["maxmemory-policy"] == "noeviction"


def test_images_are_pinned_to_a_version() -> None:
    dockerfile = (BASE_DIR / "Dockerfile").read_text()
    images = re.findall(r"^\s*image: (\S+)", COMPOSE, re.MULTILINE)
    images += re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)

    assert len(images) >= 7
    for image in images:
        ours = re.fullmatch(r"veche(-gateway)?:\d+\.\d+\.\d+", image)
        assert ours or re.search(r":v?\d+(\.\d+)+|:(18|24)-", image), image


def test_made_secrets_are_complete_and_all_different(made: Path) -> None:
    wanted = set(re.findall(r"\./secrets/([a-z_.]+)", COMPOSE))
    files = contents(made)

    env = read_env(
        {
            "ALLOWED_ORIGINS": "http://localhost:8080",
            **{
                f"{name.upper()}_FILE": str(made / name)
                for name in ("database_url", "log_redis_url", "bus_redis_url", "secret_key")
            },
        }
    )

    assert files.keys() == wanted
    assert env.log_redis_url != env.bus_redis_url
    assert env.database_url.startswith("postgresql://veche_app:")
    assert files["postgres_password"].strip() not in env.database_url
    assert files["postgres_password"].strip() in files["database_owner_url"]
    assert files["log_password.conf"].split()[1] in env.log_redis_url
    assert len({text.split()[-1] for text in files.values()}) == len(files)


def test_made_secrets_are_behind_a_closed_door_and_stay_when_made_again(made: Path) -> None:
    before = contents(made)

    make(made.parent)

    assert made.stat().st_mode & 0o077 == 0
    assert contents(made) == before


@pytest.mark.parametrize(
    ("database_url", "role", "owner"),
    [
        ("postgresql://veche:{password}@postgres:5432/veche", "veche_app", "veche"),
        ("postgresql://me:mine@db.example.org:5432/chat", "me", "me"),
    ],
)
def test_installation_that_ran_as_the_owner_of_its_tables_gets_a_role_of_its_own(
    database_url: str, role: str, owner: str, made: Path
) -> None:
    (made / "database_owner_url").unlink()
    given = database_url.format(password=(made / "postgres_password").read_text().strip())
    (made / "database_url").write_text(f"{given}\n")

    make(made.parent)
    make(made.parent)

    assert (made / "database_url").read_text().startswith(f"postgresql://{role}:")
    assert (made / "database_owner_url").read_text() == f"{given}\n"
    assert urlsplit(given).username == owner


def test_secrets_that_printed_mail_into_the_log_are_replaced_and_a_mail_server_stays(
    made: Path,
) -> None:
    url = made / "email_url"
    assert url.read_text() == "filemail:///tmp/mail\n"
    for given, expected in (
        ("consolemail://\n", "filemail:///tmp/mail\n"),
        ("smtp+tls://a:b@mail.example.org:587\n", "smtp+tls://a:b@mail.example.org:587\n"),
    ):
        url.write_text(given)
        make(made.parent)
        assert url.read_text() == expected


def test_gateway_does_not_pass_on_what_is_for_operators() -> None:
    text = (BASE_DIR / "deploy/nginx/locations.conf").read_text()
    for path in ("/metrics", "= /healthz", "= /readyz"):
        assert f"location {path} {{ return 404; }}" in text
    for name in ("http.conf", "https.conf"):
        assert "include locations.conf;" in (BASE_DIR / "deploy/nginx" / name).read_text()


def test_restore_stops_all_that_writes_and_migrates_before_the_log_is_stored(
    tmp_path: Path,
) -> None:
    for name in ("database.dump", "log.rdb", "backup.json"):
        (tmp_path / name).write_text("a backup")
    said = tmp_path / "said"
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >>"{said}"\n')
    docker.chmod(0o755)
    services = yaml.safe_load(COMPOSE)["services"]
    ours = {
        name
        for name, one in services.items()
        if one["image"] == "veche:0.1.0" and one["restart"] == "unless-stopped"
    }

    subprocess.run(
        ["sh", str(BASE_DIR / "deploy/restore"), str(tmp_path)],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=True,
    )

    commands = said.read_text()
    [stopped] = re.findall(r"^compose stop (.*)$", commands, re.MULTILINE)
    assert ours >= {"web", "worker", "beat", "probe", "analytics"}
    assert {*stopped.split()} == {*ours, "gateway", "log"}
    # What makes tables or drops them runs as their owner; the rights of others are given again.
    assert "migrate python manage.py after_restore" in commands
    assert "--no-owner --no-privileges" in commands
    steps = ["compose stop", "dropdb", "pg_restore", "restore-log", "migrate", "after_restore"]
    places = [commands.index(step) for step in [*steps, "verify_delivery"]]
    assert places == sorted(places)
