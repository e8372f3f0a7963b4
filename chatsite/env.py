"""Every setting that an operator can make: one field of `Env` each.

`settings.ENV` is the one instance; nothing else reads `os.environ`. The variable of a setting is
the field's name in upper case, and `<VARIABLE>_FILE` names a file that holds the value instead
(container secrets). `chatsite.env_reader` reads and checks them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatsite.env_checks import (
    BadValue,
    check_brokers,
    check_crash_point,
    check_database_url,
    check_email_url,
    check_file,
    check_http_url,
    check_metrics_token,
    check_origins,
    check_owner_url,
    check_probe_url,
    check_redis_url,
    check_secret_key,
)

BASE_DIR = Path(__file__).resolve().parent.parent
MASK = "***"


@dataclass(frozen=True)
class Declaration:
    """What the reader and `.env.example` need to know about a setting besides its type."""

    help: str
    secret: bool = False
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    check: Callable[[Any], None] | None = None


def setting(default: Any = dataclasses.MISSING, *, help: str, **more: Any) -> Any:
    """Declare a field of `Env`; without a default it is required."""
    return dataclasses.field(default=default, metadata={"of": Declaration(help=help, **more)})


def declaration(field: dataclasses.Field[Any]) -> Declaration:
    of: Declaration = field.metadata["of"]
    return of


def check_range(field: dataclasses.Field[Any], value: Any) -> None:
    """Raises: BadValue that says what is allowed."""
    of = declaration(field)
    if of.choices and value not in of.choices:
        raise BadValue(f"must be one of {', '.join(of.choices)}")
    # Written so that NaN, which compares false with everything, is refused too.
    if of.low is not None and not of.low <= value:
        raise BadValue(f"must be {of.low:g} or more")
    if of.high is not None and not value <= of.high:
        raise BadValue(f"must be {of.high:g} or less")
    if of.check is not None:
        of.check(value)


@dataclass(frozen=True, kw_only=True)
class Env:
    """Every setting of a Veche process. Secrets print as `***`."""

    # Connections
    database_url: str = setting(
        help="PostgreSQL, 15 or newer: postgresql://user:password@host:5432/name",
        secret=True,
        check=check_database_url,
    )
    database_owner_url: str = setting(
        "",
        secret=True,
        check=check_owner_url,
        help="The same database, as the role that owns the tables, for migrate and rebuild_rollups "
        "only: a process that has this URL connects with it. migrate then creates the role of "
        "DATABASE_URL, which reads and writes rows and can change nothing else. Web processes "
        "and workers do not need it and should not have it.",
    )
    log_redis_url: str = setting(
        help="The log: Redis >= 7 or Valkey >= 8; appendonly yes, appendfsync always, noeviction.",
        secret=True,
        check=check_redis_url,
    )
    bus_redis_url: str = setting(
        help="The bus: another Redis or Valkey; live hints in database 0, Celery in database 1.",
        secret=True,
        check=check_redis_url,
    )
    secret_key: str = setting(
        help="Signs sessions and tokens: 32 random characters or more (openssl rand -base64 48). "
        "Changing it signs everybody out.",
        secret=True,
        check=check_secret_key,
    )

    # The event bus
    kafka_bootstrap_servers: tuple[str, ...] = setting(
        (),
        help="Kafka brokers to start from: kafka1:9092,kafka2:9092. Without them the event bus is "
        "a Redis Stream on the log server.",
        check=check_brokers,
    )
    kafka_partitions: int = setting(
        12,
        low=1,
        high=10_000,
        unit="partitions",
        help="Partitions of the topic chat.events.v1. Fixed per topic: changing it breaks the "
        "order.",
    )
    kafka_security_protocol: str = setting(
        "PLAINTEXT",
        choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        help="How to connect to Kafka: with SASL_ by user and password, with SSL encrypted. "
        "PLAINTEXT is for a network that only Veche can reach.",
    )
    kafka_sasl_mechanism: str = setting(
        "SCRAM-SHA-512",
        choices=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        help="How the password is proved to Kafka; PLAIN sends it unchanged.",
    )
    kafka_username: str = setting("", help="Veche's user at Kafka, with SASL.")
    kafka_password: str = setting("", secret=True, help="Its password.")
    kafka_ca_file: str = setting(
        "",
        check=check_file,
        help="CA certificates (PEM) for those of the brokers. When empty, those that the system "
        "trusts.",
    )
    kafka_certificate_file: str = setting(
        "",
        check=check_file,
        help="Veche's own certificate (PEM), if the brokers ask for one.",
    )
    kafka_key_file: str = setting(
        "", check=check_file, help="The key (PEM, without a password) of that certificate."
    )
    event_stream_mb: int = setting(
        256,
        low=1,
        high=1_048_576,
        unit="MiB",
        help="Memory of the log server that the event bus may take if there is no Kafka.",
    )

    # What the world sees
    allowed_origins: tuple[str, ...] = setting(
        help="Addresses people open, exactly as in their browser, separated by commas: "
        "https://chat.example.org. Pages, forms and sockets of any other origin are refused.",
        check=check_origins,
    )
    bind: str = setting("127.0.0.1", help="Address that the web process listens on.")
    port: int = setting(8000, low=1, high=65535, help="Port that the web process listens on.")
    trusted_proxies: int = setting(
        0,
        low=0,
        high=5,
        help="Number of reverse proxies in front that set X-Forwarded-For and X-Forwarded-Proto. A "
        "request that passed fewer of them counts as coming from the last one that passed it "
        "on.",
    )
    asgi_server: str = setting(
        "daphne", choices=("daphne", "uvicorn"), help="ASGI server of the web process."
    )
    sign_up_open: bool = setting(True, help="Whether anybody who can reach the site may sign up.")
    staff_mfa: bool = setting(
        True,
        help="Whether staff must have set up a second factor (an authenticator app) before the "
        "admin opens. Staff who have one are asked for it either way. make run switches this "
        "off for its demo administrator.",
    )
    # Not LANGUAGE, which many desktops set for gettext.
    default_language: str = setting(
        "en", choices=("en", "ru"), help="Language for browsers that ask for neither."
    )
    email_url: str = setting(
        "filemail://",
        secret=True,
        check=check_email_url,
        help="Where mail goes: smtp+tls://user:password@host:587. filemail:///folder keeps it in "
        "files that only their owner can read, filemail:// in var/mail; consolemail:// prints "
        "it, with password reset links, into the log of the worker.",
    )
    email_from: str = setting("veche@localhost", help="Sender of Veche's mail.")
    metrics_token: str = setting(
        "",
        secret=True,
        check=check_metrics_token,
        help="Bearer token for /metrics and METRICS_PORT; when empty, only this machine can read "
        "them.",
    )
    metrics_port: int = setting(
        0,
        low=0,
        high=65535,
        help="Port on which a worker, beat, the probe or the analytics expose metrics, a different "
        "one for each; 0: none. Web processes have /metrics.",
    )
    metrics_bind: str = setting("127.0.0.1", help="Address of METRICS_PORT.")
    debug: bool = setting(False, help="Development only: shows source code in error pages.")
    log_level: str = setting(
        "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"), help="Lowest level that is logged."
    )
    log_format: str = setting(
        "auto",
        choices=("auto", "json", "console"),
        help="json: one object a line. console: lines for people. auto: console on a terminal or "
        "with DEBUG, else json.",
    )
    static_root: Path = setting(
        BASE_DIR / "staticfiles", help="Folder that collectstatic fills and the web process serves."
    )

    # The log
    shards: int = setting(
        16, low=1, high=1024, help="Shards of the log. Fixed per installation: never change it."
    )
    allow_weak_log: bool = setting(
        False, help="Start even if the log server may lose acknowledged messages. Pages say so."
    )
    allow_weak_database: bool = setting(
        False,
        help="Start even if PostgreSQL may lose what it has committed: fsync, full_page_writes or "
        "synchronous_commit is off.",
    )

    # Time limits
    redis_timeout_seconds: float = setting(
        5.0, low=0.1, high=60, unit="seconds", help="Longest wait for an answer from log or bus."
    )
    redis_connect_timeout_seconds: float = setting(
        2.0, low=0.1, high=60, unit="seconds", help="Longest wait for a connection to log or bus."
    )
    db_connect_timeout_seconds: int = setting(
        3, low=1, high=60, unit="seconds", help="Longest wait for a connection to PostgreSQL."
    )
    db_statement_timeout_ms: int = setting(
        15_000,
        low=100,
        high=600_000,
        unit="ms",
        help="PostgreSQL ends statements that take longer.",
    )
    db_lock_timeout_ms: int = setting(
        5_000,
        low=100,
        high=600_000,
        unit="ms",
        help="PostgreSQL ends statements that wait longer for a lock.",
    )
    db_idle_in_transaction_timeout_ms: int = setting(
        30_000,
        low=1_000,
        high=600_000,
        unit="ms",
        help="PostgreSQL ends a transaction that is idle for this long, so that a paused worker "
        "releases its shard.",
    )
    db_pool_max: int = setting(
        10,
        low=1,
        high=500,
        unit="connections",
        help="Most PostgreSQL connections of one web process.",
    )
    drain_seconds: float = setting(
        5.0,
        low=0,
        high=300,
        unit="seconds",
        help="How long a stopping web process takes to close its connections.",
    )

    # Limits for people and processes
    worker_concurrency: int = setting(
        3,
        low=1,
        high=256,
        unit="processes",
        help="Celery processes of one worker. One of them is kept free for storing, if there are "
        "two or more.",
    )
    sends_per_second: float = setting(
        5.0, low=0.1, high=10_000, unit="frames/s", help="Steady rate of sends per person."
    )
    sends_burst: int = setting(
        20,
        low=1,
        high=100_000,
        unit="frames",
        help="Sends that may come at once before the rate applies.",
    )
    rooms_per_person: int = setting(
        1_000,
        low=1,
        high=100_000,
        unit="rooms",
        help="Rooms that one person may be in, including archived ones; direct conversations do "
        "not count.",
    )
    invitations_per_day: int = setting(
        500,
        low=0,
        high=1_000_000,
        unit="people",
        help="People whom one person may bring into rooms, or start a conversation with, in a day "
        "(UTC).",
    )
    unseen_bytes: int = setting(
        1_048_576,
        low=65_536,
        high=67_108_864,
        unit="bytes",
        help="Event bytes a connection may leave unconfirmed before it is closed with 4408.",
    )
    heartbeat_seconds: int = setting(
        20,
        low=1,
        high=25,
        unit="seconds",
        help="How often clients are told how far their rooms are, so that they notice a lost hint.",
    )
    max_sockets_per_user: int = setting(
        20,
        low=1,
        high=100_000,
        unit="connections",
        help="Most sockets of one person in one web process.",
    )
    max_sockets: int = setting(
        5_000, low=1, high=1_000_000, unit="connections", help="Most sockets of one web process."
    )

    # Watching it work
    probe_url: str = setting(
        "",
        check=check_probe_url,
        help="Address at which manage.py probe connects, the one that people use: "
        "https://chat.example.org. When empty, the first of ALLOWED_ORIGINS.",
    )
    probe_stage_seconds: float = setting(
        30.0,
        low=1,
        high=600,
        unit="seconds",
        help="How long after sending a stage of the probe may take before it counts as failed.",
    )
    otel_exporter_otlp_endpoint: str = setting(
        "",
        secret=True,
        check=check_http_url,
        help="OpenTelemetry collector for traces, over HTTP: http://collector:4318. When empty, "
        "nothing is traced.",
    )
    traces_sample_ratio: float = setting(
        0.05, low=0, high=1, help="Share of all messages that are traced, 0 to 1."
    )
    sentry_dsn: str = setting(
        "",
        secret=True,
        check=check_http_url,
        help="Where errors are reported, in Sentry's protocol; when empty, nowhere. No texts, "
        "names or addresses are sent.",
    )

    # For tests
    veche_crash_point: str = setting(
        "",
        check=check_crash_point,
        help="Only for tests: the place in chat/resilience/crash_points.py where this process "
        "kills itself, and at which hit: persist.after_commit:3.",
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_range(field, getattr(self, field.name))

    @property
    def kafka_security(self) -> dict[str, Any]:
        """Arguments for every Kafka client, besides the addresses of the brokers."""
        given: dict[str, Any] = {"security_protocol": self.kafka_security_protocol}
        if self.kafka_security_protocol.startswith("SASL_"):
            given |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password,
            }
        if self.kafka_security_protocol.endswith("SSL"):
            given |= {
                "ssl_cafile": self.kafka_ca_file or None,
                "ssl_certfile": self.kafka_certificate_file or None,
                "ssl_keyfile": self.kafka_key_file or None,
            }
        return given

    def __repr__(self) -> str:
        return "\n".join(["Env(", *(f"  {line}" for line in self.shown()), ")"])

    def shown(self) -> list[str]:
        """`VARIABLE=value` lines of all settings, in order, secrets masked."""
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            shown = MASK if declaration(field).secret and value else value
            lines.append(f"{field.name.upper()}={shown}")
        return lines
