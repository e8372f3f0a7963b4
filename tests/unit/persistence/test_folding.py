"""A folded batch has the same effect as its changes one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chat.events import EventType, MessageEdited, MessageTarget, Reaction, RoomEvent
from chat.persistence import folding
from chat.persistence.folding import Change

START = datetime(2026, 1, 1, tzinfo=UTC)
AUTHOR = 1  # of all messages
KINDS = [*folding.TEXT_CHANGES, *folding.REACTION_CHANGES]


class World:
    """What the tables would hold: as the statements of `chat.persistence.projections` leave
    them."""

    def __init__(self) -> None:
        places = [(room, target) for room in (1, 2) for target in (1, 2, 3)]
        self.bodies: dict[tuple[int, int], tuple[str, datetime | None]] = dict.fromkeys(
            places, ("first", None)
        )
        self.deleted: dict[tuple[int, int], tuple[datetime, int | None] | None] = dict.fromkeys(
            places
        )
        self.reactions: set[tuple[int, int, int | None, str]] = set()

    def apply(self, event: RoomEvent, data: object) -> None:
        assert isinstance(data, MessageEdited | MessageTarget | Reaction)
        place = (event.room, data.target)
        if isinstance(data, Reaction):
            reaction = (*place, event.actor, data.emoji)
            if event.type is EventType.REACTION_ADDED:
                self.reactions.add(reaction)
            else:
                self.reactions.discard(reaction)
        elif isinstance(data, MessageEdited):
            if self.deleted[place] is None:
                self.bodies[place] = (data.body, event.at)
        else:
            self._delete_or_restore(event, place)

    def _delete_or_restore(self, event: RoomEvent, place: tuple[int, int]) -> None:
        deletion = self.deleted[place]
        by_author = deletion is not None and deletion[1] == AUTHOR
        if event.type is EventType.MESSAGE_RESTORED:
            self.deleted[place] = deletion if by_author else None
        elif deletion is None or (event.actor == AUTHOR and not by_author):
            self.deleted[place] = (event.at, event.actor)


def as_change(number: int, kind: EventType, room: int, target: int, actor: int) -> Change:
    event = RoomEvent(
        room=room,
        epoch=1,
        seq=number + 10,
        n=3,
        type=kind,
        key=None,
        actor=actor,
        at=START + timedelta(seconds=number),
        data=msgspec.Raw(b"{}"),
    )
    if kind in folding.REACTION_CHANGES:
        return event, Reaction(target=target, emoji="👍")
    if kind is EventType.MESSAGE_EDITED:
        return event, MessageEdited(target=target, body=f"edit {number}")
    return event, MessageTarget(target=target)


kinds_and_places = st.tuples(
    st.sampled_from(KINDS), st.integers(1, 2), st.integers(1, 3), st.integers(1, 2)
)


@given(st.lists(kinds_and_places, max_size=25), st.lists(kinds_and_places, max_size=10))
def test_folded_batch_has_the_effect_of_its_changes_in_turn(
    batch: list[tuple[EventType, int, int, int]], earlier: list[tuple[EventType, int, int, int]]
) -> None:
    before = [as_change(i, *one) for i, one in enumerate(earlier)]
    changes = [as_change(i + 100, *one) for i, one in enumerate(batch)]
    in_turn, at_once = World(), World()
    for change in before:
        in_turn.apply(*change)
        at_once.apply(*change)
    for change in changes:
        in_turn.apply(*change)

    folded = folding.fold(changes)

    for group in (folded.edited, folded.deleted, folded.added, folded.removed, folded.in_turn):
        for event, data in group:
            at_once.apply(event, data)
    assert vars(at_once) == vars(in_turn)


def test_no_statement_changes_the_same_thing_twice() -> None:
    changes = [as_change(i, EventType.MESSAGE_EDITED, 1, 1, 1) for i in range(5)]
    changes += [as_change(i, EventType.REACTION_ADDED, 1, 1, 1) for i in range(5)]

    folded = folding.fold(changes)

    assert [data.body for _, data in folded.edited] == ["edit 4"]
    assert len(folded.added) == 1
    assert folded.in_turn == []
