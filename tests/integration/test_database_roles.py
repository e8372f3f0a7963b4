"""The role as which web and workers run cannot reach past the guards of the audit log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from chat.models import AuditEntry
from chat.permissions import Action
from tests.integration.chat_world import make_user
from tests.integration.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)

ROLE = "veche_app_of_tests"


@pytest.fixture
def url() -> Iterator[str]:
    """The test's database, as the restricted role."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {ROLE}")
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'x'")
    call_command("database_role", ROLE, verbosity=0)
    parts = urlsplit(os.environ["DATABASE_URL"])
    place = f"{ROLE}:x@{parts.hostname}:{parts.port}"
    yield urlunsplit(parts._replace(netloc=place, path=f"/{connection.settings_dict['NAME']}"))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {ROLE}")
        cursor.execute(f"DROP ROLE {ROLE}")


def an_entry() -> AuditEntry:
    return AuditEntry.objects.create(
        at=timezone.now(),
        actor_name="anna",
        door=AuditEntry.Door.COMMAND,
        action=Action.ROOM_VERIFY,
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


def test_rights_are_given_again_and_to_nobody_who_owns_the_tables(url: str) -> None:
    call_command("database_role", ROLE, verbosity=0)

    for role in (connection.settings_dict["USER"], "nobody_of_that_name"):
        with pytest.raises(CommandError):
            call_command("database_role", role, verbosity=0)


async def test_web_process_serves_people_with_that_role_alone(url: str, tmp_path: Path) -> None:
    anna = await make_user("anna")
    with web_process(tmp_path / "web.log", DATABASE_URL=url) as server:
        async with await ChatClient.hello(server, anna) as a:
            [general] = a.welcome["rooms"]
            posted = await a.post(general["id"], "hello")
            page = await a.ask(t="history", room=general["id"], before=posted["seq"] + 1, limit=5)

    assert [message["body"] for message in page["messages"]] == ["hello"]
