"""What a large room in which much is said costs the page, beside an empty room in the same run.

What is counted is exact. Times are compared with those of the empty room, and generously, because
the machine has other work; `bench/busy_page.py` gives the figures.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from bench.watched_page import Seen, Watched, make_room, talk
from localstack.running_stack import RunningStack
from tests.acceptance.people import PATIENCE_MS, People

MEMBERS = 1_000
MESSAGES = 5_000
RATE = 50
TEXT = "Does each of these keys show at once, however much is said here?"
PAUSE_MS = 60.0
# What is in view and what is kept beyond it, of messages (RowWindow) and of members (VirtualRows).
MOST_ROWS = 320 + 40
MOST_ROWS_AT_END = 160 + 20
MOST_MEMBERS = 60
# Members, bans, and the names of those who wrote.
MOST_REQUESTS_TO_OPEN = 5
CAME_WHILE_READING = 400
SCROLLED_THROUGH = 3_000
SCROLL_SECONDS = 120.0
# Work is CPU time, which the machine's other work changes little.
KEYS_TO_OPEN = 300.0
# A message took the work of 1 to 2 keys.
KEYS_A_MESSAGE = 6.0
# A key waits for what comes within a frame, which is longer where the processor is shared: 5 times
# as long as in the empty room on a machine with six times the work that it could do.
TIMES_AS_SLOW = 20.0
FRAMES_MS = 100.0
# Nobody is sure of a part of a second there. The blocks before lasted 9 seconds.
LONGEST_BLOCK_MS = 4_000.0


@pytest.mark.timeout(420)
def test_busy_room_asks_nothing_stays_small_and_lets_one_write(
    people: People, stack: RunningStack
) -> None:
    name = f"dora{uuid.uuid4().hex[:8]}"
    dora = people.newcomer(name)
    page = dora.page
    empty_room = make_room(stack, f"empty-{name}", name, members=1, messages=0)
    room = make_room(stack, f"busy-{name}", name, members=MEMBERS, messages=MESSAGES)
    watched = Watched(page)
    watched.open(empty_room.slug)
    empty = seen_while(watched, lambda: watched.type(TEXT, PAUSE_MS))

    opening = seen_while(watched, lambda: watched.open(room.slug))

    assert opening.members <= MOST_MEMBERS
    assert opening.rows <= MOST_ROWS_AT_END
    assert len(opening.requests) <= MOST_REQUESTS_TO_OPEN, opening.requests
    assert opening.longest_task < LONGEST_BLOCK_MS
    assert opening.busy_seconds < KEYS_TO_OPEN * work_of_a_key(empty)

    with talk(stack, room, RATE) as said:
        writing = seen_while(watched, lambda: watched.type(TEXT, PAUSE_MS))
        expect(page.get_by_test_id("message-list")).to_have_attribute("data-at-end", "true")

        reading = seen_while(watched, lambda: read_above_the_end(watched, room.slug))

    assert of_messages(writing) == of_messages(reading) == []
    assert writing.rows <= MOST_ROWS_AT_END
    assert reading.rows <= MOST_ROWS
    assert writing.median_key < TIMES_AS_SLOW * empty.median_key + FRAMES_MS
    assert max(writing.longest_task, reading.longest_task) < LONGEST_BLOCK_MS
    assert work_of_a_message(empty, writing) < KEYS_A_MESSAGE * work_of_a_key(empty)
    assert said.posted > CAME_WHILE_READING

    scrolling = seen_while(
        watched, lambda: watched.scroll_up_through(SCROLLED_THROUGH, SCROLL_SECONDS)
    )
    assert scrolling.rows <= MOST_ROWS


def of_messages(seen: Seen) -> list[str]:
    """The requests, without what each page asks every 30 seconds, whatever is said."""
    return [one for one in seen.requests if not one.startswith("GET v1/reports/")]


def seen_while(watched: Watched, work: Callable[[], object]) -> Seen:
    with watched.stretch() as seen:
        work()
    return seen


def read_above_the_end(watched: Watched, slug: str) -> None:
    """Until many messages have come below."""
    watched.scroll(-1_500)
    expect(watched.page.get_by_test_id("jump-latest")).to_be_visible()
    unread = watched.item(slug).get_by_test_id("unread")
    expect(unread).to_be_visible()
    watched.page.wait_for_function(
        "([badge, count]) => Number(badge.dataset.count) >= count",
        arg=[unread.element_handle(), CAME_WHILE_READING],
        timeout=PATIENCE_MS,
    )


def work_of_a_key(empty: Seen) -> float:
    """CPU seconds."""
    return empty.busy_seconds / len(empty.keys)


def work_of_a_message(empty: Seen, busy: Seen) -> float:
    """CPU seconds, without those of the keys that were typed beside."""
    keys = work_of_a_key(empty) * len(busy.keys)
    return max(0.0, busy.busy_seconds - keys) / (RATE * busy.seconds)
