"""What the operators of a search mean for the person who searches.

Names are looked up here: of people, and of rooms that the person is in. A room that they are not in
is as unknown as one that does not exist.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, tzinfo

import msgspec
from django.db.models import OuterRef, Q, Subquery
from django.db.models.lookups import IsNull

from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason
from chat.models import Reaction, Room, User
from chat.names.usernames import PROBE_USERNAME
from chat.queries import people_search
from chat.queries.message_search import with_any_of
from chat.queries.search_dates import day_of, instant_of
from chat.queries.search_operators import DATES, OPERATORS, Operator

# Each name costs a look at all people; a person who types has two or three.
MAX_OPERATORS = 20
# A part of a name may mean several people, and all of them are looked for.
MAX_PEOPLE = 50

# Asked of each message that all else fits. As `Exists` PostgreSQL would join them, and read all
# reactions that there are.
A_REACTION = Subquery(
    Reaction.objects.filter(room=OuterRef("room"), target=OuterRef("seq")).values("pk")[:1]
)
# By operator and value. Lexemes, where there are some, are what the index finds it by.
CONDITIONS: dict[tuple[str, str], Q] = {
    ("has", "link"): Q(with_any_of("https", "http", "www"))
    & Q(body__iregex=r"https?://[^\s/]|\mwww\.\w"),
    ("has", "code"): Q(body__contains="`") & Q(body__regex=r"`[^`]+`|(^|\n)\s*```"),
    ("has", "reaction"): Q(IsNull(A_REACTION, False)),
    ("is", "edited"): ~Q(edited_at=None),
}


class Filters(msgspec.Struct, kw_only=True):
    """What a message must fulfil besides its words. None: anything goes.

    `since` is included, `until` is not. `rooms` are all that may be looked in. `authors` is also in
    `condition`.
    """

    rooms: list[int]
    authors: list[int] | None = None
    since: datetime | None = None
    until: datetime | None = None
    condition: Q = msgspec.field(default_factory=Q)

    @property
    def nothing_fits(self) -> bool:
        empty = self.since is not None and self.until is not None and self.since >= self.until
        return empty or not self.rooms or self.authors == []


def check_number(operators: Sequence[Operator]) -> None:
    """Raises: ClientError."""
    if len(operators) > MAX_OPERATORS:
        raise ClientError(
            "bad_request",
            f"q: at most {MAX_OPERATORS} operators.",
            reason=RefusalReason.SEARCH_OPERATORS,
            rule=Rule.SEARCH_OPERATORS,
        )


def filters_of(
    operators: Sequence[Operator],
    user_id: int,
    rooms: Collection[int],
    within: int | None,
    zone: tzinfo,
    now: datetime,
) -> Filters:
    """What the operators mean for a person who is in `rooms` and looks in `within`, or in all.

    Of several rooms or people any will do; everything else must all be fulfilled. Uses the ORM.

    Raises: ClientError (bad_request), with the operator in `about`, for a person, a room, a date or
    a value that there is not.
    """
    found = Filters(rooms=sorted(rooms if within is None else {within}))
    authors, others = _chosen(operators, {"from"}, lambda one: _people(one, user_id))
    if authors is not None:
        found.authors = sorted(authors)
        found.condition &= Q(author_id__in=found.authors)
    if others:
        # Messages without an author are by none of them.
        found.condition &= Q(author_id=None) | ~Q(author_id__in=others)
    inside, outside = _chosen(operators, {"in", "with"}, lambda one: _rooms(one, user_id, rooms))
    found.rooms = [
        room for room in found.rooms if (inside is None or room in inside) and room not in outside
    ]
    for one in operators:
        if one.name in DATES:
            _narrow(found, one, zone, now)
        elif OPERATORS[one.name] is not None:
            condition = _condition(one)
            found.condition &= ~condition if one.excluded else condition
    return found


def _chosen(
    operators: Sequence[Operator], names: set[str], look_up: Callable[[Operator], set[int]]
) -> tuple[set[int] | None, set[int]]:
    """The ids that the operators of these names allow, None for all; and those they exclude."""
    wanted: set[int] | None = None
    excluded: set[int] = set()
    for one in operators:
        if one.name in names and one.excluded:
            excluded |= look_up(one)
        elif one.name in names:
            wanted = (wanted or set()) | look_up(one)
    return wanted, excluded


def _people(operator: Operator, user_id: int) -> set[int]:
    """The person with that user name; or else everybody with that name, or with such a name."""
    name = operator.value
    if name.lower() in {"me", "@me"}:
        return {user_id}
    people = User.objects.exclude(username=PROBE_USERNAME)
    conditions = [Q(username__iexact=name.removeprefix("@"))]
    if not name.startswith("@"):
        conditions += [Q(display_name__iexact=name), people_search.named(name)]
    for condition in conditions:
        ids = set(people.filter(condition).values_list("pk", flat=True)[: MAX_PEOPLE + 1])
        if len(ids) > MAX_PEOPLE:
            raise _refused(operator, RefusalReason.SEARCH_PEOPLE, "too many people have that name")
        if ids:
            return ids
    raise _refused(operator, RefusalReason.SEARCH_PERSON, "nobody has that name")


def _rooms(operator: Operator, user_id: int, rooms: Collection[int]) -> set[int]:
    """The person's room at that address; or else those of that name, or the conversation."""
    name = operator.value
    mine = Room.objects.filter(pk__in=rooms)
    if operator.name == "with" or name.startswith("@"):
        keys = [
            f"{min(user_id, other)}:{max(user_id, other)}" for other in _people(operator, user_id)
        ]
        return set(mine.filter(direct_key__in=keys).values_list("pk", flat=True))
    plain = _plain(name.removeprefix("#"))
    named, at_address = set(), set()
    for room, slug, title in mine.values_list("pk", "slug", "name"):
        if _plain(slug) == plain:
            at_address.add(room)
        elif _plain(title) == plain:
            named.add(room)
    if not (at_address or named):
        raise _refused(operator, RefusalReason.SEARCH_ROOM, "you are in no room of that name")
    return at_address or named


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().replace("ё", "е")


def _narrow(found: Filters, operator: Operator, zone: tzinfo, now: datetime) -> None:
    day = day_of(operator.value, zone, now)
    instant = None if operator.name == "on" else instant_of(operator.value, zone)
    if day is not None:
        begin, end = day
    elif instant is not None:
        begin = end = instant
    else:
        raise _refused(operator, RefusalReason.SEARCH_DATE, "a date looks like 2026-11-29")
    if operator.name != "before":
        first = end if operator.name == "after" else begin
        found.since = first if found.since is None else max(found.since, first)
    if operator.name != "after":
        last = begin if operator.name == "before" else end
        found.until = last if found.until is None else min(found.until, last)


def _condition(operator: Operator) -> Q:
    condition = CONDITIONS.get((operator.name, operator.value.lower()))
    if condition is None:
        known = ", ".join(sorted(OPERATORS[operator.name] or ()))
        raise _refused(operator, RefusalReason.SEARCH_VALUE, f"one of these is needed: {known}")
    return condition


def _refused(operator: Operator, reason: RefusalReason, why: str) -> ClientError:
    return ClientError(
        "bad_request",
        f"q: {operator.name}: {why}.",
        reason=reason,
        rule=Rule.SEARCH_OPERATORS,
        about=operator.typed,
    )
