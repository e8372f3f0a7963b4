"""Marks people whose shown name could be taken for somebody else's: their user name, which is
unique, is then shown beside it everywhere.

Names need not be unique, as two people may well be called Anna; so a shared name is marked, not
forbidden. A person's row keeps the skeletons of their names (`chat.names.look_alikes`) and whether
another person's names look like them. Both are updated on every `save`; after each `migrate`,
`fill_in` adds them for rows written otherwise (by an old version, in bulk).

Open pages are told of a change (`chat.accounts.person_news`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.signals import post_migrate, post_save, pre_save

from chat.accounts import person_news
from chat.models import User
from chat.names import look_alikes

NAMES = ("display_name", "username")
SKELETONS = ("name_skeletons", "username_skeletons")
# One change of a name at a time: two at once would not see each other.
LOCK = 0x76656368655F6E6D
BATCH = 1_000
# Like `_is_shared`, but for everybody in one pass instead of a look at all others for each person.
SHARED_OF_ALL = """
    WITH shown AS (SELECT id, unnest(name_skeletons) AS skeleton FROM chat_user),
    taken AS (
        SELECT skeleton
        FROM (TABLE shown UNION SELECT id, unnest(username_skeletons) FROM chat_user) AS names
        GROUP BY skeleton HAVING count(*) > 1
    )
    SELECT DISTINCT person.id
    FROM taken JOIN shown USING (skeleton) JOIN chat_user AS person ON person.id = shown.id
    WHERE NOT person.name_is_shared
"""


def connect() -> None:
    """Starts following names; called once when the app is ready."""
    pre_save.connect(_before_save, sender=User, dispatch_uid="chat.accounts.shown_names")
    post_save.connect(_after_save, sender=User, dispatch_uid="chat.accounts.shown_names")
    post_migrate.connect(_after_migrate, dispatch_uid="chat.accounts.shown_names")


def fill_in() -> int:
    """Fills in missing skeletons, then who shares a name; returns how many people had none.

    May be run at any time and repeated; a batch is one transaction. Shared names are looked up even
    if no skeletons were missing: an earlier run may have been cut off in between.
    """
    filled = 0
    while batch := list(User.objects.filter(name_skeletons=None).order_by("pk")[:BATCH]):
        for user in batch:
            _set_skeletons(user)
        User.objects.bulk_update(batch, SKELETONS)
        filled += len(batch)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # it runs longer with more people
        cursor.execute(SHARED_OF_ALL)
        shared = [pk for (pk,) in cursor.fetchall()]
    for start in range(0, len(shared), BATCH):
        User.objects.filter(pk__in=shared[start : start + BATCH]).update(name_is_shared=True)
    return filled


def _set_skeletons(user: User) -> None:
    user.name_skeletons = sorted(look_alikes.skeletons(user.shown_name))
    user.username_skeletons = sorted(look_alikes.skeletons(user.username))


def _is_shared() -> Q:
    """True of people whose shown name looks like somebody else's shown name or user name."""
    others = User.objects.exclude(pk=OuterRef("pk"))
    return Q(Exists(others.filter(name_skeletons__overlap=OuterRef("name_skeletons")))) | Q(
        Exists(others.filter(username_skeletons__overlap=OuterRef("name_skeletons")))
    )


def _before_save(instance: User, update_fields: frozenset[str] | None, **kwargs: Any) -> None:
    instance._renamed_from = None  # type: ignore[attr-defined]
    if update_fields is not None and not update_fields.intersection(NAMES):
        return
    before = (
        None
        if instance.pk is None
        else User.objects.filter(pk=instance.pk).values_list(*NAMES, *SKELETONS).first()
    )
    _set_skeletons(instance)
    after = (instance.display_name, instance.username, *_skeletons(instance))
    if before != after:
        instance._renamed_from = before or ("", "", None, None)  # type: ignore[attr-defined]


def _skeletons(user: User) -> tuple[list[str] | None, list[str] | None]:
    return user.name_skeletons, user.username_skeletons


def _after_save(instance: User, created: bool, **kwargs: Any) -> None:
    before = instance._renamed_from  # type: ignore[attr-defined]
    if before is None:
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        # `save(update_fields=["display_name"])` has left the skeletons out.
        User.objects.filter(pk=instance.pk).update(
            **dict(zip(SKELETONS, _skeletons(instance), strict=True))
        )
        affected = (*before[2:], *_skeletons(instance))
        changed = _set_shared({one for some in affected for one in some or ()})
        instance.name_is_shared = User.objects.values_list("name_is_shared", flat=True).get(
            pk=instance.pk
        )
        told = changed if created else changed | {instance.pk}
        for user in User.objects.filter(pk__in=told):
            person_news.announce(user)


def _set_shared(skeletons: Iterable[str]) -> set[int]:
    """Checks everybody with one of these skeletons again; returns whose mark has changed.

    Even if many share a name, few marks change: the second person makes the name shared, and when
    the last but one goes it no longer is.
    """
    those = User.objects.filter(name_skeletons__overlap=list(skeletons))
    now_shared = list(those.filter(_is_shared(), name_is_shared=False).values_list("pk", flat=True))
    no_more = list(those.filter(~_is_shared(), name_is_shared=True).values_list("pk", flat=True))
    User.objects.filter(pk__in=now_shared).update(name_is_shared=True)
    User.objects.filter(pk__in=no_more).update(name_is_shared=False)
    return {*now_shared, *no_more}


def _after_migrate(sender: Any, apps: Any, **kwargs: Any) -> None:
    if sender.label != "chat":
        return
    try:
        apps.get_model("chat", "User")._meta.get_field("name_is_shared")
    except (LookupError, FieldDoesNotExist):
        return  # a backward migration has removed the columns
    fill_in()
