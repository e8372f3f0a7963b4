"""An installation with people who chat on it, from the first process to the verdict.

The drill and the scenarios differ in what they do to the installation meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from localstack.process import StartFailed
from tests.drill import history, readback, report
from tests.drill.checker import Final, Verdict, Violation, judge
from tests.drill.clients import Client, Crowd, Pace, Person
from tests.drill.history import Recorder
from tests.drill.installation import Installation

SHARDS = 16
ROOMS = 6
SENDERS = 20
READERS = 8
SENDER = Pace(between=1.4, stay=(20.0, 60.0))
READER = Pace(between=0.0, stay=(2.0, 12.0), away=(0.1, 4.0))
WARM_UP_SECONDS = 4.0
# Requests under way when all faults are over get an answer within this time.
ANSWER_SECONDS = 60.0
# Events that are not stored, published and shown to everybody by then never will be.
QUIET_SECONDS = 120.0
CLOSE_SECONDS = 15.0


class Session:
    """Made by `session`. `problems` are violations that are not in the history."""

    def __init__(self, installation: Installation, recorder: Recorder, seed: int) -> None:
        self.installation = installation
        self.recorder = recorder
        self.seed = seed
        self.crowd = Crowd(recorder, installation.client_ports)
        self.clients: list[Client] = []
        self.rooms: list[int] = []
        self.problems: list[Violation] = []
        self.quiet_seconds: float | None = None
        self._began: dict[int, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def database(self) -> str:
        return self.installation.environment["DATABASE_URL"]

    @property
    def log(self) -> str:
        return self.installation.environment["LOG_REDIS_URL"]

    async def start(self) -> None:
        """Make people and rooms, and let the people chat. Raises: StartFailed."""
        made = await self.installation.prepare(SENDERS + READERS, ROOMS)
        self.rooms = [room["id"] for room in made["rooms"]]
        self._began = await asyncio.to_thread(readback.heads, self.database)
        for number, person in enumerate(made["people"]):
            self.clients.append(self._client(number, person, made["rooms"]))
        self._watermarks = readback.Watermarks(self.database, self.log, SHARDS, self.rooms)
        self._tasks = [asyncio.create_task(one.run(), name=one.name) for one in self.clients]
        self._tasks.append(asyncio.create_task(self._sample(), name="samples"))
        await asyncio.sleep(WARM_UP_SECONDS)

    def _client(self, number: int, person: dict[str, Any], rooms: list[dict[str, Any]]) -> Client:
        mine = tuple(room["id"] for room in rooms if person["id"] in room["members"])
        sends = number < SENDERS
        name = f"{'sender' if sends else 'reader'}-{number}"
        if sends:
            self.crowd.senders.add(name)
        return Client(
            name,
            Person(person["id"], person["token"], person["cookie"], mine),
            self.crowd,
            SENDER if sends else READER,
            self.seed,
        )

    async def _sample(self) -> None:
        while not self.crowd.closing:
            head = await self._watermarks.head()
            stored, exported = await self._watermarks.stored_and_exported()
            self.recorder.write(history.Sample, head=head, stored=stored, exported=exported)
            await asyncio.sleep(1.0)

    def check_alive(self) -> None:
        """Raises: Interrupted at Ctrl-C; the error that ended a client that should go on."""
        self.installation.raise_if_stopped()
        for task in self._tasks:
            if task.done():
                task.result()

    async def come_to_rest(self) -> None:
        """Stop new requests; returns when everything requested is everywhere."""
        say("waiting until everything has arrived")
        self.crowd.writing = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                while not all(one.is_idle() for one in self.clients):
                    self.check_alive()
                    await asyncio.sleep(0.1)
        for one in self.clients:
            for key in one.pending:
                self._stuck(f"{one.name} gets no answer", key)
        began = self.recorder.now()
        text = ""
        while self.quiet_seconds is None and self.recorder.now() - began < QUIET_SECONDS:
            self.check_alive()
            await asyncio.sleep(0.25)
            text = await self.what_is_missing()
            if not text:
                self.quiet_seconds = round(self.recorder.now() - began, 2)
        if text:
            self._stuck(f"{text} after {QUIET_SECONDS:g} s")
        for one in self.clients:
            self.recorder.write(history.Ended, client=one.name, positions=one.seqs())

    def _stuck(self, text: str, *keys: str) -> None:
        self.problems.append(Violation("STUCK", text, keys=keys))

    async def what_is_missing(self) -> str:
        head = await self._watermarks.head()
        stored, exported = await self._watermarks.stored_and_exported()
        if head is None or head != stored or stored != exported:
            return f"logged {head}, stored {stored}, published {exported}"
        heads = await asyncio.to_thread(readback.heads, self.database)
        for one in self.clients:
            for room, seq in one.seqs().items():
                if seq != heads.get(room):
                    return f"{one.name} has room {room} to {seq} of {heads.get(room)}"
        return ""

    async def close(self) -> None:
        """Let everybody leave. Raises the error that ended a client, if any."""
        self.crowd.closing = True
        if not self._tasks:
            return
        _, left = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in left:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._watermarks.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    # The verdict

    async def final(self) -> Final:
        """What is there now."""
        stored = await asyncio.to_thread(readback.stored_events, self.database)
        if self.installation.has_kafka:
            brokers = self.installation.environment["KAFKA_BOOTSTRAP_SERVERS"]
            bus = await asyncio.to_thread(readback.kafka_records, brokers)
        else:
            bus = await asyncio.to_thread(readback.stream_records, self.log)
        letters = await asyncio.to_thread(readback.dead_letters, self.log)
        keys = frozenset(letter.key for letter in letters if letter.key is not None)
        return Final(stored=stored, bus=bus, began=self._began, letters=keys)

    async def judge(self, final: Final) -> Verdict:
        """The verdict on the history, which must be closed, and on `problems`."""
        verdict = await asyncio.to_thread(judge, history.read(self.recorder.path), final)
        verdict.violations = [*self.problems, *verdict.violations]
        return verdict

    async def letters(self, expected: int) -> dict[str, int]:
        """The number of dead letters by reason; a total other than `expected` is a violation."""
        letters = await asyncio.to_thread(readback.dead_letters, self.log)
        found = [letter.reason for letter in letters]
        if len(found) != expected:
            text = f"{len(found)} dead letters, {expected} expected: {', '.join(found)}"
            self.problems.append(Violation("LETTERS", text))
        return {reason: found.count(reason) for reason in sorted(set(found))}

    async def verify(self) -> dict[str, Any] | None:
        """The output of `verify_delivery`; its findings are violations."""
        try:
            output = await self.installation.command(
                sys.executable, "manage.py", "verify_delivery", "--json", allowed=(0, 1)
            )
        except StartFailed as error:
            self.problems.append(Violation("VERIFY", str(error)))
            return None
        found: dict[str, Any] = json.loads(output)
        for one in found["findings"]:
            text = f"{one['check']}: {one['what']}: expected {one['expected']}, "
            self.problems.append(
                Violation("VERIFY", f"{text}found {one['found']}", one["room"], one["seq"])
            )
        return found

    async def outcome(
        self, name: str, settings: dict[str, Any], expected_letters: int = 0
    ) -> report.Outcome:
        """Close the history, read everything back and judge."""
        seconds = self.recorder.now()
        await self.close()
        self.recorder.close()
        say("verifying and judging")
        verification = await self.verify()
        letters = await self.letters(expected_letters)
        verdict = await self.judge(await self.final())
        installation = self.installation
        return report.Outcome(
            name=name,
            settings=settings,
            seconds=round(seconds, 1),
            verdict=verdict,
            verification=verification,
            quiet_seconds=self.quiet_seconds,
            letters=letters,
            answers_cut=sum(link.cut_count for link in installation.links.values()),
            started_again=sum("starting it again" in text for text in installation.messages),
            load=os.getloadavg(),
            errors_in_logs=report.errors_in_logs(installation.folder / "var" / "log"),
        )


@asynccontextmanager
async def session(installation: Installation, seed: int) -> AsyncIterator[Session]:
    """Start everything, and stop it in the end. Raises: StartFailed, Interrupted."""
    say("starting everything")
    try:
        await installation.start()
        with Recorder(installation.folder / "history.jsonl") as recorder:
            made = Session(installation, recorder, seed)
            try:
                await made.start()
                yield made
            finally:
                await made.close()
    finally:
        await installation.stop()


def say(text: str) -> None:
    sys.stdout.write(f"drill: {text}\n")
    sys.stdout.flush()


def new_folder(root: Path, name: str) -> Path:
    """A folder for this run; earlier ones are kept."""
    folder = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    folder.mkdir(parents=True)
    return folder
