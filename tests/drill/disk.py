"""A disk that forgets what was never flushed to it, for the append-only files of a log server.

`strace` shows how many bytes of a file had been written when each completed flush began; a power
cut leaves the file at that length. Without strace, a copy made at the beginning stands for the disk
of a server that flushes when it likes. For a server that flushes before every answer nothing can be
known then, and its file is left as it was written.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

ATTACH_SECONDS = 10.0
CALLS = "openat,write,pwrite64,fdatasync,fsync"
# 4711  write(9</folder/file>, ""..., 123) = 123
CALL = re.compile(
    r"^(?P<thread>\d+)\s+(?P<name>\w+)\(\d+<(?P<path>[^>]*)>"
    r".*?(?:= (?P<result>-?\d+)|<unfinished \.\.\.>)"
)
RESUMED = re.compile(r"^(?P<thread>\d+)\s+<\.\.\. (?P<name>\w+) resumed>.*= (?P<result>-?\d+)")
WRITES = {"write", "pwrite64"}
FLUSHES = {"fdatasync", "fsync"}


def flushed_lengths(lines: Iterable[str], lengths: dict[str, int]) -> dict[str, int]:
    """Each file's length on the disk: what had been written when the last completed flush began.

    `lengths`: the files' lengths at the beginning, assumed to be on the disk.
    """
    written, flushed = dict(lengths), dict(lengths)
    begun: dict[str, tuple[str, int]] = {}  # thread → path, length when its call began
    for line in lines:
        call = CALL.match(line)
        if call is not None:
            path = call["path"]
            begun[call["thread"]] = (path, written.get(path, 0))
        else:
            call = RESUMED.match(line)
        if call is None or call["result"] is None or call["thread"] not in begun:
            continue
        path, length = begun.pop(call["thread"])
        result = int(call["result"])
        if call["name"] in WRITES and result > 0:
            written[path] = written.get(path, 0) + result
        elif call["name"] in FLUSHES and result == 0:
            flushed[path] = max(flushed.get(path, 0), length)
    return flushed


class Disk:
    """The disk under `folder`, which the process `pid` writes to."""

    def __init__(self, folder: Path, pid: int, notes: Path) -> None:
        self._folder = folder
        self._pid = pid
        self._trace = notes / "strace.log"
        self._copy = notes / "disk-at-the-beginning"
        self._strace: asyncio.subprocess.Process | None = None
        self._lengths: dict[str, int] = {}

    @property
    def method(self) -> str:
        if self._strace is not None:
            return "files cut to what was flushed, as strace saw it"
        return "no strace: a copy from the beginning stands for the disk"

    async def watch(self) -> None:
        """Start to record what is flushed."""
        # Suspended, or writes between the look at its files and the first line of strace would be
        # missing from their lengths.
        server = psutil.Process(self._pid)
        server.suspend()
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                while server.status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await self._begin()
        finally:
            server.resume()

    async def _begin(self) -> None:
        shutil.copytree(self._folder, self._copy)
        self._lengths = {str(path): path.stat().st_size for path in self._files()}
        if shutil.which("strace") is None:
            return
        command = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS}"]
        process = await asyncio.create_subprocess_exec(
            *command,
            "-o",
            str(self._trace),
            "-p",
            str(self._pid),
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                said = await process.stderr.readline()
        except TimeoutError:
            said = b""
        if b"attached" in said:
            self._strace = process
        elif process.returncode is None:
            process.kill()

    async def lose_what_was_not_flushed(self, *, flushes_before_answers: bool) -> int:
        """Make the files as the disk has them; returns how many bytes are lost.

        The process must have ended.
        """
        before = sum(path.stat().st_size for path in self._files())
        if self._strace is not None:
            await self._strace.wait()
            self._cut()
        elif not flushes_before_answers:
            shutil.rmtree(self._folder)
            shutil.copytree(self._copy, self._folder)
        return before - sum(path.stat().st_size for path in self._files())

    def _cut(self) -> None:
        with self._trace.open(errors="replace") as lines:
            flushed = flushed_lengths(lines, self._lengths)
        for path in self._files():
            os.truncate(path, min(flushed.get(str(path), 0), path.stat().st_size))

    async def stop(self) -> None:
        if self._strace is not None and self._strace.returncode is None:
            self._strace.send_signal(signal.SIGINT)
            await self._strace.wait()

    def _files(self) -> list[Path]:
        return [path for path in self._folder.rglob("*.aof") if path.is_file()]
