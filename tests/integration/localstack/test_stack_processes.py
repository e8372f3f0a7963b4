"""What `make run` promises of its child processes: none is lost, none outlives us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from localstack.ports import holder, is_free
from localstack.postgres import Postgres
from localstack.process import Program, StartFailed, start, stop, stop_left_over, wait_until_ready
from localstack.servers import LocalServers
from localstack.stack import port_of
from localstack.supervisor import Part, Supervisor

PROJECT = Path(__file__).resolve().parents[3]


def sleeper(folder: Path) -> Program:
    return Program(
        name="sleeper",
        argv=("sleep", "600"),
        log=folder / "sleeper.log",
        pid_file=folder / "sleeper.pid",
        stop_seconds=2,
    )


def kill(part: Part) -> None:
    assert part.process is not None
    part.process.kill()
    part.process.wait()


def runs(part: Part) -> bool:
    return part.process is not None and part.process.poll() is None


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    supervisor = Supervisor(said.append)
    yield supervisor
    supervisor.stop_all()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_part_that_dies_is_started_again_and_the_terminal_says_so(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    part = Part(sleeper(tmp_path))
    supervisor.start_group([part])
    kill(part)

    supervisor.look_after(part, now=1000.0)
    supervisor.look_after(part, now=1000.9)
    started_early = runs(part)
    supervisor.look_after(part, now=1001.0)

    assert not started_early
    assert runs(part)
    assert "sleeper was ended by SIGKILL; starting it again in 1 s" in said[0]
    assert said[1] == "sleeper started again"


def test_part_that_dies_again_and_again_waits_longer_each_time(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    part = Part(sleeper(tmp_path))
    supervisor.start_group([part])
    now = 1000.0

    for _ in range(7):
        kill(part)
        part.started = now
        supervisor.look_after(part, now)
        now = part.start_at
        supervisor.look_after(part, now)

    pauses = [line.split(" again in ")[1].split(" s")[0] for line in said if "again in" in line]
    assert pauses == ["1", "2", "4", "8", "16", "30", "30"]


def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                f"""
                import os, signal
                from pathlib import Path
                from tests.integration.localstack.test_stack_processes import sleeper
                from localstack.process import start
                print(start(sleeper(Path({str(tmp_path)!r}))).pid, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
                """
            ),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.wait()

    gone, alive = psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], 60)

    assert not alive, gone


def test_what_an_earlier_run_left_is_stopped(tmp_path: Path) -> None:
    program = sleeper(tmp_path)
    left = start(program)

    assert stop_left_over(program)

    assert not psutil.pid_exists(left.pid)


def test_process_that_has_got_an_old_number_is_left_alone(tmp_path: Path) -> None:
    program = sleeper(tmp_path)
    program.pid_file.write_text(f"{os.getpid()} 12345.0\n")

    assert not stop_left_over(program)


def test_grandchildren_end_with_their_part(tmp_path: Path) -> None:
    program = Program(
        name="shell",
        argv=("sh", "-c", "sleep 600 & echo $!; wait"),
        log=tmp_path / "shell.log",
        pid_file=tmp_path / "shell.pid",
    )
    process = start(program)

    def check() -> None:
        if not program.log.read_text().strip():
            raise ConnectionError

    wait_until_ready(program, process, check, 10)
    grandchild = psutil.Process(int(program.log.read_text()))

    stop(program, process)

    grandchild.wait(60)


def test_program_that_ends_at_once_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    program = Program(
        name="broken",
        argv=("sh", "-c", "echo no such luck; exit 3"),
        log=tmp_path / "broken.log",
        pid_file=tmp_path / "broken.pid",
    )
    process = start(program)
    process.wait()

    def never() -> None:
        raise ConnectionError

    with pytest.raises(StartFailed, match=r"broken ended at once:\n.*no such luck"):
        wait_until_ready(program, process, never, 10)


def test_taken_port_is_refused_with_the_name_of_who_holds_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert f"process {os.getpid()} " in holder(port)

        refused = subprocess.run(
            [sys.executable, "-m", "localstack", "run", "--data", str(tmp_path / "var")],
            cwd=PROJECT,
            env={**os.environ, "PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert refused.returncode == 1
    assert f"Port {port} is taken by process {os.getpid()} " in refused.stderr


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "80 80", "٨٠٨٠"])
def test_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(StartFailed, match="PORT must be a number"):
        port_of({"PORT": text})


def test_data_and_passwords_outlive_a_restart_and_belong_to_us_alone(tmp_path: Path) -> None:
    import psycopg
    import redis

    folder = tmp_path / "var"
    with LocalServers(folder, durable=False) as first:
        with psycopg.connect(first.environment["DATABASE_OWNER_URL"]) as connection:
            connection.execute("CREATE TABLE kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('still here')")
        with redis.Redis.from_url(first.environment["LOG_REDIS_URL"]) as log:
            log.xadd("kept", {"word": "still here"})

    with LocalServers(folder, durable=False) as second:
        with psycopg.connect(second.environment["DATABASE_OWNER_URL"]) as connection:
            row = connection.execute("SELECT word FROM kept").fetchone()
        with redis.Redis.from_url(second.environment["LOG_REDIS_URL"]) as log:
            length = log.xlen("kept")
        commands = [
            " ".join(psutil.Process(process.pid).cmdline()) for process in second.running.values()
        ]

    assert row == ("still here",)
    assert length == 1
    assert first.secret_key == second.secret_key
    assert (folder / "secrets.json").stat().st_mode & 0o077 == 0
    for server in second.all:
        urls = [server.url, server.owner_url] if isinstance(server, Postgres) else [server.url]
        for url in urls:
            password = url.partition("@")[0].rpartition(":")[2]
            assert not any(password in command for command in commands)


def test_server_whose_address_is_given_is_not_embedded(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://db/x", "LOG_REDIS_URL_FILE": "/run/secrets/log"}

    servers = LocalServers(tmp_path / "var", given=given)

    assert list(servers.of) == ["BUS_REDIS_URL"]
