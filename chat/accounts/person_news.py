"""Tells open pages what has changed about a person: the frame `person`, a hint like any other."""

from __future__ import annotations

from django.db import transaction
from msgspec import structs

from chat.accounts import people
from chat.hints import to_hubs
from chat.models import User


def announce(user: User) -> None:
    """Tells everybody connected, after the commit of the running transaction, if any.

    May block for the bus's time-outs, so call it in threads only.
    """
    shown = structs.asdict(people.info(user))
    if not shown["deactivated"]:
        del shown["deactivated"]  # hubs of an older version do not know this field
    message = {"type": "person", "user": shown}
    transaction.on_commit(lambda: to_hubs.publish_blocking(to_hubs.HUBS_GROUP, message))
