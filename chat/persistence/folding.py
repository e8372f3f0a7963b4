"""Folds a batch of changes into those that matter, so that they take few statements. Pure.

The result has the same effect as applying one change after the other: order matters only among
changes of the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from chat.events import EventData, EventType, MessageEdited, MessageTarget, Reaction, RoomEvent

Change = tuple[RoomEvent, EventData]
Data = TypeVar("Data", bound=EventData)

TEXT_CHANGES = (
    EventType.MESSAGE_EDITED,
    EventType.MESSAGE_DELETED,
    EventType.MESSAGE_RESTORED,
)
REACTION_CHANGES = (EventType.REACTION_ADDED, EventType.REACTION_REMOVED)


class Folded(msgspec.Struct):
    """Lists with at most one change per thing, except `in_turn`, which must be applied in order."""

    edited: list[tuple[RoomEvent, MessageEdited]] = []
    deleted: list[tuple[RoomEvent, MessageTarget]] = []
    added: list[tuple[RoomEvent, Reaction]] = []
    removed: list[tuple[RoomEvent, Reaction]] = []
    in_turn: list[Change] = []


def fold(changes: Iterable[Change]) -> Folded:
    """`changes` in log order, folded."""
    folded = Folded()
    of_message: dict[tuple[int, int], list[Change]] = {}
    of_reaction: dict[tuple[int, int, int | None, str], tuple[RoomEvent, Reaction]] = {}
    for event, data in changes:
        if event.type in TEXT_CHANGES:
            assert isinstance(data, MessageEdited | MessageTarget)
            of_message.setdefault((event.room, data.target), []).append((event, data))
        elif event.type in REACTION_CHANGES:
            assert isinstance(data, Reaction)
            of_reaction[event.room, data.target, event.actor, data.emoji] = (event, data)
        else:
            folded.in_turn.append((event, data))
    for of_one in of_message.values():
        _fold_message(of_one, folded)
    for event, reaction in of_reaction.values():
        added = event.type is EventType.REACTION_ADDED
        (folded.added if added else folded.removed).append((event, reaction))
    return folded


def _fold_message(changes: list[Change], folded: Folded) -> None:
    """Keeps the last of several edits, and the first of one person's deletions.

    When several people deleted the message, which deletion counts depends on who wrote it.
    """
    kinds = {event.type for event, _ in changes}
    actors = {event.actor for event, _ in changes}
    if kinds == {EventType.MESSAGE_EDITED}:
        folded.edited.append(changes[-1])  # type: ignore[arg-type]
    elif kinds == {EventType.MESSAGE_DELETED} and len(actors) == 1:
        folded.deleted.append(changes[0])  # type: ignore[arg-type]
    else:
        folded.in_turn += changes
