"""The metrics of a Celery worker: its children write them, its parent adds them up and shows them.

prometheus_client lets several processes share metrics through files in one folder, which has to
be named before the first metric is made. So `chatsite.celery` calls `prepare` before it imports
anything that has metrics. Each worker has a new folder of its own, held by a lock: it contains
nobody else's files, and the next worker that starts removes the folders of killed workers.

A child that ends, or is killed, leaves its files. Its counts stay valid: they are added to one file
shared by all dead children, so there are never more files than living children need. Its gauges
are removed, because a gauge describes the present.

Source: the chapter on multiprocess mode in prometheus_client's documentation.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "veche-worker-metrics-"
LOCK = "lock"
DEAD = "dead"

_held: int | None = None
_sweeping = threading.Lock()


def is_worker(argv: Sequence[str]) -> bool:
    """Whether this is `celery … worker`, or `python -m celery … worker`."""
    program = Path(argv[0])
    called = program.parent.name if program.name == "__main__.py" else program.name
    return called == "celery" and "worker" in argv[1:]


def prepare() -> None:
    """Makes this worker's folder. Call it once, before anything imports prometheus_client.

    Raises: RuntimeError when it is too late.
    """
    global _held
    if _held is not None:
        return
    if "prometheus_client" in sys.modules:
        raise RuntimeError("Metrics were created before their folder was set.")
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    # Children inherit the lock, so the folder is held for as long as anybody may write to it.
    _held = os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(_held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.environ[FOLDER_VARIABLE] = str(folder)


def prepared() -> bool:
    """Whether this process, or its parent, has a folder."""
    return _held is not None


def remove_abandoned() -> None:
    """Removes folders of workers that were killed with all their children."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another account's, or just being removed
            lock = os.open(folder / LOCK, os.O_WRONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)


def remove_own() -> None:
    """Removes this worker's folder when the worker ends."""
    if _held is not None:
        shutil.rmtree(folder(), ignore_errors=True)


def folder() -> Path:
    return Path(os.environ[FOLDER_VARIABLE])


def registry() -> CollectorRegistry:
    """What the parent shows: all metrics of its children, living and dead, and its own process."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.multiprocess import MultiProcessCollector

    class SweptCollector(MultiProcessCollector):
        def collect(self):  # type: ignore[no-untyped-def]
            sweep()
            with _sweeping:
                return list(super().collect())  # type: ignore[no-untyped-call]

    made = CollectorRegistry()
    SweptCollector(made, str(folder()))  # type: ignore[no-untyped-call]
    ProcessCollector(registry=made)
    return made


def sweep() -> None:
    """Adds up the counts that dead children left. For the parent."""
    with _sweeping:
        for kind, pid in sorted(_files()):
            if pid and not _lives(pid):
                _add_to_dead(kind, pid)


def _files() -> list[tuple[str, int]]:
    """Kind (`counter`, `gauge_livesum` …) and pid of each file; pid 0 stands for all the dead."""
    found = []
    for path in folder().glob("*.db"):
        kind, _, owner = path.stem.rpartition("_")
        found.append((kind, 0 if owner == DEAD else int(owner)))
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the pid is another account's now
        return False
    return True


def _add_to_dead(kind: str, pid: int) -> None:
    left = folder() / f"{kind}_{pid}.db"
    if kind.startswith("gauge") or not left.stat().st_size:  # killed before it wrote anything
        left.unlink()
        return
    from prometheus_client.mmap_dict import MmapedDict, mmap_key
    from prometheus_client.multiprocess import MultiProcessCollector

    dead = folder() / f"{kind}_{DEAD}.db"
    paths = [str(path) for path in (dead, left) if path.exists()]
    merged = MultiProcessCollector.merge(paths, accumulate=False)  # type: ignore[no-untyped-call]
    new = dead.with_suffix(".new")
    new.unlink(missing_ok=True)
    file = MmapedDict(str(new))  # type: ignore[no-untyped-call]
    for metric in merged:
        for sample in metric.samples:
            names, values = list(sample.labels), list(sample.labels.values())
            key = mmap_key(metric.name, sample.name, names, values, metric.documentation)
            file.write_value(key, sample.value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]
    # Nobody can read in between: `_sweeping` is held.
    left.unlink()
    new.replace(dead)
