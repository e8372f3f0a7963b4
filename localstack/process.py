"""Child processes that never outlive us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.03
LARGEST_LOG_BYTES = 5_000_000


class StartFailed(Exception):
    """A program did not become ready; the text is for the person at the terminal."""


@dataclass(frozen=True)
class Program:
    """A program and how to stop it. Its output is appended to `log`."""

    name: str
    argv: tuple[str, ...]
    log: Path
    pid_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None
    group: int | None = None
    cwd: Path | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start `program` in its own session, so that a Ctrl-C in the terminal reaches only us.

    When the calling thread dies, even by SIGKILL, Linux sends the program its stop signal. On other
    systems the pid file lets the next start find what was left over (`stop_left_over`).
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, program.stop_signal)
            if os.getppid() != parent:
                os._exit(1)

    program.log.parent.mkdir(parents=True, exist_ok=True)
    # The web process prints mail there, with links that set a new password.
    program.log.parent.chmod(0o700)
    program.pid_file.parent.mkdir(parents=True, exist_ok=True)
    keep_log_small(program.log)
    with program.log.open("ab") as log:
        process = subprocess.Popen(
            program.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **program.environment},
            cwd=program.cwd,
            user=program.user,
            group=program.group,
            extra_groups=None if program.user is None else [],
            start_new_session=True,
            # Runs after the change of user, which would clear the parent-death signal.
            preexec_fn=tie_to_parent,
        )
    started = psutil.Process(process.pid).create_time()
    program.pid_file.write_text(f"{process.pid} {started}\n")
    return process


def ask_to_stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    """Send the stop signal, once: a second one makes many programs drop their work."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)


def wait_until_stopped(program: Program, process: subprocess.Popen[bytes]) -> None:
    """Kill the program if it does not stop in time, and end whatever it has left running."""
    if process.poll() is None:
        try:
            process.wait(program.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_session(process.pid)
    program.pid_file.unlink(missing_ok=True)


def stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    ask_to_stop(program, process)
    wait_until_stopped(program, process)


def kill_session(leader: int) -> None:
    """SIGKILL what is left of the session that `start` made for a program that has ended."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def stop_left_over(program: Program) -> bool:
    """End what an earlier run left running; True when there was something.

    The start time in the pid file guards against a newer process with the same number.
    """
    try:
        pid, started = program.pid_file.read_text().split()
        process = psutil.Process(int(pid))
        if abs(process.create_time() - float(started)) > 1:
            return False
        process.send_signal(program.stop_signal)
        try:
            process.wait(program.stop_seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)
        kill_session(process.pid)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False
    return True


def wait_until_ready(
    program: Program,
    process: subprocess.Popen[bytes],
    check: Callable[[], None],
    seconds: float,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Call `check` until it stops raising, and `between` before each try.

    Raises: StartFailed with the end of the program's log when it ends or does not become ready;
    whatever `between` raises.
    """
    deadline = time.monotonic() + seconds
    while True:
        between()
        try:
            check()
            return
        except Exception as error:  # Each driver has its own family of errors.
            if process.poll() is not None:
                raise StartFailed(f"{program.name} ended at once:\n{tail(program.log)}") from error
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{program.name} was not ready in {seconds:g} s ({error}):\n{tail(program.log)}"
                ) from error
        time.sleep(POLL_SECONDS)


def keep_log_small(log: Path) -> None:
    """Move a large log aside, so that there are never more than it and one older one."""
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))


def tail(log: Path, lines: int = 15) -> str:
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return f"(no {log})"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) + f"\n    ({log})"
