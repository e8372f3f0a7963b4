"""The drill: one fault after another, each healed, while people chat."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.drill import history
from tests.drill.checker import Violation
from tests.drill.faults import Fault, deck
from tests.drill.flow import FlowWatch
from tests.drill.installation import Installation
from tests.drill.link_faults import link_faults
from tests.drill.process_faults import process_faults
from tests.drill.report import Done, Outcome
from tests.drill.server_faults import Servers, server_faults
from tests.drill.session import Session, say, session

# If messages do not flow again within this time, the fault does not heal by itself.
FLOW_SECONDS = 60.0
REST_SECONDS = (1.0, 3.0)


@dataclass
class Drill:
    """Runs once: faults for `minutes`, at most `most` of them, only those whose name holds `only`.

    The same `seed` makes the same faults in the same order, and people with the same requests. The
    timing on the machine is never the same.
    """

    folder: Path
    minutes: float
    seed: int
    kafka: bool = False
    most: int | None = None
    only: str = ""
    done: list[Done] = field(default_factory=list)

    async def run(self) -> Outcome:
        """Raises: StartFailed, Interrupted."""
        installation = Installation(self.folder, kafka=self.kafka)
        async with session(installation, self.seed) as chat:
            pick = random.Random(self.seed)
            servers = Servers(
                installation, chat.rooms, chat.recorder, lambda: chat.crowd.acknowledged, pick
            )
            possible = [
                *process_faults(installation, pick),
                *link_faults(installation),
                *server_faults(servers),
            ]
            await self._make_faults(chat, [one for one in possible if self.only in one.name], pick)
            await chat.come_to_rest()
            settings: dict[str, Any] = {
                "seed": self.seed,
                "minutes": self.minutes,
                "event bus": "Apache Kafka" if self.kafka else "Redis Stream",
            }
            outcome = await chat.outcome("Fault drill", settings, servers.poisoned)
        outcome.faults = self.done
        if not outcome.verdict.indefinite_applied:
            outcome.notes.append(
                "No request without an answer had an effect: this run says nothing about those."
            )
        return outcome

    async def _make_faults(
        self, chat: Session, possible: Sequence[Fault], pick: random.Random
    ) -> None:
        end = chat.recorder.now() + self.minutes * 60
        for number, fault in enumerate(deck(possible, pick), start=1):
            if chat.recorder.now() >= end or number > (self.most or number):
                return
            chat.check_alive()
            await self._make(number, fault, chat)
            await asyncio.sleep(pick.uniform(*REST_SECONDS))

    async def _make(self, number: int, fault: Fault, chat: Session) -> None:
        recorder, crowd = chat.recorder, chat.crowd

        def note(phase: str) -> float:
            return recorder.write(history.FaultNote, number=number, name=fault.name, phase=phase)

        injected = note("inject")
        await fault.inject()
        watch = FlowWatch(injected, crowd.senders, fault.web)
        if fault.kill:
            crowd.watch = watch
        await asyncio.sleep(fault.hold_seconds)
        chat.problems += [
            Violation("FAULT", f"{fault.name}: {problem}") for problem in await fault.problems()
        ]
        await fault.heal()
        healed = note("heal")
        if not fault.kill:
            watch = crowd.watch = FlowWatch(healed, crowd.senders, fault.web)
        while not watch.is_complete() and recorder.now() - healed < FLOW_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        crowd.watch = None
        note("flows" if watch.is_complete() else "stuck")
        done = Done(
            number=number,
            kind=fault.kind,
            target=fault.target,
            injected=injected,
            healed=healed,
            flow_from=watch.began,
            flow=watch.flow,
            flows=watch.is_complete(),
        )
        self.done.append(done)
        if not done.flows:
            text = f"after {fault.name} not everything flows within {FLOW_SECONDS:g} s"
            chat.problems.append(Violation("STUCK", f"{text}: {watch.flow}"))
        ending = f"flows after {done.longest:4.1f} s" if done.flows else "STUCK"
        say(f"{number:3} {fault.name:<44} {healed - injected:5.1f} s, {ending}")
