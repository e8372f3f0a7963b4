"""Pages of a table of any length: each begins where the one before ended, and none is counted.

OFFSET reads all rows that it skips, and COUNT(*) reads all there are; a page after a key reads only
its own rows. The number beside a list is the planner's estimate in PostgreSQL.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import BadRequest
from django.db.models import Model, Q, QuerySet

PAGE_ROWS = 50
MAX_TOKEN_CHARACTERS = 300


class RowPage(msgspec.Struct, frozen=True):
    """Rows in their order. `next` and `previous` are tokens; None if there is no such page."""

    rows: list[Any]
    next: str | None
    previous: str | None
    first: bool  # nothing comes before it
    oldest_first: bool


def read_page(
    rows: QuerySet[Any],
    key: Sequence[str],
    token: str | None,
    size: int,
    *,
    oldest_first: bool = False,
) -> RowPage:
    """The page of `rows` that `token` names, newest first; the first one without a token.

    `key` names the fields of the order, largest first; together they are unique. The token should
    be from an earlier page of the same order, but anybody may send one, so it is checked.

    Raises: BadRequest for an invalid token; TooSlow inside `limited`.
    """
    falling, rising = ("lt", [f"-{field}" for field in key]), ("gt", list(key))
    onward, backward = (rising, falling) if oldest_first else (falling, rising)
    back, values = (False, None) if token is None else _read_token(token, rows.model, key)
    side, order = backward if back else onward
    if values is not None:
        rows = rows.filter(_beyond(key, values, side))
    found = list(rows.order_by(*order)[: size + 1])
    more, found = len(found) > size, found[:size][:: -1 if back else 1]
    is_next, is_previous = (True, more) if back else (more, token is not None)
    return RowPage(
        rows=found,
        next=_token(found[-1], key, back=False) if found and is_next else None,
        previous=_token(found[0], key, back=True) if found and is_previous else None,
        first=not is_previous,
        oldest_first=oldest_first,
    )


def after(rows: QuerySet[Any], key: Sequence[str], values: Sequence[Any]) -> QuerySet[Any]:
    """The rows older than the one with these values of the key, newest first."""
    descending = [f"-{field}" for field in key]
    return rows.filter(_beyond(key, values, "lt")).order_by(*descending)


def _beyond(key: Sequence[str], values: Sequence[Any], side: str) -> Q:
    """Rows on one `side` of a place in the order.

    The first condition is separate, so that an index scan can begin there; the rest only decides
    between rows that share its value.
    """
    condition = Q(**{f"{key[0]}__{side}e": values[0]})
    if len(key) == 1:
        return Q(**{f"{key[0]}__{side}": values[0]})
    tie = Q(**{f"{key[0]}__{side}": values[0]}) | _beyond(key[1:], values[1:], side)
    return condition & tie


def _token(row: Model, key: Sequence[str], *, back: bool) -> str:
    values = [getattr(row, field) for field in key]
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    raw = json.dumps([int(back), *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _read_token(token: str, model: type[Model], key: Sequence[str]) -> tuple[bool, list[Any]]:
    """Raises: BadRequest."""
    try:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise ValueError
        padded = token + "=" * (-len(token) % 4)
        back, *plain = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if back not in (0, 1) or len(plain) != len(key):
            raise ValueError
        return bool(back), [_value(model, *pair) for pair in zip(key, plain, strict=True)]
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError) as error:
        raise BadRequest("This is not a place in the list.") from error


def _value(model: type[Model], field: str, plain: Any) -> Any:
    if model._meta.get_field(field).get_internal_type() == "DateTimeField":
        moment = datetime.fromisoformat(plain)
        if moment.tzinfo is None:
            raise ValueError
        return moment
    if type(plain) is not int or not -(2**63) <= plain < 2**63:
        raise ValueError
    return plain


def estimated(rows: QuerySet[Any]) -> int:
    """About how many rows there are, by PostgreSQL's planner; no row is read."""
    plan = json.loads(rows.order_by().explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])


def shown_count(rows: QuerySet[Any], page: RowPage) -> tuple[int, bool]:
    """How many rows a list has, and whether that is exact: it is when the list is one page."""
    if page.first and page.next is None:
        return len(page.rows), True
    return max(estimated(rows), len(page.rows) + 1), False
