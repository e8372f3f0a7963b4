"""Keeps the entries of a shard that cannot be stored, and makes the placeholders for them.

The bytes of such an entry go to the dead letters, whatever they are; a person or a retry gets them
back from there (`put_back`). If the log had given the entry a place in its room, a placeholder is
stored at that place.
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
    """The quarantine of one batch of a shard.

    `letters` counts only the dead letters that this batch made. One that an earlier run made for
    the same entry has been counted already, and looked at if it stopped the shard.

    Every method raises redis.RedisError when the log server cannot keep the bytes; then the caller
    must not go on.
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
        """Keeps an entry that has no place; `event` is what could be read from it."""
        if event is None:
            origin = DeadLetterOrigin(shard=self._shard, stream_id=stream_id)
        else:
            origin = self._origin(stream_id, event, event.seq)
        self._enter(reason, error, origin, fields)

    def lost(self, room: int, first: int, last: int) -> EventQuarantined:
        """Data of the placeholders at places `first` … `last`, which the log gave out and lost."""
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
        """The placeholder at place `seq` for an entry of the room's log that cannot be read. The
        place precedes event `after` of the stream."""
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
        """The placeholder for a repeat that was given a place: it names the place of the first.

        An event that asked for something else under the same key was acknowledged too, so its
        bytes are kept.
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
    """Whether two events under one key ask for the same thing."""
    if (first.room, first.type) != (event.room, event.type):
        return False
    one, other = (events.decode_data(each.type, each.data) for each in (first, event))
    return events.as_asked(one) == events.as_asked(other)


def duplicate(event: RoomEvent, place: tuple[int, int]) -> Placed:
    """The placeholder for `event`, which is the same request as the one at (room, seq) `place`."""
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
