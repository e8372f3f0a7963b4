"""The cluster drill: a kill, a restart, and a rolling restart of everything, while people chat.

Two crowds: the drill's people, who write and record everything that they are told, for the judge of
tests/drill; and watchers, who stay connected and measure how long they are disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.drill import readback, report
from tests.drill.cluster.installation import WORKERS, ClusterInstallation
from tests.drill.cluster.watchers import Gap, Watchers
from tests.drill.report import Outcome
from tests.drill.session import Session, say, session

CONNECTS_PER_SECOND = 60.0
# Watchers that are not back by then never will be.
PATIENCE_SECONDS = 60.0
PROBE_SECONDS = 0.2
RESTARTING = 1012


@dataclass
class Step:
    """The cost of one fault. `gaps` are those of the watchers who lost their connection."""

    name: str
    seconds: float
    gaps: list[Gap]
    sockets_before: dict[str, int]
    sockets_after: dict[str, int]
    all_back: bool

    def shown(self) -> dict[str, Any]:
        gaps = sorted(gap.seconds for gap in self.gaps)
        return {
            "step": self.name,
            "seconds": round(self.seconds, 1),
            "connections_lost": len(gaps),
            "gap_median_seconds": round(gaps[len(gaps) // 2], 2) if gaps else 0,
            "gap_longest_seconds": round(gaps[-1], 2) if gaps else 0,
            "back_at_the_first_try": sum(gap.tries == 1 for gap in self.gaps),
            "told_before": sum(gap.bye for gap in self.gaps),
            "close_codes": dict(Counter(str(gap.code) for gap in self.gaps)),
            "all_back": self.all_back,
            "sockets_before": self.sockets_before,
            "sockets_after": self.sockets_after,
        }


@dataclass
class Probe:
    """Requests a page through the gateway all the time; a deploy must not be noticed."""

    port: int
    asked: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            self.asked += 1
            try:
                status = await asyncio.to_thread(self._ask)
            except OSError as error:
                self.failed.append(type(error).__name__)
            else:
                if status != http.client.OK:
                    self.failed.append(str(status))
            await asyncio.sleep(PROBE_SECONDS)

    def _ask(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/accounts/login/")
            return connection.getresponse().status


class ClusterDrill:
    """Runs once; see `run`."""

    def __init__(self, folder: Path, *, watchers: int, seed: int, longest_gap: float) -> None:
        self.folder = folder
        self.seed = seed
        self.longest_gap = longest_gap
        self.installation = ClusterInstallation(folder, watchers=watchers)
        self.steps: list[Step] = []
        self.problems: list[str] = []
        self._watchers: Watchers

    async def run(self) -> dict[str, Any]:
        """Returns the summary, which is also in the folder. Raises: StartFailed, Interrupted."""
        installation = self.installation
        async with session(installation, self.seed) as chat:
            self._watchers = Watchers(
                installation.gateway_port, installation.watching, seed=self.seed
            )
            probe = Probe(installation.gateway_port)
            probing = asyncio.create_task(probe.run())
            try:
                await self._connect()
                await self._step("a web process is killed", chat, self._kill("web-1"))
                await self._step("a web process is asked to go", chat, self._restart("web-2"))
                every = (*installation.webs, *WORKERS, "beat")
                await self._step("rolling restart", chat, self._restart(*every))
                await self._rest(chat)
                resident = {
                    web: round(installation.processes(web)[0].memory_info().rss / 2**20)
                    for web in installation.webs
                }
            finally:
                probing.cancel()
                await asyncio.gather(probing, return_exceptions=True)
                await self._watchers.stop()
            settings = {"seed": self.seed, "watchers": len(self._watchers.all)}
            outcome = await chat.outcome("Cluster drill", settings)
        report.write(self.folder, outcome)
        summary = self._summary(outcome, probe)
        summary["resident_mib"] = resident
        (self.folder / "cluster.json").write_text(json.dumps(summary, indent=1))
        return summary

    async def _connect(self) -> None:
        await self._watchers.start(CONNECTS_PER_SECOND)
        if not await self._watchers.until_connected(PATIENCE_SECONDS):
            self.problems.append(f"only {self._watchers.connected()} watchers could connect")
        sockets = self.installation.sockets()
        say(f"sockets of each web process: {sockets}")
        even = sum(sockets.values()) / len(sockets)
        # The drill's people come and go meanwhile.
        if max(sockets.values()) - min(sockets.values()) > 0.1 * even + 6:
            self.problems.append(f"sockets are not spread evenly: {sockets}")
        self.spread = sockets

    async def _step(self, name: str, chat: Session, work: Any) -> None:
        chat.check_alive()
        before = self.installation.sockets()
        began = time.monotonic()
        await work
        all_back = await self._watchers.until_connected(PATIENCE_SECONDS)
        step = Step(
            name,
            time.monotonic() - began,
            self._watchers.gaps_since(began),
            before,
            self.installation.sockets(),
            all_back,
        )
        self.steps.append(step)
        shown = step.shown()
        say(
            f"{name}: {shown['connections_lost']} connections lost, longest gap "
            f"{shown['gap_longest_seconds']} s, first try {shown['back_at_the_first_try']}"
        )
        if not all_back:
            self.problems.append(f"{name}: {self._watchers.connected()} watchers are back")
        if shown["gap_longest_seconds"] > self.longest_gap:
            self.problems.append(
                f"{name}: somebody was disconnected for {shown['gap_longest_seconds']} s, "
                f"more than {self.longest_gap:g} s"
            )

    async def _kill(self, web: str) -> None:
        before = self.installation.pid(web)
        assert before is not None
        self.installation.processes(web)[0].kill()
        await self.installation.wait_until_back(web, before)

    async def _restart(self, *names: str) -> None:
        """Restart one after the other, each once the last is ready and its people are back."""
        for name in names:
            before = self.installation.sockets().get(name, 0)
            began = time.monotonic()
            await self.installation.restart_gracefully(name)
            await self._watchers.until_connected(PATIENCE_SECONDS)
            gaps = self._watchers.gaps_since(began)
            if any(not gap.bye or gap.code != RESTARTING for gap in gaps):
                codes = Counter((gap.code, gap.bye) for gap in gaps)
                self.problems.append(f"{name} went without `bye` and 1012: {dict(codes)}")
            if len(gaps) > before:
                self.problems.append(
                    f"{name}, which was asked to go, let {len(gaps) - before} people in first"
                )

    async def _rest(self, chat: Session) -> None:
        await chat.come_to_rest()
        heads = await asyncio.to_thread(readback.heads, chat.database)
        if not await self._watchers.until_they_have(heads, PATIENCE_SECONDS):
            self.problems.append("watchers have not seen every event")
        self.problems += self._watchers.problems()[:20]

    def _summary(self, outcome: Outcome, probe: Probe) -> dict[str, Any]:
        verdict = outcome.verdict
        self.problems += [f"{one.kind}: {one.text}" for one in verdict.violations]
        if probe.failed:
            self.problems.append(
                f"{len(probe.failed)} of {probe.asked} pages failed: {Counter(probe.failed)}"
            )
        verification = outcome.verification or {}
        return {
            "problems": self.problems,
            "sockets_when_all_had_come": self.spread,
            "steps": [step.shown() for step in self.steps],
            "pages_asked": probe.asked,
            "pages_failed": len(probe.failed),
            "verify_delivery_findings": len(verification.get("findings", ["not run"])),
            "judge": {"violations": len(verdict.violations)},
            "load_average": os.getloadavg(),
        }
