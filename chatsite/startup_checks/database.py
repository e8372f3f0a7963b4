"""The check of PostgreSQL that web processes and workers make before they start."""

from __future__ import annotations

import logging
import sys

import psycopg
from django.conf import settings
from django.db import connections

from chat.servers.postgres_durability import READ_SETTINGS, WeakDatabaseError, weaknesses
from chat.servers.postgres_roles import owns_tables

logger = logging.getLogger(__name__)


def refuse_weak_database() -> None:
    """End this process if PostgreSQL's settings void the promise, unless that is allowed.

    If PostgreSQL does not answer now, the process starts all the same: people can chat without it,
    and the metrics show its settings once it is back.
    """
    try:
        # Not through Django's connection: a worker's children would inherit its pool.
        with psycopg.connect(**connections["default"].get_connection_params()) as connection:
            found = dict(connection.execute(READ_SETTINGS).fetchall())
            owner = owns_tables(connection.cursor(), connection.info.user)
    except psycopg.Error as error:
        # Only the kind: the text may contain the address.
        logger.warning("PostgreSQL's settings are not known yet: %s", type(error).__name__)
        return
    if owner:
        logger.warning(
            "This process connects to PostgreSQL as the owner of the tables, so an intruder in "
            "it could switch off the guards of the audit log: see DATABASE_OWNER_URL"
        )
    problems = weaknesses(found)
    if not problems:
        return
    if not settings.ENV.allow_weak_database:
        sys.exit(str(WeakDatabaseError(problems)))
    logger.warning("ALLOW_WEAK_DATABASE: stored messages may be lost (%s)", "; ".join(problems))
