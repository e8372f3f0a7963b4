"""Projects replies into the threads they belong to: how many there are, by whom, and until when.

A deleted reply is not counted until it is restored. Those who once replied stay among the people,
and the last reply stays the last one, so that neither has to be searched for in a long thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import connection

from chat.events import MessagePosted, ReplyPosted, RoomEvent, thread_of
from chat.protocol import MAX_NAMED_REPLIERS

# The rows of the replies must be in the table. Somebody is new in a thread if they have no row in
# it before their first one of these.
COUNT_REPLIES = """
    WITH new AS (
        SELECT * FROM unnest(%(rooms)s::bigint[], %(roots)s::bigint[], %(seqs)s::bigint[],
            %(authors)s::bigint[], %(times)s::timestamptz[]) AS new (room, root, seq, author, at)
    ), first AS (
        SELECT room, root, author, min(seq) AS seq FROM new
        WHERE author IS NOT NULL GROUP BY room, root, author
    ), came AS (
        SELECT room, root, count(*) AS people, array_agg(author ORDER BY seq) AS named FROM first
        WHERE NOT EXISTS (
            SELECT FROM chat_message AS earlier
            WHERE earlier.room_id = first.room AND earlier.thread = first.root
                AND earlier.author_id = first.author AND earlier.seq < first.seq)
        GROUP BY room, root
    ), sums AS (
        SELECT room, root, count(*) AS replies, max(seq) AS last_seq,
            (array_agg(at ORDER BY seq DESC))[1] AS last_at
        FROM new GROUP BY room, root
    )
    INSERT INTO chat_thread AS thread
        (room_id, root, replies, people, first_people, last_seq, last_at)
    SELECT room, root, replies, COALESCE(people, 0),
        COALESCE(named[1:%(named)s], ARRAY[]::bigint[]), last_seq, last_at
    FROM sums LEFT JOIN came USING (room, root)
    ON CONFLICT (room_id, root) DO UPDATE SET
        replies = thread.replies + EXCLUDED.replies,
        people = thread.people + EXCLUDED.people,
        first_people = (thread.first_people || EXCLUDED.first_people)[1:%(named)s],
        last_seq = EXCLUDED.last_seq,
        last_at = EXCLUDED.last_at
"""

# Who replies follows the thread, and so does the author of its root, unless they have decided
# otherwise. What was said before their first reply is not new to those who replied.
FOLLOW = """
    WITH new AS (
        SELECT room, root, author, min(seq) AS seq
        FROM unnest(%(rooms)s::bigint[], %(roots)s::bigint[], %(seqs)s::bigint[],
            %(authors)s::bigint[]) AS new (room, root, seq, author)
        GROUP BY room, root, author
    ), people AS (
        SELECT room, root, author, seq AS read FROM new WHERE author IS NOT NULL
        UNION ALL
        SELECT DISTINCT new.room, new.root, message.author_id, new.root
        FROM new JOIN chat_message AS message
            ON message.room_id = new.room AND message.seq = new.root
        WHERE message.author_id IS NOT NULL
    )
    INSERT INTO chat_threadfollow AS follow (user_id, room_id, root, following, read_seq)
    SELECT author, room, root, true, max(read) FROM people GROUP BY author, room, root
    ORDER BY author, room, root
    ON CONFLICT (user_id, room_id, root) DO UPDATE SET following = true
    WHERE follow.following IS NULL
"""

STAND = """
    UPDATE chat_thread SET replies = replies + change.number
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS change (room, root, number)
    WHERE chat_thread.room_id = change.room AND chat_thread.root = change.root
"""

RECOUNT = """
    INSERT INTO chat_thread (room_id, root, replies, people, first_people, last_seq, last_at)
    SELECT room_id, thread, count(*) FILTER (WHERE deleted_at IS NULL), count(DISTINCT author_id),
        ARRAY(
            SELECT author_id FROM chat_message WHERE room_id = %(room)s AND thread = %(root)s
                AND author_id IS NOT NULL
            GROUP BY author_id ORDER BY min(seq) LIMIT %(named)s),
        max(seq), (array_agg(at ORDER BY seq DESC))[1]
    FROM chat_message WHERE room_id = %(room)s AND thread = %(root)s GROUP BY room_id, thread
    ON CONFLICT (room_id, root) DO UPDATE SET
        replies = EXCLUDED.replies, people = EXCLUDED.people,
        first_people = EXCLUDED.first_people,
        last_seq = EXCLUDED.last_seq, last_at = EXCLUDED.last_at
"""


def count_replies(posted: Sequence[tuple[RoomEvent, MessagePosted | ReplyPosted]]) -> None:
    """Counts those of `posted`, in seq order, that are replies. Their rows are in the table, and
    no later reply's is."""
    replies = [
        (event.room, root, event.seq, event.actor, event.at)
        for event, data in posted
        if (root := thread_of(data)) is not None
    ]
    if not replies:
        return
    names = ("rooms", "roots", "seqs", "authors", "times")
    columns = (list(column) for column in zip(*replies, strict=True))
    values: dict[str, Any] = {**dict(zip(names, columns, strict=True)), "named": MAX_NAMED_REPLIERS}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_REPLIES, values)
        cursor.execute(FOLLOW, values)


def change_standing(changed: Sequence[tuple[int, int | None]], number: int) -> None:
    """Adds `number`, 1 or -1, for each message (room, root of its thread) that now stands or no
    longer does."""
    of_thread = Counter((room, root) for room, root in changed if root is not None)
    if not of_thread:
        return
    rooms, roots = zip(*of_thread, strict=True)
    numbers = [number * messages for messages in of_thread.values()]
    with connection.cursor() as cursor:
        cursor.execute(STAND, [list(rooms), list(roots), numbers])


def recount(room: int, root: int) -> None:
    """Counts a whole thread again, for a reply that comes late: for rare work, not for requests."""
    with connection.cursor() as cursor:
        cursor.execute(RECOUNT, {"room": room, "root": root, "named": MAX_NAMED_REPLIERS})
