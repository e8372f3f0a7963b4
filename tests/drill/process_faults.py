"""Processes that are killed, frozen and thawed, restarted in turn, or run in too many copies."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
from collections.abc import Iterator, Sequence

import psutil

from localstack.process import kill_session, start
from tests.drill.faults import Fault
from tests.drill.installation import WEBS, WORKERS, Installation

# Longer than any restart: Django's start on a busy machine, and the supervisor's pause.
RESTART_SECONDS = 60.0
# Shorter and longer than the time-outs of the callers: 5 s for log and bus, 15 s for a statement
# and for a paused drain.
FREEZES = {
    "log": (2.5, 8.0),
    "bus": (2.5, 8.0),
    "postgres": (2.5, 17.0),
    "kafka": (2.5, 10.0),
    "beat": (6.0,),
    "web-1": (3.0, 12.0),
    "web-2": (3.0, 12.0),
    "worker-1": (4.0, 18.0),
    "worker-2": (4.0, 18.0),
}


class Processes:
    """Signals to the processes of an installation."""

    def __init__(self, installation: Installation, pick: random.Random) -> None:
        self._installation = installation
        self._pick = pick
        self._frozen: list[psutil.Process] = []
        self._extra: list[subprocess.Popen[bytes]] = []

    def _send(self, processes: Sequence[psutil.Process], number: int) -> None:
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    async def kill(self, *names: str) -> None:
        for name in names:
            self._send(self._installation.processes(name), signal.SIGKILL)

    async def kill_main(self, name: str) -> None:
        """Kill only the main process; its children go on for as long as they do by themselves."""
        self._send(self._installation.processes(name)[:1], signal.SIGKILL)

    async def kill_child(self, name: str) -> None:
        children = self._installation.processes(name)[1:]
        if children:
            self._send([self._pick.choice(children)], signal.SIGKILL)

    async def freeze(self, *names: str, children_only: bool = False) -> None:
        for name in names:
            processes = self._installation.processes(name)[1 if children_only else 0 :]
            self._frozen += processes
            self._send(processes, signal.SIGSTOP)

    async def thaw(self) -> None:
        self._send(self._frozen, signal.SIGCONT)
        self._frozen.clear()

    async def restart_in_turn(self, *names: str) -> None:
        """Restart with SIGTERM, as a deploy does; each part only when the one before is back."""
        for name in names:
            part = self._installation.part(name)
            before = part.process
            if before is None:
                continue
            before.terminate()
            async with asyncio.timeout(RESTART_SECONDS):
                while part.process is None or part.process is before:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                await self._until_ready(part.check)

    @staticmethod
    async def _until_ready(check: object) -> None:
        assert callable(check)
        while True:
            try:
                await asyncio.to_thread(check)
                return
            except Exception:  # not ready, whatever the error
                await asyncio.sleep(0.2)

    async def start_more(self) -> None:
        """Start two more beats and one more worker than intended."""
        one = self._installation
        beats = [one.celery(name, "beat") for name in ("beat-2", "beat-3")]
        for program in (*beats, one.worker("worker-3")):
            self._extra.append(start(program))

    async def stop_more(self) -> None:
        for process in self._extra:
            process.kill()
            await asyncio.to_thread(process.wait)
            kill_session(process.pid)
        self._extra.clear()


def process_faults(installation: Installation, pick: random.Random) -> Iterator[Fault]:
    processes = Processes(installation, pick)
    yield from _kills(installation, processes)
    yield from _freezes(installation, processes)
    yield Fault(
        kind="rolling restart",
        target="",
        inject=lambda: processes.restart_in_turn(*WEBS, *WORKERS, "beat"),
        core=True,
    )
    yield Fault(
        kind="too many",
        target="3 beats, 3 workers",
        inject=processes.start_more,
        heal=processes.stop_more,
        hold_seconds=12.0,
        core=True,
    )


def _kills(installation: Installation, processes: Processes) -> Iterator[Fault]:
    def kill(kind: str, target: str, *names: str, core: bool = True) -> Fault:
        return Fault(
            kind=kind,
            target=target,
            inject=lambda: processes.kill(*names),
            kill=True,
            web=target if target in WEBS else None,
            core=core,
        )

    for name in installation.part_names():
        yield kill("kill", name, name, core=not name.endswith("-2"))
    for name in WORKERS:
        yield Fault(
            kind="kill main process",
            target=name,
            inject=lambda name=name: processes.kill_main(name),  # type: ignore[misc]
            kill=True,
        )
        yield Fault(
            kind="kill child",
            target=name,
            inject=lambda name=name: processes.kill_child(name),  # type: ignore[misc]
            kill=True,
            core=name == WORKERS[0],
        )
    yield Fault(
        kind="kill main process",
        target="postgres",
        inject=lambda: processes.kill_main("postgres"),
        kill=True,
    )
    yield Fault(
        kind="kill child",
        target="postgres",
        inject=lambda: processes.kill_child("postgres"),
        kill=True,
        core=True,
    )
    yield kill("kill", "all web", *WEBS)
    yield kill("kill", "all workers and beat", *WORKERS, "beat", core=False)
    yield kill("kill", "everything", *installation.part_names())


def _freezes(installation: Installation, processes: Processes) -> Iterator[Fault]:
    for name in installation.part_names():
        for index, seconds in enumerate(FREEZES[name]):
            yield Fault(
                kind="freeze long" if index else "freeze",
                target=name,
                inject=lambda name=name: processes.freeze(name),  # type: ignore[misc]
                heal=processes.thaw,
                hold_seconds=seconds,
                web=name if name in WEBS else None,
                core=not name.endswith("-2") and (index == 1 or name == "beat"),
            )
    for name in WORKERS:
        yield Fault(
            kind="freeze children",
            target=name,
            inject=lambda name=name: processes.freeze(name, children_only=True),  # type: ignore[misc]
            heal=processes.thaw,
            hold_seconds=17.0,
        )
    yield Fault(
        kind="freeze long",
        target="everything",
        inject=lambda: processes.freeze(*installation.part_names()),
        heal=processes.thaw,
        hold_seconds=8.0,
        core=True,
    )
