"""What the role may do in PostgreSQL as which web processes and workers run.

It owns nothing: it reads and writes rows, and cannot switch off what guards them, as the owner of a
table could (DISABLE TRIGGER) and a superuser anyhow (session_replication_role). Rows of the audit
log it adds and reads. The owner, which runs migrations, gives these rights, again after each of
them; nothing else has its password.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from psycopg import sql

# Rows are added and never changed, so no more than that is given.
APPEND_ONLY = ("chat_auditentry", "chat_auditoutcome")


class OwnsTables(Exception):
    """The role is a superuser, or owns tables: rights cannot be taken from it."""


def give_rights(role: str) -> None:
    """Gives `role`, which exists, its rights on what is there and on what the current role makes
    later. May be repeated.

    Raises: OwnsTables; ProgrammingError when there is no such role or this one may not do it.
    """
    name = sql.Identifier(role)
    with transaction.atomic(), connection.cursor() as cursor:
        check_owns_nothing(cursor, role)
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {role}",
            "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
        ):
            cursor.execute(sql.SQL(statement).format(role=name))
        for table in APPEND_ONLY:
            cursor.execute(
                sql.SQL("REVOKE UPDATE, DELETE ON {table} FROM {role}").format(
                    table=sql.Identifier(table), role=name
                )
            )


def check_owns_nothing(cursor: Any, role: str) -> None:
    """Raises: OwnsTables."""
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role])
    found = cursor.fetchone()
    if found is not None and found[0]:
        raise OwnsTables(f"{role} is a superuser.")
    cursor.execute(
        "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = 'public' AND relkind IN ('r', 'p') AND pg_get_userbyid(relowner) = %s",
        [role],
    )
    if cursor.fetchone()[0]:
        raise OwnsTables(f"{role} owns tables: run this as another role that owns them.")
