"""The environment, read once: every setting that an operator can make, checked and frozen.

`settings.ENV` is the one instance; nothing else reads `os.environ`. A setting is one field below:
its variable is the field's name in upper case, and `<VARIABLE>_FILE` names a file that holds the
value instead (container secrets). All problems are reported together.

If DATABASE_URL, LOG_REDIS_URL or BUS_REDIS_URL is absent, it is taken from `var/stack.json`, which
describes the stack that `make run` has started, so `manage.py` works in a second terminal.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
STACK_FILE = BASE_DIR / "var" / "stack.json"
CONNECTIONS = ("DATABASE_URL", "LOG_REDIS_URL", "BUS_REDIS_URL")
MASK = "***"


class BadValue(ValueError):
    """A variable's value is not allowed; the text says what would be."""


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


def check_database_url(url: str) -> None:
    if urlsplit(url).scheme not in {"postgres", "postgresql", "psql"}:
        raise BadValue("must look like postgresql://user:password@host:5432/name")


def check_owner_url(url: str) -> None:
    if url:
        check_database_url(url)


def check_redis_url(url: str) -> None:
    if urlsplit(url).scheme not in {"redis", "rediss"}:
        raise BadValue("must look like redis://:password@host:6379/0 (rediss:// for TLS)")


def check_brokers(brokers: tuple[str, ...]) -> None:
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        if not host or not port.isdecimal() or "/" in broker:
            raise BadValue("must look like kafka1:9092,kafka2:9092")


def check_file(path: str) -> None:
    if path:
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            raise BadValue(f"names a file that cannot be read: {error.strerror}") from error


def check_secret_key(key: str) -> None:
    if len(key) < 32 or len(set(key)) < 10:
        raise BadValue("must be 32 random characters or more")


def check_http_url(url: str) -> None:
    if url and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname):
        raise BadValue("must look like https://host[:port]")


def check_probe_url(url: str) -> None:
    check_http_url(url)
    if url and urlsplit(url)._replace(scheme="", netloc="").geturl():
        raise BadValue("must be scheme://host[:port] with nothing after it")


def check_email_url(url: str) -> None:
    if urlsplit(url).scheme not in environ.Env.EMAIL_SCHEMES:
        raise BadValue("must look like smtp+tls://user:password@host:587")


def check_crash_point(text: str) -> None:
    if text and not re.fullmatch(r"[a-z_]+\.[a-z_]+(:[1-9][0-9]{0,5})?", text):
        raise BadValue("must look like persist.after_commit:3")


def check_metrics_token(token: str) -> None:
    if token and len(token) < 16:
        raise BadValue("must be 16 random characters or more, or empty")


def check_origins(origins: tuple[str, ...]) -> None:
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
            raise BadValue(f"{origin!r} must be scheme://host[:port] with nothing after it")
        if not parts.hostname or "*" in origin or "@" in origin or origin != origin.lower():
            raise BadValue(f"{origin!r} must name one host, in lower case")


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
        help="How the password is proved to Kafka; PLAIN sends it as it is.",
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


def read_env(environment: Mapping[str, str]) -> Env:
    """The settings in `environment`, which is not kept.

    Raises: ImproperlyConfigured that names every missing or wrong variable.
    """
    reader = environ.FileAwareEnv()
    reader.ENVIRON = environ.FileAwareMapping(env=dict(environment))
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(Env):
        variable = field.name.upper()
        if not environment.get(variable) and not environment.get(f"{variable}_FILE"):
            if field.default is dataclasses.MISSING:
                problems.append(f"{variable} is missing. {declaration(field).help}")
            continue
        try:
            value = cast(reader.ENVIRON[variable].strip(), str(field.type))
            values[field.name] = as_choice(value, declaration(field).choices)
            check_range(field, values[field.name])
        except BadValue as error:
            problems.append(f"{variable} {error}.")
        except OSError as error:
            problems.append(f"{variable}_FILE cannot be read: {error.strerror}.")
        except (ValueError, UnicodeDecodeError):
            problems.append(f"{variable} must be {ARTICLES[str(field.type)]}.")
    if not problems:
        made = Env(**values)
        problems = kafka_problems(made)
    if problems:
        raise ImproperlyConfigured(explain(problems))
    return made


def kafka_problems(given: Env) -> list[str]:
    """Kafka settings that contradict each other. An unused password is refused: an operator who
    sets one believes that the brokers ask for it."""
    problems = []
    protocol = given.kafka_security_protocol
    with_sasl, with_tls = protocol.startswith("SASL_"), protocol.endswith("SSL")
    for variable, value in (
        ("KAFKA_USERNAME", given.kafka_username),
        ("KAFKA_PASSWORD", given.kafka_password),
    ):
        if with_sasl and not value:
            problems.append(f"{variable} is missing; KAFKA_SECURITY_PROTOCOL is {protocol}.")
        if value and not with_sasl:
            problems.append(f"{variable} is not used: KAFKA_SECURITY_PROTOCOL is {protocol}.")
    for variable, value in (
        ("KAFKA_CA_FILE", given.kafka_ca_file),
        ("KAFKA_CERTIFICATE_FILE", given.kafka_certificate_file),
    ):
        if value and not with_tls:
            problems.append(f"{variable} is not used: KAFKA_SECURITY_PROTOCOL is {protocol}.")
    if bool(given.kafka_certificate_file) != bool(given.kafka_key_file):
        problems.append("KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE go together.")
    return problems


ARTICLES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "Path": "a path",
    "tuple[str, ...]": "values separated by commas",
}


def cast(text: str, kind: str) -> Any:
    """`text` as the type of a field. Raises: ValueError, BadValue."""
    if kind == "bool":
        if text.lower() not in {"true", "false", "yes", "no", "on", "off", "1", "0"}:
            raise BadValue("must be true or false")
        return text.lower() in environ.Env.BOOLEAN_TRUE_STRINGS
    if kind == "tuple[str, ...]":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return {"int": int, "float": float, "str": str, "Path": Path}[kind](text)


def as_choice(value: Any, choices: tuple[str, ...]) -> Any:
    """The choice equal to `value` apart from case (`info`, INFO); any other value unchanged."""
    for choice in choices:
        if value.casefold() == choice.casefold():
            return choice
    return value


def explain(problems: list[str]) -> str:
    lines = ["The environment of Veche is not complete:", *(f"  - {text}" for text in problems)]
    if any(text.startswith(CONNECTIONS) for text in problems):
        lines.append(
            "Start everything on this machine with `make run` and try again while it runs, "
            "or set the variables (see .env.example)."
        )
    return "\n".join(lines)


def running_stack(path: Path = STACK_FILE) -> dict[str, str]:
    """Variables of the stack that `make run` runs here; {} when none runs."""
    try:
        stack = json.loads(path.read_text())
        os.kill(stack["pid"], 0)
    except PermissionError:
        return {}  # Somebody else's stack: its passwords are not ours to read.
    except (OSError, ValueError, KeyError):
        return {}
    variables: dict[str, str] = stack["environment"]
    return variables


def is_given(environment: Mapping[str, str], variable: str) -> bool:
    return bool(environment.get(variable) or environment.get(f"{variable}_FILE"))


@functools.cache
def env() -> Env:
    """The settings of this process. Raises: ImproperlyConfigured, see `read_env`."""
    environment = dict(os.environ)
    if not all(is_given(environment, variable) for variable in CONNECTIONS):
        environment = {**running_stack(), **environment}
    return read_env(environment)
