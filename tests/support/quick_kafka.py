"""Lets Kafka start with half of the work, from what a first start has left under var/kafka.

That is storage as it is when it has just been formatted, and an archive of Kafka's classes as Java
has read and checked them. Java does without an archive that another Java has made.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import shutil
import tempfile
from pathlib import Path

from localstack.kafka import JARS, Kafka, ensure_jars, jars_folder, new_kafka
from localstack.process import start, stop, wait_until_ready

# A Kafka of a test lives for seconds: half of what it costs is Java's second compiler.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1"
SECONDS = 120.0

prepare_really = Kafka.prepare


def kept() -> Path:
    """What is kept for these jars and this Java."""
    java = Path(shutil.which("java") or "java").resolve()
    made = java.stat().st_mtime_ns if java.exists() else 0
    of = hashlib.sha256(f"{jars_folder()} {java} {made}".encode()).hexdigest()
    return JARS / f"start-{of[:12]}"


def java_options() -> str:
    """For all that run Java; there need be no archive yet."""
    return f"{JAVA_OPTIONS} -XX:SharedArchiveFile={kept() / 'classes.jsa'}"


def prepare(self: Kafka) -> None:
    """Replaces `Kafka.prepare`."""
    ensure_kept()
    if not (self.data / "log").exists():
        shutil.copytree(kept() / "log", self.data / "log")
    prepare_really(self)


def ensure_kept() -> None:
    """Start a Kafka that leaves its formatted storage and its classes, once."""
    ensure_jars()
    with (JARS / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept().exists():
            return
        for old in JARS.glob("start-*"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=JARS, prefix="unfinished-") as folder:
            unfinished = Path(folder) / "kept"
            unfinished.mkdir()
            leave_start_in(unfinished, Path(folder))
            unfinished.rename(kept())


def leave_start_in(unfinished: Path, folder: Path) -> None:
    # import what needs the settings
    from tests.support.buses import warm_up

    kafka = new_kafka(folder)
    prepare_really(kafka)
    shutil.copytree(kafka.data / "log", unfinished / "log")
    archive = f"{JAVA_OPTIONS} -XX:ArchiveClassesAtExit={unfinished / 'classes.jsa'}"
    program = dataclasses.replace(
        kafka.program,
        environment={"JDK_JAVA_OPTIONS": archive},
        stop_seconds=SECONDS,  # Java writes the archive when it ends
    )
    process = start(program)
    try:
        wait_until_ready(program, process, kafka.check, SECONDS)
        warm_up(kafka.url)
    finally:
        stop(program, process)


def install() -> None:
    Kafka.prepare = prepare  # type: ignore[method-assign]
