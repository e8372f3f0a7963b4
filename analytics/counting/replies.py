"""Finds the first reply to each message, whatever order they are counted in.

The first reply is the one with the lowest seq that is not by the message's own author, within
`SLOWEST_REPLY_DAYS`. Called by `analytics.counting.rollups` inside its transaction, with the rooms
locked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from analytics.counting import statements
from analytics.counting.batch_sums import QUARTER, Posted, Reply, Sums
from analytics.counting.places import Places
from analytics.counting.sketches import bucket_of
from analytics.counting.statements import run
from analytics.models import SLOWEST_REPLY_DAYS

_SLOWEST = timedelta(days=SLOWEST_REPLY_DAYS)

Place = tuple[int, int]  # room, seq
# (room, quarter since 1970, bucket) → replies more or fewer
Histogram = Counter[tuple[int, int, int]]


def write(sums: Sums, late: Sequence[Place], rooms: Mapping[int, Places]) -> Histogram:
    """Writes the batch's messages; returns what they and their replies add to `ReplyTimes`.

    `late` are the events that came for open places: replies to them may exist already.
    """
    came = list(sums.replies)
    if late:
        came += [
            Reply(*row)
            for row in run(
                statements.TAKE_EARLY, [room for room, _ in late], [seq for _, seq in late]
            )
        ]
    targets = _read_targets({(one.room, one.target) for one in came} - sums.posted.keys())
    known = targets | sums.posted
    histogram: Histogram = Counter()
    changed: set[Place] = set()
    early: list[Reply] = []
    for reply in came:
        place = reply.room, reply.target
        target = known.get(place)
        if target is not None:
            if _answers(reply, target):
                _take(reply, target, histogram)
                changed.add(place)
        elif rooms[reply.room].is_open(reply.target):
            early.append(reply)
    _write_posted({place: known[place] for place in changed | sums.posted.keys()})
    if early:
        rows = sorted((one.room, one.target, one.seq, one.at, one.author) for one in early)
        run(statements.WRITE_EARLY, *(list(column) for column in zip(*rows, strict=True)))
    return histogram


def _answers(reply: Reply, target: Posted) -> bool:
    """Whether it is the first reply, as far as known now."""
    return (
        reply.author is not None
        and reply.author != target.author
        and (target.reply_seq is None or reply.seq < target.reply_seq)
        and reply.at - target.at <= _SLOWEST
    )


def _take(reply: Reply, target: Posted, histogram: Histogram) -> None:
    if target.reply_at is not None:
        histogram[_cell(reply.room, target)] -= 1
    target.reply_seq, target.reply_at = reply.seq, reply.at
    histogram[_cell(reply.room, target)] += 1


def _cell(room: int, target: Posted) -> tuple[int, int, int]:
    assert target.reply_at is not None
    # A log server's clock may have been set back between the two.
    seconds = max(0.0, (target.reply_at - target.at).total_seconds())
    return room, int(target.reply_at.timestamp()) // QUARTER, bucket_of(seconds)


def _read_targets(places: set[Place]) -> dict[Place, Posted]:
    if not places:
        return {}
    rows = run(
        statements.READ_POSTED, [room for room, _ in places], [target for _, target in places]
    )
    return {(row[0], row[1]): Posted(*row[2:]) for row in rows}


def _write_posted(posted: Mapping[Place, Posted]) -> None:
    if not posted:
        return
    rows = [
        (*place, one.at, one.author, one.reply_seq, one.reply_at)
        for place, one in sorted(posted.items(), key=lambda item: item[0])
    ]
    run(statements.WRITE_POSTED, *(list(column) for column in zip(*rows, strict=True)))
