"""Keeps the parts of Veche running on one machine: starts, restarts, and stops them in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from localstack.process import (
    Program,
    ask_to_stop,
    kill_session,
    start,
    stop,
    stop_left_over,
    wait_until_ready,
    wait_until_stopped,
)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
# A part that ran for this long has recovered: its next death counts as the first.
STEADY_SECONDS = 60.0
POLL_SECONDS = 0.2


class Interrupted(Exception):
    """The person asked to stop while things were still starting."""


@dataclass
class Part:
    """A program under supervision; `check` raises until the program is ready."""

    program: Program
    check: Callable[[], None] = lambda: None
    ready_seconds: float = 60.0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    start_at: float = field(default=0.0)

    @property
    def name(self) -> str:
        return self.program.name


class Supervisor:
    """Runs parts in groups, and stops the group that was started last first.

    Runs in the main thread, because the children die with the thread that started them.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.groups: list[list[Part]] = []
        self.stop_asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self.stop_asked = True

    def start_group(self, parts: list[Part]) -> None:
        """Start `parts` at once and wait until all are ready.

        Raises: StartFailed, Interrupted.
        """
        self.launch(parts)
        self.wait_until_ready(parts)

    def launch(self, parts: list[Part]) -> None:
        """Start `parts` at once, on the thread with which they die."""
        self.groups.append(parts)
        for part in parts:
            if stop_left_over(part.program):
                self.say(f"{part.name} was left over from an earlier run and has been stopped")
            self._start(part)

    def wait_until_ready(self, parts: list[Part]) -> None:
        """Raises: StartFailed, Interrupted."""
        for part in parts:
            assert part.process is not None
            wait_until_ready(
                part.program,
                part.process,
                part.check,
                part.ready_seconds,
                between=self.raise_if_stopped,
            )

    def raise_if_stopped(self) -> None:
        if self.stop_asked:
            raise Interrupted

    def run_once(self, program: Program, seconds: float) -> int:
        """Run a program to its end and return its exit code. Raises: Interrupted."""
        process = start(program)
        deadline = time.monotonic() + seconds
        try:
            while process.poll() is None and time.monotonic() < deadline:
                self.raise_if_stopped()
                time.sleep(0.02)
        finally:
            stop(program, process)
        return process.returncode

    def _start(self, part: Part) -> None:
        part.process = start(part.program)
        part.started = time.monotonic()

    def watch(self) -> None:
        """Restart parts that die, until somebody asks to stop."""
        while not self.stop_asked:
            self.look_after_all()
            time.sleep(POLL_SECONDS)

    def look_after_all(self) -> None:
        for part in self.parts:
            self.look_after(part, time.monotonic())

    @property
    def parts(self) -> list[Part]:
        return [part for group in self.groups for part in group]

    def look_after(self, part: Part, now: float) -> None:
        """Start the part when it is due; note its death. `now` is monotonic, in seconds."""
        if part.process is None:
            if now >= part.start_at:
                self._start(part)
                self.say(f"{part.name} started again")
            return
        code = part.process.poll()
        if code is None:
            return
        kill_session(part.process.pid)  # its children, which nothing supervises now
        part.deaths = 1 if now - part.started > STEADY_SECONDS else part.deaths + 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (part.deaths - 1), LONGEST_PAUSE_SECONDS)
        part.process = None
        part.start_at = now + pause
        self.say(
            f"{part.name} {how_it_ended(code)}; starting it again in {pause:g} s "
            f"(see {part.program.log})"
        )

    def stop_all(self) -> None:
        """Stop every part, last group first; within a group all at once."""
        for group in reversed(self.groups):
            running = [part for part in group if part.process is not None]
            for part in running:
                assert part.process is not None
                ask_to_stop(part.program, part.process)
            for part in running:
                assert part.process is not None
                wait_until_stopped(part.program, part.process)
                part.process = None
        self.groups.clear()


def how_it_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def python(*arguments: str) -> tuple[str, ...]:
    """The command line of a Python module of ours."""
    return (sys.executable, "-m", *arguments)
