"""The role of web processes and workers cannot get past the guards of the audit log."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from analytics.counting import rebuilding
from chat.audit.permissions import Act
from chat.models import AuditEntry
from chat.servers.postgres_roles import CannotLetIn, let_in
from chatsite.env import BASE_DIR
from localstack.postgres import binaries
from tests.support.chat_world import make_user
from tests.support.web_process import (
    ChatClient,
    owner_url_of_test_database,
    test_database_url,
    web_process,
)

pytestmark = pytest.mark.django_db(transaction=True)

ROLE = "veche_app_of_tests"


@pytest.fixture
def url() -> Iterator[str]:
    """The test's database, as a role that `migrate` has made and let in."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    place = f"{ROLE}:x@{parts.hostname}:{parts.port}"
    url = urlunsplit(parts._replace(netloc=place, path=f"/{connection.settings_dict['NAME']}"))
    let_in(url)
    yield url
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {ROLE}")
        cursor.execute(f"DROP ROLE {ROLE}")


def an_entry() -> AuditEntry:
    return AuditEntry.objects.create(
        at=timezone.now(),
        actor_name="anna",
        door=AuditEntry.Channel.COMMAND,
        action=Act.ROOM_VERIFY,
        target_kind=AuditEntry.TargetKind.ROOM,
        target_id="5",
        reason="Somebody asked",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chat_auditentry SET reason = ''",
        "DELETE FROM chat_auditentry",
        "TRUNCATE chat_auditentry CASCADE",
        "TRUNCATE chat_user CASCADE",
        "SET session_replication_role = replica",
        "ALTER TABLE chat_auditentry DISABLE TRIGGER USER",
        "ALTER TABLE chat_auditentry DISABLE TRIGGER audit_entry_is_append_only",
        "DROP TRIGGER audit_entry_is_append_only ON chat_auditentry",
        "CREATE OR REPLACE FUNCTION chat_refuse_change() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NULL; END $$",
        "DROP TABLE chat_auditoutcome",
        "ALTER TABLE chat_auditentry OWNER TO current_user",
        "CREATE TABLE public.mine (x int)",
        "ALTER ROLE current_user SUPERUSER",
        "GRANT UPDATE ON chat_auditentry TO current_user",
    ],
)
def test_role_of_web_and_workers_changes_nothing_on_record(url: str, statement: str) -> None:
    entry = an_entry()

    with psycopg.connect(url) as restricted:
        if statement.startswith("GRANT"):  # it warns, and gives nothing
            restricted.execute(statement)
            statement = "UPDATE chat_auditentry SET reason = ''"
        with pytest.raises(psycopg.Error) as refused:
            restricted.execute(statement)

    assert refused.value.sqlstate in {"42501", "23001"}, refused.value
    entry.refresh_from_db()
    assert entry.reason == "Somebody asked"


