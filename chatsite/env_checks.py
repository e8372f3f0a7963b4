"""What the values of settings must look like. Each check raises `BadValue`, which says it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import environ


class BadValue(ValueError):
    """A variable's value is not allowed; the text says what would be."""


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
