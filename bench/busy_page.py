"""What large rooms and busy rooms cost the page of a person who is in them.

    .venv/bin/python -m bench.busy_page --members 400 1000 5000 --seconds 6

Starts an installation of its own. One person in Chromium types in an empty room, opens rooms with
the given numbers of members, types in a room of 1,000 members and 20,000 messages while others post
there, scrolls up in it, and scrolls through 10,000 messages. Compare the results with the empty
room of the same run: the machine's other work slows both.

Each stretch has a browser of its own and, once signed in, `--patience` seconds. For a page that
does not finish by then, the figure is "not in 30 s".

`--before DIR` does it twice, first with the interface of another commit: DIR is the folder that
`vite build` filled in a checkout of that commit, chat/static/chat/build. The server is the same.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from playwright.sync_api import BrowserContext, Route

from bench.servers import own_stack
from bench.watched_page import Room, Seen, Watched, make_room, talk
from localstack.chromium import chromium, sign_in
from localstack.running_stack import RunningStack

BUSY_MEMBERS = 1_000
BUSY_MESSAGES = 20_000
SCROLLED_THROUGH = 10_000
RATES = (20, 100)
TEXT = "eighteen letters.."
PAUSE_MS = 60.0
SIGN_IN_SECONDS = 60.0
STOP_SECONDS = 10.0
# Older builds do not know the notice that the page shows until its script has loaded.
HIDE_STARTING = ".starting { display: none !important }"
BUILD = "/static/chat/build/"

Figures = Iterator[tuple[str, float]]
# Results of each stretch by its name, as far as it got.
Results = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Bench:
    stack: RunningStack
    seconds: float
    patience_seconds: float


Stretch = Callable[[Bench, Watched], Figures]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--members", type=int, nargs="+", default=[400, 1_000, 5_000], help="of the large rooms"
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds of each stretch")
    parser.add_argument("--before", type=Path, help="a built interface to compare with")
    options = parser.parse_args()
    with own_stack() as stack:
        bench = Bench(stack, options.seconds, options.patience)
        stretches = prepare(stack, options.members)
        found: dict[str, Results] = {}
        if options.before:
            found["before"] = measure(bench, stretches, options.before)
        found["now"] = measure(bench, stretches, None)
    report(found, options.patience)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def prepare(stack: RunningStack, sizes: list[int]) -> dict[str, Stretch]:
    """Make the rooms; returns the stretches to run in them, by name."""
    say("making rooms")
    empty = make_room(stack, "empty", "anna", members=1, messages=0)
    stretches: dict[str, Stretch] = {"empty": typing_in(empty)}
    for members in sizes:
        room = make_room(stack, f"large-{members}", "anna", members=members, messages=0)
        stretches[f"{members:,} members"] = opening(room)
    busy = make_room(stack, "busy", "anna", members=BUSY_MEMBERS, messages=BUSY_MESSAGES)
    for rate in RATES:
        stretches[f"{rate}/s"] = typing_while_others_post(busy, rate)
    stretches["scrolled up"] = reading_above_the_end(busy)
    stretches["scrolling"] = scrolling(busy)
    return stretches


def measure(bench: Bench, stretches: dict[str, Stretch], build: Path | None) -> Results:
    results: Results = {}
    for name, stretch in stretches.items():
        results[name] = figures = bounded(bench, stretch, build)
        found = ", ".join(f"{figure}: {value:,.1f}" for figure, value in figures.items())
        say(f"{'before: ' if build else ''}{name}: {found or 'nothing'}")
    return results


def bounded(bench: Bench, stretch: Stretch, build: Path | None) -> dict[str, float]:
    """The results of `stretch` within its time, run in a process that can be ended: a page that
    does not answer blocks its caller."""
    told, teller = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=work, args=(teller, bench, stretch, build))
    process.start()
    teller.close()
    figures: dict[str, float] = {}
    if told.poll(SIGN_IN_SECONDS):
        with suppress(EOFError):  # the process failed, and reports that itself
            told.recv()
    deadline = time.monotonic() + bench.patience_seconds
    ended = False
    while not ended and told.poll(max(0.0, deadline - time.monotonic())):
        try:
            name, figure = told.recv()
            figures[name] = figure
        except EOFError:
            ended = True
    if ended:
        process.join(STOP_SECONDS)
        if process.exitcode != 0:
            sys.exit("A stretch failed.")
    else:
        end(process)
    return figures


def end(process: multiprocessing.context.ForkProcess) -> None:
    """End `process` and the processes it started; the browser ends with the pipe to it."""
    assert process.pid is not None
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.join(STOP_SECONDS)


def work(teller: Connection, bench: Bench, stretch: Stretch, build: Path | None) -> None:
    os.setsid()
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
        if build:
            serve(build, context)
        page = context.new_page()
        sign_in(page, bench.stack.address, "anna", bench.stack.accounts()["anna"])
        teller.send("signed in")
        page.set_default_timeout(2000 * bench.patience_seconds)  # `bounded` ends it before
        for figure in stretch(bench, Watched(page)):
            teller.send(figure)


def typing_in(room: Room) -> Stretch:
    def stretch(bench: Bench, watched: Watched) -> Figures:
        watched.open(room.slug)
        with watched.stretch() as seen:
            type_for(watched, bench.seconds)
        yield from typing(seen)

    return stretch


def opening(room: Room) -> Stretch:
    def stretch(bench: Bench, watched: Watched) -> Figures:
        with watched.stretch() as seen:
            began = time.monotonic()
            watched.open(room.slug)
            yield "opened, ms", 1000 * (time.monotonic() - began)
            watched.page.wait_for_timeout(bench.seconds * 1000)
        yield "longest block, ms", seen.longest_task
        yield "blocked in all, ms", seen.blocked_ms
        yield "rows of members", seen.members
        yield "requests", len(seen.requests)
        with talk(bench.stack, room, RATES[0]) as said, watched.stretch() as seen:
            watched.page.wait_for_timeout(bench.seconds * 1000)
        yield "requests a message", len(seen.requests) / said.posted
        yield "main thread busy, %", 100 * seen.busy_share

    return stretch


def typing_while_others_post(room: Room, rate: float) -> Stretch:
    def stretch(bench: Bench, watched: Watched) -> Figures:
        watched.open(room.slug)
        with talk(bench.stack, room, rate) as said, watched.stretch() as seen:
            type_for(watched, bench.seconds)
        yield from typing(seen)
        yield "messages", said.posted
        yield "requests a message", len(seen.requests) / said.posted
        yield "rows", seen.rows

    return stretch


def reading_above_the_end(room: Room) -> Stretch:
    def stretch(bench: Bench, watched: Watched) -> Figures:
        watched.open(room.slug)
        with talk(bench.stack, room, RATES[-1]), watched.stretch() as seen:
            watched.scroll(-1500)
            watched.page.wait_for_timeout(bench.seconds * 1000)
        yield "rows", seen.rows

    return stretch


def scrolling(room: Room) -> Stretch:
    def stretch(bench: Bench, watched: Watched) -> Figures:
        watched.open(room.slug)
        with watched.stretch() as seen:
            within = bench.patience_seconds / 2
            yield "messages", watched.scroll_up_through(SCROLLED_THROUGH, within)
        yield "rows", seen.rows
        yield "longest block, ms", seen.longest_task

    return stretch


def serve(build: Path, context: BrowserContext) -> None:
    """Give the pages of `context` the script and the styles of another build."""
    entry = json.loads((build / "manifest.json").read_text())["src/main.ts"]
    files = {"js": build / entry["file"], "css": build / entry["css"][0]}
    types = {"js": "text/javascript", "css": "text/css"}

    def answer(route: Route) -> None:
        kind = route.request.url.rpartition(".")[2]
        text = files[kind].read_text()
        if kind == "css":
            text += HIDE_STARTING
        route.fulfill(body=text, content_type=types[kind])

    context.route(f"**{BUILD}assets/*", answer)


def type_for(watched: Watched, seconds: float) -> None:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        watched.type(TEXT, PAUSE_MS)


def typing(seen: Seen) -> Figures:
    yield "key, median ms", seen.median_key
    yield "key, 99 % within ms", seen.key(0.99)
    yield "key, slowest ms", max(seen.keys)
    yield "longest block, ms", seen.longest_task
    yield "main thread busy, %", 100 * seen.busy_share


def report(found: dict[str, Results], patience_seconds: float) -> None:
    not_there = f"not in {patience_seconds:.0f} s"
    print(f"{'':40}" + "".join(f"{column:>14}" for column in found))
    for stretch in found["now"]:
        columns = [results[stretch] for results in found.values()]
        names = dict.fromkeys(name for figures in columns for name in figures)
        for name in names or {"anything": None}:
            values = (
                f"{figures[name]:,.2f}" if name in figures else not_there for figures in columns
            )
            print(f"{f'{stretch}: {name}':40}" + "".join(f"{value:>14}" for value in values))


if __name__ == "__main__":
    main()