def test_role_reads_and_writes_all_other_tables_and_those_of_later_migrations(url: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE later (id bigserial PRIMARY KEY, x int)")
    try:
        with psycopg.connect(url) as restricted:
            restricted.execute("INSERT INTO later (x) VALUES (1)")
            restricted.execute("UPDATE later SET x = 2")
            tables = connection.introspection.table_names()
            for table in tables:
                restricted.execute(f'SELECT FROM "{table}" LIMIT 1')
                if not table.startswith("chat_audit"):
                    restricted.execute(f'DELETE FROM "{table}" WHERE false')
            restricted.rollback()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE later")

    assert len(tables) > 30


def test_role_reads_and_writes_what_a_rebuild_of_the_analytics_makes(url: str) -> None:
    """A worker counts dead letters into both, and the new tables become the old ones."""
    rebuilding.ensure_tables()
    try:
        with psycopg.connect(url) as restricted:
            restricted.execute(f"DELETE FROM {rebuilding.SCHEMA}.analytics_countedroom")
            restricted.rollback()
    finally:
        rebuilding.abandon()


def signs_in(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_migrate_sets_a_new_password_of_the_role_and_leaves_one_that_works(url: str) -> None:
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    other = url.replace(":x@", ":it%27s%20new@")
    with connection.cursor() as cursor:
        cursor.execute(stored, [ROLE])
        before = cursor.fetchone()
        let_in(url)
        cursor.execute(stored, [ROLE])
        assert cursor.fetchone() == before

    let_in(other)

    assert (signs_in(url), signs_in(other)) == (False, True)


@pytest.mark.parametrize(
    ("database_url", "says"),
    [
        ("postgresql://veche:x@127.0.0.1/veche", "another role"),
        ("postgresql://127.0.0.1/veche", "names no role"),
    ],
)
def test_migrate_refuses_to_let_in_who_owns_the_tables(
    database_url: str, says: str, settings: Settings
) -> None:
    assert connection.settings_dict["USER"] == "veche"
    settings.ENV = dataclasses.replace(settings.ENV, database_url=database_url)

    with pytest.raises(CommandError, match=says):
        call_command("migrate", verbosity=0)


def test_owner_that_may_make_no_roles_is_told_what_to_do(url: str) -> None:
    with psycopg.connect(url) as restricted, pytest.raises(psycopg.errors.InsufficientPrivilege):
        restricted.execute("CREATE ROLE somebody")
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {ROLE}")
    try:
        with pytest.raises(CannotLetIn, match="CREATE ROLE veche_new LOGIN as an administrator"):
            let_in("postgresql://veche_new:x@127.0.0.1/veche")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


def test_processes_of_the_tests_run_as_that_role() -> None:
    """So all other tests run without the rights of an owner."""
    with psycopg.connect(test_database_url()) as restricted:
        assert restricted.info.user == "veche_app"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            restricted.execute("UPDATE chat_auditentry SET reason = ''")


def test_rebuild_of_the_analytics_needs_the_owner(log_redis: redis.Redis) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "rebuild_rollups"],
        env={**os.environ, "DATABASE_URL": test_database_url()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "run this with DATABASE_OWNER_URL" in done.stderr


@pytest.mark.parametrize("process", ["owner", "other"])
def test_process_that_connects_as_the_owner_says_so(process: str, tmp_path: Path) -> None:
    given = {"DATABASE_OWNER_URL": owner_url_of_test_database()} if process == "owner" else {}
    with web_process(tmp_path / "web.log", **given):
        said = (tmp_path / "web.log").read_text()

    assert ("as the owner of the tables" in said) == (process == "owner")
    assert connection.settings_dict["PASSWORD"] not in said


def test_exporter_reads_figures_and_no_row(tmp_path: Path) -> None:
    """deploy/postgres/monitor-role.sql, with psql, as the service of docker-compose.yml runs it."""
    (tmp_path / "password").write_text("figures\n")
    script = (BASE_DIR / "deploy/postgres/monitor-role.sql").read_text()
    assert "/run/secrets/monitor_password" in script
    (tmp_path / "role.sql").write_text(
        script.replace("/run/secrets/monitor_password", str(tmp_path / "password"))
    )
    psql = [str(binaries() / "psql"), "--quiet", f"--file={tmp_path / 'role.sql'}"]
    try:
        for _ in range(2):
            subprocess.run([*psql, owner_url_of_test_database()], check=True, timeout=60)
        url = owner_url_of_test_database().replace("//veche:", "//veche_monitor:")
        url = url.replace(f":{connection.settings_dict['PASSWORD']}@", ":figures@")
        with psycopg.connect(url) as monitor:
            shown = monitor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
            ).fetchone()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                monitor.execute("SELECT FROM chat_message")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP ROLE IF EXISTS veche_monitor")

    assert shown == (1,)


async def test_web_process_serves_people_with_that_role_alone(url: str, tmp_path: Path) -> None:
    anna = await make_user("anna")
    with web_process(tmp_path / "web.log", DATABASE_URL=url) as server:
        async with await ChatClient.hello(server, anna) as a:
            [general] = a.welcome["rooms"]
            posted = await a.post(general["id"], "hello")
            page = await a.ask(t="history", room=general["id"], before=posted["seq"] + 1, limit=5)

    assert [message["body"] for message in page["messages"]] == ["hello"]
