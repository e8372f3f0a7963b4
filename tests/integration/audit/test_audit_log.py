"""The audit log: append-only, one entry for each act, complete after every crash."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from chat.audit import permissions
from chat.models import AuditEntry, AuditOutcome

pytestmark = pytest.mark.django_db(transaction=True)


def an_entry() -> AuditEntry:
    return AuditEntry.objects.create(
        at=timezone.now(),
        actor_name="anna",
        door=AuditEntry.Channel.COMMAND,
        action=permissions.Act.ROOM_VERIFY,
        target_kind=AuditEntry.TargetKind.ROOM,
        target_id="5",
        reason="Somebody asked",
    )


@pytest.mark.parametrize("posing", ["", "SET LOCAL session_replication_role = replica; "])
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE chat_auditentry, chat_auditoutcome",
        "TRUNCATE chat_auditoutcome",
        "TRUNCATE chat_user CASCADE",
        "UPDATE chat_auditentry SET reason = 'x'",
        "DELETE FROM chat_auditoutcome",
    ],
)
def test_emptying_and_posing_as_a_replica_are_refused_too(statement: str, posing: str) -> None:
    entry = an_entry()
    AuditOutcome.objects.create(entry=entry, at=timezone.now(), result="done")

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"{posing}{statement}")

    entry.refresh_from_db()
    assert (entry.reason, entry.outcome.result) == ("Somebody asked", "done")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chat_auditentry SET reason = ''",
        "DELETE FROM chat_auditentry",
        "UPDATE chat_auditoutcome SET result = 'refused'",
        "DELETE FROM chat_auditoutcome",
    ],
)
def test_postgresql_refuses_to_change_what_is_on_record(statement: str) -> None:
    entry = an_entry()
    AuditOutcome.objects.create(entry=entry, at=timezone.now(), result="done")

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    entry.refresh_from_db()
    assert (entry.reason, entry.outcome.result) == ("Somebody asked", "done")


def test_migrations_make_the_groups_of_the_table_and_leave_changed_ones_alone() -> None:
    migration = importlib.import_module("chat.migrations.0008_groups")
    Group.objects.all().delete()

    migration.make_groups(apps, None)
    importlib.import_module("chat.migrations.0020_view_analytics").give(apps, None)
    made = {
        group.name: {
            f"{permission.content_type.app_label}.{permission.codename}"
            for permission in group.permissions.select_related("content_type")
        }
        for group in Group.objects.all()
    }
    Group.objects.get(name="auditor").permissions.clear()
    migration.make_groups(apps, None)

    assert made == permissions.GROUPS
    assert not Group.objects.get(name="auditor").permissions.exists()
