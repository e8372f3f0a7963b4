"""The control: a power cut must show losses with a log that does not flush, and none with one that
does.

A drill that never finds anything proves nothing. So the same people chat on a log server with
`appendfsync no`, the power is cut, and the judge has to find acknowledged events that are gone.
Then the same is done with the settings that Veche demands, and the judge must find nothing.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from localstack.valkey import Valkey
from tests.drill import history
from tests.drill.disk import Disk
from tests.drill.installation import WORKERS, Installation
from tests.drill.process_faults import Processes
from tests.drill.report import Outcome
from tests.drill.session import say, session

CHAT_SECONDS = 8.0
# Events acknowledged within this time are only in the log when the power goes.
UNSTORED_SECONDS = 3.0
WEAK, STRONG = "no", "always"


async def power_cut(folder: Path, seed: int, *, appendfsync: str) -> Outcome:
    """Chat, a power cut, and more chat. Raises: StartFailed, Interrupted."""
    weak = appendfsync == WEAK
    installation = Installation(folder, settings={"ALLOW_WEAK_LOG": "1"} if weak else {})
    server = installation.servers.of["LOG_REDIS_URL"]
    assert isinstance(server, Valkey)
    server.configuration["appendfsync"] = appendfsync
    async with session(installation, seed) as chat:
        recorder = chat.recorder
        processes = Processes(installation, random.Random(seed))
        part = installation.part("log")
        assert part.process is not None
        disk = Disk(server.data / "appendonlydir", part.process.pid, folder)
        await disk.watch()
        try:
            await asyncio.sleep(CHAT_SECONDS)
            await processes.freeze(*WORKERS)
            await asyncio.sleep(UNSTORED_SECONDS)
            recorder.write(history.FaultNote, number=1, name="power cut: log", phase="inject")
            await installation.hold("log")
        finally:
            await disk.stop()
        lost = await disk.lose_what_was_not_flushed(flushes_before_answers=not weak)
        say(f"power cut with appendfsync {appendfsync}: {lost:,} bytes lost ({disk.method})")
        await installation.release("log", part)
        await processes.thaw()
        recorder.write(history.FaultNote, number=1, name="power cut: log", phase="heal")
        await asyncio.sleep(CHAT_SECONDS)
        await chat.come_to_rest()
        settings = {"appendfsync": appendfsync, "bytes lost": lost, "power cut": disk.method}
        return await chat.outcome(f"Power cut with appendfsync {appendfsync}", settings)


def proves_what_it_should(outcome: Outcome, *, appendfsync: str) -> bool:
    """Whether the judge found losses exactly where there were some."""
    if appendfsync == WEAK:
        return outcome.verdict.kinds()["LOST"] > 0
    return outcome.is_clean
