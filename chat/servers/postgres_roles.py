"""Rights of the PostgreSQL role of web processes and workers.

The role owns nothing: it reads and writes rows, and cannot switch off what guards them, as a
table's owner (DISABLE TRIGGER) or a superuser (session_replication_role) could. In the audit log it
can only add and read rows. The owner (DATABASE_OWNER_URL), which runs migrations, creates the role
and gives it these rights, again after each migration; nothing else has the owner's password.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from django.db import ProgrammingError, connection, transaction
from psycopg import sql

# Rows of these tables are never changed or deleted, so the role may only add and read them.
APPEND_ONLY = ("chat_auditentry", "chat_auditoutcome")
OWNED = """
    SELECT rolsuper OR EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relowner = r.oid
    )
    FROM pg_roles r WHERE rolname = %s
"""
# The owner's schemas: `public`, and those that rebuilds of the analytics have created.
SCHEMAS = """
    SELECT nspname FROM pg_namespace
    WHERE nspname = 'public' OR nspowner = current_user::regrole
        AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
"""


class CannotLetIn(Exception):
    """The role of DATABASE_URL cannot be created, or has rights that nobody can revoke."""


def let_in(url: str) -> None:
    """Creates the role of `url` (DATABASE_URL) and gives it its rights, on what exists and on what
    the current role creates later. May be repeated; a changed password is set.

    Raises: CannotLetIn; OperationalError when the database does not answer.
    """
    parts = urlsplit(url)
    role, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not role:
        raise CannotLetIn("DATABASE_URL names no role: postgresql://role:password@host:5432/name")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _make(cursor, role, password)
            _give_rights(cursor, role)
    except ProgrammingError as error:
        raise CannotLetIn(
            f"The role {role} of DATABASE_URL cannot be set up by that of DATABASE_OWNER_URL: "
            f"{str(error).splitlines()[0]}. CREATE ROLE {role} LOGIN as an administrator of the "
            "database, and run this again."
        ) from error


def _make(cursor: Any, role: str, password: str) -> None:
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
    name = sql.Identifier(role)
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {role} LOGIN").format(role=name))
    elif not password or _signs_in(role, password):
        return
    if password:
        # Encrypted here, because a server may log statements, and so the password itself.
        secret = connection.connection.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        )
        cursor.execute(
            sql.SQL("ALTER ROLE {role} PASSWORD {secret}").format(
                role=name, secret=sql.Literal(secret.decode())
            )
        )


def _signs_in(role: str, password: str) -> bool:
    asked = connection.get_connection_params() | {"user": role, "password": password}
    try:
        psycopg.connect(**asked).close()
    except psycopg.OperationalError:
        return False
    return True


def _give_rights(cursor: Any, role: str) -> None:
    if owns_tables(cursor, role):
        raise CannotLetIn(
            f"The role {role} of DATABASE_URL is a superuser or owns tables, so no right can be "
            "taken from it. Let DATABASE_URL name another role: migrate creates it."
        )
    cursor.execute(SCHEMAS)
    for [schema] in cursor.fetchall():
        for statement in (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        ):
            _execute(cursor, statement, schema=schema, role=role)
    for statement in (
        "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {role}",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {role}",
    ):
        _execute(cursor, statement, role=role)
    there = connection.introspection.table_names(cursor)
    for table in APPEND_ONLY:
        if table in there:
            _execute(cursor, "REVOKE UPDATE, DELETE ON {table} FROM {role}", table=table, role=role)


def _execute(cursor: Any, statement: str, **names: str) -> None:
    quoted = {name: sql.Identifier(value) for name, value in names.items()}
    cursor.execute(sql.SQL(statement).format(**quoted))


def owns_tables(cursor: Any, role: str) -> bool:
    """Whether the role is a superuser or owns tables of Veche. Raises: DatabaseError."""
    cursor.execute(OWNED, [role])
    found = cursor.fetchone()
    return found is not None and found[0]
