"""Reads a shard's ingest stream and decides what each entry is, before PostgreSQL is touched.

The stream is ours, but its content is not trusted: an old copy of the log may come back, an entry
may be damaged, a person may have written one by hand. An entry is an event for the next place of
its room, a repeat of a stored event, or a dead letter. A dead letter that had been given a place
gets a placeholder there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from chat import events
from chat.dead_letters import Reason
from chat.events import EventQuarantined, EventType, RoomEvent
from chat.models import Room
from chat.models import RoomEvent as StoredEvent
from chat.persistence import stored_events
from chat.persistence.projections import Placed
from chat.persistence.quarantine import Fields, Quarantine, placeholder_at
from chat.room_log import codec, keys
from chat.servers import streams
from chat.servers.redis_log import blocking_client

Entry = tuple[str, Fields]  # stream id, fields

# The most places of a gap that one batch fills. After an old PostgreSQL backup is restored, a gap
# may have a million places.
MAX_GAP_PLACES = 5_000


class Candidate(msgspec.Struct, frozen=True):
    """An event for the next place of its room, and the entry it came from."""

    placed: Placed
    stream_id: str
    fields: Fields


class _Position(msgspec.Struct):
    """How far a room is stored, including what this batch will store."""

    seq: int
    n: int


def read(shard: int, after: str, limit: int) -> list[Entry]:
    """At most `limit` entries after stream id `after`, in order."""
    found = streams.entries(blocking_client(), keys.ingest(shard), first=f"({after}", count=limit)
    return [(stream_id.decode(), fields) for stream_id, fields in found]


class Sorter:
    """Sorts one batch of entries of a shard.

    What cannot be stored goes to `quarantine`. `upto` is the stream id of the last entry that this
    batch handles; None when a gap takes the whole batch.
    """

    def __init__(
        self, shard: int, epoch: int, entries: Sequence[Entry], quarantine: Quarantine
    ) -> None:
        self._shard = shard
        self._epoch = epoch
        self._entries = entries
        self._quarantine = quarantine
        self.upto: str | None = entries[-1][0]

    def sort(self) -> list[Candidate]:
        """The events to store, without gaps in any room; the rest are dead letters or repeats."""
        readable = list(self._readable())
        rooms = {event.room for _, _, event in readable}
        self._positions = {
            room: _Position(seq, n)
            for room, seq, n in Room.objects.filter(id__in=rooms).values_list(
                "id", "stored_seq", "stored_n"
            )
        }
        self._heads = self._read_heads(rooms)
        return self._without_repeated_keys(self._in_place(readable))

    def _readable(self) -> Iterator[tuple[str, Fields, RoomEvent]]:
        for stream_id, fields in self._entries:
            try:
                event = codec.event_of(fields)
            except (KeyError, ValueError, OverflowError) as error:
                self._quarantine.keep(Reason.UNREADABLE, error, stream_id, fields)
                continue
            yield stream_id, fields, event

    def _in_place(self, readable: Iterable[tuple[str, Fields, RoomEvent]]) -> Iterator[Candidate]:
        for stream_id, fields, event in readable:
            position = self._positions.get(event.room)
            if position is None:
                self._quarantine.keep(
                    Reason.NO_ROOM, "The room does not exist.", stream_id, fields, event
                )
            elif event.epoch != self._epoch or event.seq <= position.seq:
                self._check_is_stored(stream_id, fields, event)
            elif self._heads is not None and event.seq > self._heads.get(event.room, 0):
                self._quarantine.keep(
                    Reason.NOT_LOGGED,
                    "The room's log does not go so far.",
                    stream_id,
                    fields,
                    event,
                )
            else:
                end = min(event.seq, position.seq + 1 + MAX_GAP_PLACES)
                yield from self._fill_gap(position, event, end)
                if end < event.seq:
                    self._leave_from(stream_id)
                    return
                yield self._candidate(stream_id, fields, event)
                position.seq, position.n = event.seq, event.n

    def _check_is_stored(self, stream_id: str, fields: Fields, event: RoomEvent) -> None:
        """Skips a repeat of what is stored; keeps anything else at a taken place."""
        stands = StoredEvent.objects.filter(
            room_id=event.room, seq=event.seq, epoch=event.epoch
        ).values_list("type", "key")
        for kind, key in stands:
            if kind == EventType.EVENT_QUARANTINED:
                return  # its bytes are in the dead letters already
            if kind == event.type and (None if key is None else str(key)) == event.key:
                return
        reason = Reason.PLACE_TAKEN if event.epoch == self._epoch else Reason.STALE_EPOCH
        self._quarantine.keep(
            reason, "Another event may stand at this place.", stream_id, fields, event
        )

    def _leave_from(self, stream_id: str) -> None:
        """Leaves this entry and all later ones to the next batch."""
        before = [one for one, _ in self._entries[: [i for i, _ in self._entries].index(stream_id)]]
        self.upto = before[-1] if before else None

    def _fill_gap(self, position: _Position, event: RoomEvent, end: int) -> Iterator[Candidate]:
        """The events that the stream lacks before place `end`, taken from the room's own log.

        Consecutive places that are lost there too share one dead letter: only their numbers are
        left.
        """
        first = position.seq + 1
        if first == end:
            return
        found = {
            int(stream_id.partition(b"-")[0]): fields
            for stream_id, fields in streams.entries(
                blocking_client(),
                keys.log(self._shard, event.room),
                first=f"{first}-0",
                last=f"{end - 1}-0",
            )
        }
        lost: EventQuarantined | None = None
        for seq in range(first, end):
            position.seq = seq
            fields = found.get(seq)
            if fields is None:
                if lost is None:
                    next_found = min((one for one in found if one > seq), default=end)
                    lost = self._quarantine.lost(event.room, seq, next_found - 1)
                yield Candidate(placeholder_at(event, seq, position.n, lost), "", {})
                continue
            lost = None
            try:
                recovered = codec.event_of(fields)
            except (KeyError, ValueError, OverflowError) as error:
                placed = self._quarantine.unreadable(error, fields, event, seq, position.n)
                yield Candidate(placed, "", fields)
                continue
            position.n = recovered.n
            yield self._candidate("", fields, recovered)

    def _candidate(self, stream_id: str, fields: Fields, event: RoomEvent) -> Candidate:
        try:
            data = checked_data(event)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            placed = self._quarantine.refused(Reason.INVALID_DATA, error, stream_id, fields, event)
            return Candidate(placed, stream_id, fields)
        return Candidate(Placed(event, data), stream_id, fields)

    def _without_repeated_keys(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Replaces events whose key was used before with placeholders that name the first event."""
        found = list(candidates)
        firsts = stored_under_keys([one.placed.event for one in found])
        result = []
        for one in found:
            event = one.placed.event
            if event.actor is None or event.key is None:
                result.append(one)
                continue
            first = firsts.setdefault((event.actor, event.key), event)
            if first is event:
                result.append(one)
                continue
            placed = self._quarantine.repeated(one.stream_id, one.fields, event, first)
            result.append(Candidate(placed, one.stream_id, one.fields))
        return result

    def _read_heads(self, rooms: Iterable[int]) -> dict[int, int] | None:
        """The last place in each room's own log at this epoch; no later place was given out.

        None when the log has lost the epoch since the entries were read. Then the entries are all
        that is left of it. They are stored, as no place is given out until this batch has ended.
        """
        ordered = list(rooms)
        pipeline = blocking_client().pipeline(transaction=True)
        pipeline.get(keys.epoch(self._shard))
        for room in ordered:
            pipeline.xrevrange(keys.log(self._shard, room), count=1)
        epoch, *lasts = pipeline.execute()
        here = str(self._epoch).encode()
        if epoch != here:
            return None
        heads = {}
        for room, last in zip(ordered, lasts, strict=True):
            for stream_id, fields in last:
                if fields.get(b"epoch") == here:
                    heads[room] = int(stream_id.partition(b"-")[0])
        return heads


def checked_data(event: RoomEvent) -> events.EventData:
    """The decoded data of an untrusted event.

    Raises: msgspec.MsgspecError, ValueError or RecursionError when it cannot be stored.
    """
    raw = bytes(event.data)
    if len(raw) > events.MAX_DATA_BYTES:
        raise ValueError(f"The data has {len(raw)} bytes.")
    raw.decode()  # the JSON decoder skips parts without checking that they are UTF-8
    if event.key is not None and str(uuid.UUID(event.key)) != event.key:
        raise ValueError("The key is not a UUID in its canonical form.")
    return events.decode_data(event.type, event.data)


def stored_under_keys(batch: Sequence[RoomEvent]) -> dict[tuple[int, str], RoomEvent]:
    """The stored events with the same (actor, key) as an event of `batch`.

    Raises: OperationalError.
    """
    keyed = [(one.actor, one.key) for one in batch if one.actor is not None and one.key]
    found = stored_events.find_by_keys(keyed)
    return {(one.actor, one.key): one for one in found if one.actor is not None and one.key}
