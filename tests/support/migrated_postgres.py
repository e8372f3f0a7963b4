"""Gives installations of tests a PostgreSQL that is migrated already: made once, then copied.

`initdb` and the migrations take three seconds of a processor, in each test process and in each
installation that tests start. What is copied was made by the product's own `migrate`, and is made
anew when code has changed that may say what the tables are.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from localstack.installation import PROJECT
from localstack.postgres import DATABASE
from localstack.process import StartFailed
from localstack.servers import LocalServers

KEPT = PROJECT / "var" / "postgres-of-tests"
SECONDS = 300.0
# What says which tables there are, who owns them and which PostgreSQL has them.
PACKAGES = ("analytics", "chat", "chatsite")
FILES = ("localstack/postgres.py", "requirements.txt", "requirements-dev.txt")
# For databases that are made beside the one that is copied.
TEMPLATE = DATABASE


def put_into(var: Path) -> None:
    """Put it where an installation with its data under `var` will look for it, and its owner's
    password. Raises: StartFailed."""
    KEPT.mkdir(parents=True, exist_ok=True)
    (var / "data").mkdir(parents=True, exist_ok=True)
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = ensure_made()
        copy(kept / "postgres", var / "data" / "postgres")
        copy(kept / "secrets.json", var / "secrets.json")


def ensure_made() -> Path:
    kept = KEPT / digest()
    if not kept.exists():
        for old in KEPT.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        with tempfile.TemporaryDirectory(prefix="veche-tests-") as folder:
            make(Path(folder))
            unfinished = KEPT / "unfinished"
            unfinished.mkdir()
            copy(Path(folder) / "data" / "postgres", unfinished / "postgres")
            copy(Path(folder) / "secrets.json", unfinished / "secrets.json")
        unfinished.rename(kept)
    return kept


def digest() -> str:
    found = [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]
    whole = hashlib.sha256()
    for path in (*sorted(found), *(PROJECT / name for name in FILES)):
        whole.update(f"{path.relative_to(PROJECT)} {path.stat().st_size}\n".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def make(var: Path) -> None:
    with LocalServers(var, durable=False) as servers:
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
            cwd=PROJECT,
            env={**os.environ, **servers.environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if done.returncode:
        raise StartFailed(f"migrate failed:\n{done.stderr.strip()}")
    # Each installation has secrets of its own, but for the password that PostgreSQL already knows.
    path = var / "secrets.json"
    path.write_text(json.dumps({"postgres": json.loads(path.read_text())["postgres"]}))


def copy(source: Path, target: Path) -> None:
    """With owners and permissions: PostgreSQL's account is another one than ours if we are root."""
    subprocess.run(["cp", "-a", source, target], check=True)
