"""Scripted: the log server loses everything, and later an old copy of it comes back.

That loses events that were acknowledged but not yet stored: no system can prevent that. Veche
promises that the loss is noticed, told to clients and reported, that nothing else is lost, and that
no place is assigned twice.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from redis.asyncio import Redis

from localstack.valkey import Valkey
from tests.drill import history
from tests.drill.checker import Final, Violation
from tests.drill.history import AnyRecord
from tests.drill.installation import WORKERS, Installation
from tests.drill.process_faults import Processes
from tests.drill.readback import STREAM
from tests.drill.report import Outcome
from tests.drill.session import Session, say, session

CHAT_SECONDS = 8.0
UNSTORED_SECONDS = 3.0
# The next append or drain notices a loss; people in an idle room hear of it at a heartbeat.
NOTICE_SECONDS = 25.0
# The workers have stored events acknowledged at least this long before they stopped.
STORE_SECONDS = 2.0
PUBLISH_SECONDS = 60.0
REPORT = "log lost: shard"


async def lost_log(folder: Path, seed: int) -> Outcome:
    """Raises: StartFailed, Interrupted."""
    installation = Installation(folder)
    async with session(installation, seed) as chat:
        scenario = Scenario(chat, Processes(installation, random.Random(seed)))
        await scenario.flush_everything()
        await scenario.bring_back_an_old_copy()
        await chat.come_to_rest()
        await scenario.publish_again()
        outcome = await chat.outcome("The log is lost", {"seed": seed})
        allowed = scenario.judge(outcome)
    outcome.notes.append(f"{allowed:,} acknowledged requests were lost with the log, as told.")
    return outcome


class Scenario:
    def __init__(self, chat: Session, processes: Processes) -> None:
        self._chat = chat
        self._processes = processes
        self._installation = chat.installation
        self._frozen = 0.0
        self._flushed = 0.0

    async def flush_everything(self) -> None:
        """FLUSHALL while there are events that only the log has."""
        await asyncio.sleep(CHAT_SECONDS)
        await self._processes.freeze(*WORKERS)
        before = self._epochs(max)
        self._frozen = self._note("workers frozen", "inject")
        await asyncio.sleep(UNSTORED_SECONDS)
        self._note("FLUSHALL: log", "inject")
        async with Redis.from_url(self._chat.log) as log:
            await log.flushall()
        self._flushed = self._note("FLUSHALL: log", "heal")
        await self._processes.thaw()
        await self._expect_new_epochs(before)

    async def bring_back_an_old_copy(self) -> None:
        """Restore the files of some seconds ago, once everything since then is stored."""
        part = self._installation.part("log")
        server = self._installation.servers.of["LOG_REDIS_URL"]
        assert isinstance(server, Valkey)
        files, copy = server.data / "appendonlydir", self._installation.folder / "old-copy"
        shutil.copytree(files, copy)
        await asyncio.sleep(CHAT_SECONDS)
        await self._chat_is_stored()
        before = self._epochs(max)
        self._note("old copy: log", "inject")
        await self._installation.hold("log")
        shutil.rmtree(files)
        shutil.copytree(copy, files)
        await self._installation.release("log", part)
        self._note("old copy: log", "heal")
        await self._expect_new_epochs(before)

    async def publish_again(self) -> None:
        """The event bus was on the same server, and what is left of it has gaps: begin it anew, as
        docs/event-bus.md tells operators to."""
        async with Redis.from_url(self._chat.log) as log:
            await log.delete(STREAM)
        await self._installation.command(sys.executable, "manage.py", "shards", "rewind")
        async with asyncio.timeout(PUBLISH_SECONDS):
            while not is_published(await self._chat.final()):  # noqa: ASYNC110
                await asyncio.sleep(0.5)

    def _note(self, name: str, phase: str) -> float:
        return self._chat.recorder.write(history.FaultNote, number=0, name=name, phase=phase)

    async def _chat_is_stored(self) -> None:
        """Pause writing until everything is stored, so that the old copy costs nothing more."""
        self._chat.crowd.writing = False
        async with asyncio.timeout(NOTICE_SECONDS):
            while not all(one.is_idle() for one in self._chat.clients):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            while await self._chat.what_is_missing():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        self._chat.crowd.writing = True

    def _epochs(self, choose: Callable[[Iterable[int]], int]) -> dict[int, int]:
        """The epoch of each room: `choose` picks one of those that its people know."""
        return {
            room: choose(
                one.positions[room][0] for one in self._chat.clients if room in one.positions
            )
            for room in self._chat.rooms
        }

    async def _expect_new_epochs(self, before: dict[int, int]) -> None:
        """Go on chatting until everybody knows a later epoch than `before` in every room."""
        began = self._chat.recorder.now()
        there: dict[int, int] = {}
        while self._chat.recorder.now() - began < NOTICE_SECONDS:
            self._chat.check_alive()
            await asyncio.sleep(0.2)
            there = self._epochs(min)
            if all(epoch > before[room] for room, epoch in there.items()):
                took = self._chat.recorder.now() - began
                say(f"everybody has learned of the new epochs after {took:.1f} s")
                await asyncio.sleep(CHAT_SECONDS)
                return
        self._problem(
            f"after {NOTICE_SECONDS:g} s people are at epochs {there}, not beyond {before}"
        )

    def _problem(self, text: str) -> None:
        self._chat.problems.append(Violation("EPOCH", text))

    # The verdict: consequences of the loss are not violations

    def judge(self, outcome: Outcome) -> int:
        """Remove what the loss explains from the verdict; returns how many acknowledged requests.

        Adds a violation when the loss was not reported, or when there was none: then the scenario
        has proved nothing.
        """
        records = list(history.read(self._chat.recorder.path))
        gone = self._may_be_gone(records)
        kept = []
        explained: Counter[str] = Counter()
        for violation in outcome.verdict.violations:
            if self._is_explained(violation, gone):
                explained[violation.kind] += 1
            else:
                kept.append(violation)
        if not explained["LOST"]:
            kept.append(Violation("EPOCH", "nothing was lost: the scenario proves nothing"))
        if not self._is_reported():
            kept.append(Violation("EPOCH", "no process has reported the loss in its log"))
        outcome.verdict.violations = kept
        outcome.settings |= {f"explained {kind}": count for kind, count in explained.items()}
        return explained["LOST"]

    def _may_be_gone(self, records: list[AnyRecord]) -> set[str]:
        """Keys of requests sent before the flush that could have been stored only after the workers
        had stopped."""
        sent, safe = set(), set()
        for record in records:
            if isinstance(record, history.Attempt) and record.at <= self._flushed:
                sent.add(record.key)
            elif isinstance(record, history.Ok) and record.at < self._frozen - STORE_SECONDS:
                safe.add(record.key)
        return sent - safe

    @staticmethod
    def _is_explained(violation: Violation, gone: set[str]) -> bool:
        # MOVED is a repeat of a request whose first answer was lost too: docs/guarantee.md.
        explicable = violation.kind in {"LOST", "ABORTED READ", "MOVED"}
        return explicable and violation.keys[0] in gone

    def _is_reported(self) -> bool:
        logs = (self._installation.folder / "var" / "log").glob("*.log")
        return any(REPORT in path.read_text(errors="replace") for path in logs)


def is_published(final: Final) -> bool:
    """Whether everything stored is on the event bus."""
    bus = final.bus or {}
    return all(
        {event.seq for event in events} <= {record.seq for record in bus.get(room, ())}
        for room, events in final.stored.items()
    )
