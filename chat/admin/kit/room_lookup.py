"""Finds rooms and people that somebody types into a filter, by number or by name."""

from __future__ import annotations

from chat.models import Room, User
from chat.protocol import MAX_ID

MAX_CHARACTERS = 150


def find_room(text: str) -> Room | None:
    """The room with this id or address; None when there is none, or nothing was typed."""
    text = text.strip().removeprefix("#")
    if not text or len(text) > MAX_CHARACTERS:
        return None
    if is_id(text):
        return Room.objects.filter(pk=int(text)).first()
    return Room.objects.filter(slug=text).first()


def find_person(text: str) -> User | None:
    """The person with this id or user name; None when there is none, or nothing was typed."""
    text = text.strip().removeprefix("@")
    if not text or len(text) > MAX_CHARACTERS:
        return None
    found = User.objects.filter(username__iexact=text).first()
    if found is None and is_id(text):
        found = User.objects.filter(pk=int(text)).first()
    return found


def is_id(text: str) -> bool:
    """Whether a form gives an id; only then is the text passed to PostgreSQL as a number."""
    return text.isascii() and text.isdecimal() and len(text) < 20 and 1 <= int(text) <= MAX_ID
