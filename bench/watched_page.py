"""Large, busy rooms, and what they cost the page of a person who is in them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, Request

from localstack.installation import PROJECT
from localstack.running_stack import RunningStack

MAKE_SECONDS = 500.0
WHEEL_PX = 4_000
CROWD = [sys.executable, "-m", "bench.crowd"]


@dataclass(frozen=True)
class Room:
    id: int
    slug: str


def make_room(stack: RunningStack, name: str, owner: str, *, members: int, messages: int) -> Room:
    """A room of `members` people, its owner among them; all of it is stored."""
    done = subprocess.run(
        [*CROWD, "make", name, owner, str(members), str(messages)],
        cwd=PROJECT,
        env=stack.environment(),
        capture_output=True,
        text=True,
        timeout=MAKE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return Room(made["room"], made["slug"])


@dataclass
class Talk:
    """Posting in a room; `posted` is known when it has ended."""

    posted: int = 0


@contextmanager
def talk(stack: RunningStack, room: Room, rate: float) -> Iterator[Talk]:
    """While this context is open, others post `rate` messages a second to the room, or as many as
    it accepts."""
    talk = Talk()
    process = subprocess.Popen(
        [*CROWD, "talk", str(room.id), str(rate)],
        cwd=PROJECT,
        env=stack.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "talking\n"
        yield talk
        posted, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        talk.posted = int(posted)
    finally:
        process.kill()
        process.wait()


# A key counts as shown when the frame after it has been painted: a message posted in the frame's
# callback is received after the painting.
WATCH = """() => {
    if (window.watched) return;
    const watched = window.watched = { keys: [], tasks: [], rows: 0, members: 0 };
    addEventListener("keydown", (event) => {
        const painted = new MessageChannel();
        painted.port1.onmessage = () => watched.keys.push(performance.now() - event.timeStamp);
        requestAnimationFrame(() => painted.port2.postMessage(null));
    }, true);
    new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) watched.tasks.push(duration);
    }).observe({ entryTypes: ["longtask"] });
    setInterval(() => {
        watched.rows = Math.max(watched.rows, document.querySelectorAll("[data-row]").length);
        const members = document.querySelectorAll("[data-testid=member]").length;
        watched.members = Math.max(watched.members, members);
    }, 50);
}"""
FRESH = "() => Object.assign(watched, { keys: [], tasks: [], rows: 0, members: 0 })"


@dataclass
class Seen:
    """What a page was seen to do in a stretch of time. Times are in ms."""

    seconds: float = 0.0
    busy_seconds: float = 0.0
    """CPU time of the main thread."""
    keys: tuple[float, ...] = ()
    """From each key to the frame that shows it."""
    long_tasks: tuple[float, ...] = ()
    """Each over 50."""
    rows: int = 0
    """The most rows of the list of messages that were in the document at once."""
    members: int = 0
    requests: tuple[str, ...] = ()
    """Methods and paths of the REST API."""

    @property
    def longest_task(self) -> float:
        return max(self.long_tasks, default=0.0)

    @property
    def busy_share(self) -> float:
        return self.busy_seconds / self.seconds

    @property
    def blocked_ms(self) -> float:
        return sum(self.long_tasks)

    def key(self, share: float) -> float:
        """The delay within which that share of the keys stayed; 0 without keys."""
        if not self.keys:
            return 0.0
        return sorted(self.keys)[min(len(self.keys) - 1, int(share * len(self.keys)))]

    @property
    def median_key(self) -> float:
        return statistics.median(self.keys) if self.keys else 0.0


class Watched:
    """A page that is observed while a person uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")
        self._asked: list[str] = []
        page.on("request", self._ask)

    def _ask(self, request: Request) -> None:
        _, api, path = request.url.partition("/api/")
        if api:
            self._asked.append(f"{request.method} {path}")

    @contextmanager
    def stretch(self) -> Iterator[Seen]:
        """The yielded `Seen` holds what was seen during the block, once the block has ended."""
        seen = Seen()
        self.page.evaluate(WATCH)
        self.page.evaluate(FRESH)
        asked = len(self._asked)
        began, busy = time.monotonic(), self._cpu_seconds()
        yield seen
        # After the work under way, and one frame later.
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
        )
        seen.seconds = time.monotonic() - began
        seen.busy_seconds = self._cpu_seconds() - busy
        found: Mapping[str, Any] = self.page.evaluate("() => watched")
        seen.keys, seen.long_tasks = tuple(found["keys"]), tuple(found["tasks"])
        seen.rows, seen.members = found["rows"], found["members"]
        seen.requests = tuple(self._asked[asked:])

    def _cpu_seconds(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "ThreadTime")

    def type(self, text: str, pause_ms: float) -> None:
        """Type one key after another, with a pause, into the composer, which is then emptied."""
        composer = self.page.get_by_test_id("composer")
        composer.press_sequentially(text, delay=pause_ms)
        composer.fill("")

    def open(self, slug: str) -> None:
        """Enter a room by the sidebar; returns when its messages and members are there."""
        self.item(slug).click()
        self.page.locator(
            f"[data-testid=room-item][data-room-slug={slug}][aria-current=page]"
        ).wait_for()
        self.page.get_by_test_id("member").first.wait_for()

    def item(self, slug: str) -> Locator:
        return self.page.locator(f"[data-testid=room-item][data-room-slug={slug}]")

    def scroll(self, pixels: float) -> None:
        """Scroll with the wheel over the list of messages."""
        self.page.get_by_test_id("message-list").hover()
        self.page.mouse.wheel(0, pixels)

    def scroll_up_through(self, messages: int, within_seconds: float) -> int:
        """Scroll past `messages` messages; returns how many they were, fewer if time ran out."""
        deadline = time.monotonic() + within_seconds
        newest, passed = self._first_row(), 0
        while passed < messages and time.monotonic() < deadline:
            self.scroll(-WHEEL_PX)
            passed = newest - self._first_row()
        return passed

    def _first_row(self) -> int:
        row = self.page.locator("[data-row^=m]").first.get_attribute("data-row")
        assert row is not None
        return int(row[1:])
