"""A Python process that is forked warm is what a started one is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import warm_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere none is forked")

PROGRAM = """
import os, signal, sys
print(__name__, sys.argv, sys.path[0], os.getcwd(), dict(os.environ))
print(os.getppid(), os.getpid() == os.getsid(0), signal.getsignal(signal.SIGINT))
print(sys.stdin.read(), sorted(os.listdir("/proc/self/fd")))
sys.stderr.write("said")
{end}
"""
ENDS = [
    "pass",
    "sys.exit(3)",
    "sys.exit('refused')",
    "os.kill(os.getpid(), signal.SIGKILL)",
    "import atexit; atexit.register(print, 'at the end')",
]


def outcome(argv: list[str], folder: Path, new_session: bool) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=folder,
        env={"GIVEN": "вече", "LC_ALL": "C.UTF-8"},
        input="written",
        capture_output=True,
        text=True,
        start_new_session=new_session,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def both(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], folder: Path, *, new_session: bool = False
) -> list[tuple[int, str, str]]:
    """Started as always, and forked."""
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        monkeypatch.delenv(name)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess.Popen, "_execute_child", warm_python._execute_child)
        started = outcome(argv, folder, new_session)
    monkeypatch.setattr(subprocess.Popen, "_execute_child", warm_python.execute_child)
    return [started, outcome(argv, folder, new_session)]


@pytest.mark.parametrize("end", ENDS)
def test_code_runs_and_ends_as_in_a_new_process(
    end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    argv = ["-c", PROGRAM.format(end=end), "one", "two"]

    started, forked = both(monkeypatch, argv, tmp_path, new_session=True)

    assert forked == started
    assert started[0] == {ENDS[1]: 3, ENDS[2]: 1, ENDS[3]: -signal.SIGKILL}.get(end, 0)


@pytest.mark.parametrize("argv", [["-m", "program", "one"], ["program.py", "one"]])
def test_module_and_script_run_as_in_a_new_process(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.format(end="print(__file__)"))

    started, forked = both(monkeypatch, argv, tmp_path)

    assert forked == started
    assert started[0] == 0
