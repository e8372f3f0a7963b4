"""Running a query and getting its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

# Enough for the people, or rooms, of each day of a year to be told apart without the disk.
WORK_MEM = "32MB"


def rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def distinct_rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The same for a query that tells many values apart, with the memory that this takes."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
