"""Lets the Python processes of tests start without importing what they all import.

Most tests that start a process spend the most on what it imports: a second for each. Here a process
that has imported the libraries, but nothing of Veche and no settings, is forked instead. What comes
of it is as real as a new one: it has the arguments, environment, folder and files that it was
given, runs the same program from its first line, and is a child of the test process, which may kill
it. Processes that need something special at their start, such as those of `localstack.process`,
start as always.

Run as a program it is the process that is forked; see `serve`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

LIBRARIES = (
    "autobahn.websocket.protocol",
    "celery.app.base",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "channels.layers",
    "cryptography.x509",
    "django.core.handlers.asgi",
    "django.db.backends.postgresql.psycopg_any",
    "django.db.models",
    "django.test",
    "jsonschema",
    "kafka",
    "kombu.transport.redis",
    "msgspec",
    "psycopg_pool",
    "pydantic.types",
    "pydantic.v1",
    "structlog",
    "twisted.internet.asyncioreactor",
    "twisted.web.http",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)
PR_SET_CHILD_SUBREAPER = 36
LARGEST_ORDER = 100_000  # bytes
USUAL = {
    "shell": False,
    "pass_fds": (),
    "preexec_fn": None,
    "executable": None,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "process_group": -1,
}

_execute_child = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_signature = inspect.signature(_execute_child)
_lock = threading.Lock()
_warm: socket.socket | None = None


def execute_child(self: subprocess.Popen[Any], *args: Any) -> None:
    """Replaces `Popen._execute_child`."""
    given = _signature.bind(self, *args).arguments
    if not can_be_forked(given):
        _execute_child(self, *args)
        return
    pipes = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
    order = {
        "argv": list(map(str, given["args"])),
        "environment": dict(os.environ if given["env"] is None else given["env"]),
        "folder": os.fspath(given["cwd"] or Path.cwd()),
        "new_session": bool(given["start_new_session"]),
    }
    files = [pipe if pipe != -1 else number for number, pipe in enumerate(pipes)]
    self.pid = fork_warm(order, files)
    self._child_created = True  # type: ignore[attr-defined]
    both_ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
    self._close_pipe_fds(*(given[name] for name in both_ends))  # type: ignore[attr-defined]


def can_be_forked(given: Mapping[str, Any]) -> bool:
    argv = given["args"]
    return (
        isinstance(argv, list | tuple)
        and len(argv) > 1
        and argv[0] == sys.executable
        and (argv[1] in ("-m", "-c") or str(argv[1]).endswith(".py"))
        and all(given[name] == usual for name, usual in USUAL.items())
        and (given["env"] is None or for_python(given["env"]) == for_python(os.environ))
    )


def for_python(environment: Mapping[str, str]) -> dict[str, str]:
    """What Python itself reads when it starts."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def fork_warm(order: dict[str, Any], files: list[int]) -> int:
    """Have a process forked that becomes a child of this one; returns its process id."""
    global _warm
    with _lock:
        if _warm is None:
            _warm = start_warm()
        # What is forked twice goes to us when the process between has ended.
        set_subreaper(True)
        try:
            socket.send_fds(_warm, [json.dumps(order).encode()], files)
            return int(_warm.recv(100))
        finally:
            set_subreaper(False)


def set_subreaper(so: bool) -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(so), 0, 0, 0)


def start_warm() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def install() -> None:
    if sys.platform == "linux":
        subprocess.Popen._execute_child = execute_child  # type: ignore[attr-defined]


# --- The process that is forked --------------------------------------------------------------


def serve(orders: socket.socket) -> dict[str, Any]:
    """Fork for each order; returns in the forked process alone, with its order."""
    while True:
        message, files, _, _ = socket.recv_fds(orders, LARGEST_ORDER, 3)
        if not message:
            sys.exit()
        wait, go = os.pipe()
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                os.close(go)
                os.read(wait, 1)  # until this is a child of the test process
                for number, file in enumerate(files):
                    os.dup2(file, number)
                os.closerange(3, max(go, wait, told, tell, orders.detach(), *files) + 1)
                return json.loads(message)  # type: ignore[no-any-return]
            os.write(tell, str(child).encode())
            os._exit(0)
        os.waitpid(between, 0)
        number_of_child = os.read(told, 100)
        for file in (wait, go, told, tell, *files):
            os.close(file)
        orders.send(number_of_child)


def become(order: dict[str, Any]) -> NoReturn:
    """Run the program that was asked for, and end, as Python would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if order["new_session"]:
        os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    try:
        run(order["argv"][1:])
        code = 0
    except SystemExit as end:
        code = exit_code(end)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    # Python would take each module apart, which takes as long as half of their import.
    os._exit(code)


def run(argv: list[str]) -> None:
    main = sys.modules["__main__"] = ModuleType("__main__")
    way, *rest = argv
    if way == "-m":
        sys.argv, sys.path[0] = ["-m", *rest[1:]], str(Path.cwd())
        runpy._run_module_as_main(rest[0])  # type: ignore[attr-defined]
        return
    if way == "-c":
        sys.argv, sys.path[0] = ["-c", *rest[1:]], ""
        code = compile(rest[0], "<string>", "exec")
    else:
        sys.argv, sys.path[0] = [way, *rest], str(Path(way).resolve().parent)
        main.__file__ = str(Path(way).absolute())
        code = compile(Path(way).read_bytes(), way, "exec")
    exec(code, main.__dict__)


def exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    sys.stderr.write(f"{end.code}\n")
    return 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # what is not looked at stays shared
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
