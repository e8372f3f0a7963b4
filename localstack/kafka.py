"""Apache Kafka in KRaft mode: one broker on loopback, for development and tests.

Its jars come through Maven once (deploy/kafka/pom.xml) and are kept under var/kafka; Java 17 or
newer runs them. `python -m localstack.kafka` starts a broker alone, until Ctrl-C.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from kafka import KafkaAdminClient

from localstack.ports import free_port
from localstack.process import Program, StartFailed, tail

PROJECT = Path(__file__).resolve().parent.parent
POM = PROJECT / "deploy" / "kafka" / "pom.xml"
JARS = PROJECT / "var" / "kafka"
OLDEST_JAVA = 17
MAVEN_SECONDS = 600.0
FORMAT_SECONDS = 120.0
# The broker belongs to no cluster; the id only has to stay the same.
CLUSTER_ID = "vecheLocalKafkaBroker0"
HEAP = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC")
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # Veche makes its topic itself, with the configured number of partitions.
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the broker waits until its own controller's session for it ends: 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "400",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    # The default of this buffer alone is a third of the heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.retention.hours": "168",
}


def missing_tool() -> str | None:
    """Why Kafka cannot run on this machine, in words; None when it can."""
    version = java_version()
    if version is None:
        return f"Java is not installed (Kafka needs {OLDEST_JAVA} or newer)"
    if version < OLDEST_JAVA:
        return f"Java {version} is too old for Kafka, which needs {OLDEST_JAVA} or newer"
    if not jars_folder().exists() and shutil.which("mvn") is None:
        return "Maven is not installed, which fetches Kafka's jars"
    return None


def java_version() -> int | None:
    try:
        answer = subprocess.run(
            ["java", "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else None


def jars_folder() -> Path:
    """Where the jars named in the pom are kept, whether or not they are there yet."""
    return JARS / f"jars-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def ensure_jars() -> Path:
    """The folder of the jars; fetches them through Maven when they are not there.

    Raises: StartFailed.
    """
    folder = jars_folder()
    JARS.mkdir(parents=True, exist_ok=True)
    with (JARS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder
        print("veche: fetching Apache Kafka's jars through Maven", flush=True)
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file", str(POM)]
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"]
        try:
            fetched = subprocess.run(
                [*command, *goal],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=MAVEN_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StartFailed(f"Maven did not fetch Kafka's jars: {error}") from error
        if fetched.returncode:
            raise StartFailed(f"Maven did not fetch Kafka's jars:\n{fetched.stdout.strip()}")
        for old in JARS.glob("jars-*"):
            if old != unfinished:
                shutil.rmtree(old, ignore_errors=True)
        unfinished.rename(folder)
    return folder


class Kafka:
    """A broker and its own controller, with data under `folder`/data. No password is needed."""

    name = "kafka"

    def __init__(self, folder: Path, port: int, controller_port: int) -> None:
        self.data = folder / "data" / "kafka"
        self.url = f"127.0.0.1:{port}"
        self.port = port
        self.properties = {
            **SETTINGS,
            "listeners": f"PLAINTEXT://{self.url},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.url}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "log.dirs": str(self.data / "log"),
        }
        self.configuration = self.data / "server.properties"
        self.program = Program(
            name=self.name,
            argv=self._java("kafka.Kafka", str(self.configuration)),
            log=folder / "log" / "kafka.log",
            pid_file=folder / "run" / "kafka.pid",
            stop_seconds=30.0,
        )

    def _java(self, *arguments: str) -> tuple[str, ...]:
        logging = (
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        )
        return ("java", *HEAP, *logging, "-cp", f"{jars_folder()}/*", *arguments)

    def prepare(self) -> None:
        """Fetch the jars and format the storage, each once. Raises: StartFailed."""
        problem = missing_tool()
        if problem is not None:
            raise StartFailed(f"{problem}; or set KAFKA_BOOTSTRAP_SERVERS to brokers of your own.")
        ensure_jars()
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.configuration.write_text(
            "".join(f"{name}={value}\n" for name, value in self.properties.items())
        )
        if (self.data / "log" / "meta.properties").exists():
            return
        arguments = ["format", "--cluster-id", CLUSTER_ID, "--config", str(self.configuration)]
        made = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments),
            capture_output=True,
            text=True,
            timeout=FORMAT_SECONDS,
            check=False,
        )
        if made.returncode:
            raise StartFailed(f"Formatting Kafka's storage failed:\n{made.stderr.strip()}")

    def check(self) -> None:
        """Raise unless the broker answers."""
        # Tried first, because the client would log a line for each refused connection.
        socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        with closing(
            KafkaAdminClient(
                bootstrap_servers=[self.url], bootstrap_timeout_ms=5000, request_timeout_ms=5000
            )
        ) as admin:
            admin.describe_cluster()


def new_kafka(folder: Path) -> Kafka:
    return Kafka(folder, free_port(), free_port())


def main() -> int:
    """Run a broker with its data in var/ until Ctrl-C."""
    from localstack.supervisor import Interrupted, Part, Supervisor

    def say(text: str) -> None:
        print(f"veche: {text}", flush=True)

    supervisor = Supervisor(say)
    kafka = new_kafka(PROJECT / "var")
    try:
        kafka.prepare()
        supervisor.start_group([Part(kafka.program, kafka.check)])
        say(f"Kafka is ready: KAFKA_BOOTSTRAP_SERVERS={kafka.url}")
        supervisor.watch()
    except Interrupted:
        pass
    except StartFailed as problem:
        print(f"veche: {problem}", file=sys.stderr, flush=True)
        print(tail(kafka.program.log), file=sys.stderr, flush=True)
        return 1
    finally:
        supervisor.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
