"""Keeps what a shard's entries cannot become, and says what stands at its place.

Whatever the entry is, its bytes go to the dead letters, and from there a person or a retry gets
them back (`put_back`). Where it had been given a place of its room, a placeholder stands there.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chat import dead_letters, events
from chat.dead_letters import DeadLetterOrigin, Reason
from chat.events import EventQuarantined, EventType, RoomEvent
from chat.persistence.projections import Placed

Fields = Mapping[bytes, bytes]


class Quarantine:
    """That of one batch of a shard.

    `letters` counts the dead letters that this batch made: one that an earlier run made for the
    same entry has been counted, and looked at if it stopped the shard.

    Every method raises redis.RedisError when the log server cannot keep the bytes; the caller must
    not go on then.
    """

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self.letters = 0

    def keep(
        self,
        reason: Reason,
        error: BaseException | str,
        stream_id: str,
        fields: Fields,
        event: RoomEvent | None = None,
    ) -> None:
        """Keeps an entry that has no place; `event` is what was read out of it."""
        if event is None:
            origin = DeadLetterOrigin(shard=self._shard, stream_id=stream_id)
        else:
            origin = self._origin(stream_id, event, event.seq)
        self._enter(reason, error, origin, fields)

    def lost(self, room: int, first: int, last: int) -> EventQuarantined:
        """What stands at the places `first` … `last`, which the log gave out and lost."""
        letter = self._enter(
            Reason.MISSING,
            f"The log gave out the places {first} to {last} and lost them.",
            DeadLetterOrigin(shard=self._shard, room=room, seq=first),
            {},
        )
        return EventQuarantined(reason=Reason.MISSING, original_type="", dead_letter=letter)

    def unreadable(
        self, error: BaseException, fields: Fields, after: RoomEvent, seq: int, n: int
    ) -> Placed:
        """The placeholder at place `seq` for what the room's log has there, before event `after`
        of the stream."""
        return self._placeholder(
            Reason.UNREADABLE, error, self._origin("", after, seq), fields, after, seq, n
        )

    def refused(
        self,
        reason: Reason,
        error: BaseException | str,
        stream_id: str,
        fields: Fields,
        event: RoomEvent,
    ) -> Placed:
        """The placeholder for an event that cannot be stored."""
        origin = self._origin(stream_id, event, event.seq)
        return self._placeholder(reason, error, origin, fields, event, event.seq, event.n)

    def repeated(
        self, stream_id: str, fields: Fields, event: RoomEvent, first: RoomEvent
    ) -> Placed:
        """The placeholder for a repeat that slipped through: it names where the first one stands.

        One that asked for something else under the same key was acknowledged too: its bytes are
        kept.
        """
        place = (first.room, first.seq)
        if same_request(first, event):
            return duplicate(event, place)
        letter = self._enter(
            Reason.KEY_CONFLICT,
            "Its author had used the key for something else.",
            self._origin(stream_id, event, event.seq),
            fields,
        )
        data = EventQuarantined(
            reason=Reason.KEY_CONFLICT,
            original_type=event.type,
            dead_letter=letter,
            duplicate_of=place,
        )
        return placeholder_at(event, event.seq, event.n, data)

    def _placeholder(
        self,
        reason: Reason,
        error: BaseException | str,
        origin: DeadLetterOrigin,
        fields: Fields,
        event: RoomEvent,
        seq: int,
        n: int,
    ) -> Placed:
        letter = self._enter(reason, error, origin, fields)
        original = fields.get(b"type", b"").decode(errors="replace")
        data = EventQuarantined(reason=reason, original_type=original, dead_letter=letter)
        return placeholder_at(event, seq, n, data)

    def _origin(self, stream_id: str, event: RoomEvent, seq: int) -> DeadLetterOrigin:
        return DeadLetterOrigin(
            shard=self._shard, stream_id=stream_id, room=event.room, seq=seq, key=event.key
        )

    def _enter(
        self, reason: Reason, error: BaseException | str, origin: DeadLetterOrigin, fields: Fields
    ) -> str:
        entered = dead_letters.enter(
            source="persist",
            reason=reason,
            error=error,
            origin=origin,
            payload=dead_letters.pack_entry(fields),
        )
        self.letters += entered.new
        return entered.id


def same_request(first: RoomEvent, event: RoomEvent) -> bool:
    """Whether two events under one key ask for the same."""
    if (first.room, first.type) != (event.room, event.type):
        return False
    one, other = (events.decode_data(each.type, each.data) for each in (first, event))
    return events.as_asked(one) == events.as_asked(other)


def duplicate(event: RoomEvent, place: tuple[int, int]) -> Placed:
    """The placeholder for `event`, the same request as what stands at (room, seq) `place`."""
    data = EventQuarantined(reason="duplicate", original_type=event.type, duplicate_of=place)
    return placeholder_at(event, event.seq, event.n, data)


def placeholder_at(event: RoomEvent, seq: int, n: int, data: EventQuarantined) -> Placed:
    """A placeholder at place `seq` of the room of `event`, with its epoch and time."""
    encoded = events.encode_data(data)
    return Placed(
        RoomEvent(
            room=event.room,
            epoch=event.epoch,
            seq=seq,
            n=n,
            type=EventType.EVENT_QUARANTINED,
            key=None,
            actor=None,
            at=event.at,
            data=msgspec.Raw(encoded),
        ),
        data,
    )
