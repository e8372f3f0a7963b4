"""The environment is read once, checked as a whole, and never shows its secrets."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatsite.env import BASE_DIR, Env
from chatsite.env_checks import BadValue
from chatsite.env_example import example
from chatsite.env_reader import read_env, running_stack

GOOD = {
    "DATABASE_URL": "postgresql://veche:pass-word@db:5432/veche",
    "LOG_REDIS_URL": "redis://:log-word@log:6379/0",
    "BUS_REDIS_URL": "redis://:bus-word@bus:6379/0",
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_ORIGINS": "https://chat.example.org, http://localhost:8000",
}


def problems_of(environment: dict[str, str]) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        read_env(environment)
    return str(caught.value)


def test_values_are_cast_to_their_types() -> None:
    env = read_env({**GOOD, "SHARDS": "32", "ALLOW_WEAK_LOG": "yes", "SENDS_PER_SECOND": "2.5"})

    assert (env.shards, env.allow_weak_log, env.sends_per_second) == (32, True, 2.5)
    assert env.allowed_origins == ("https://chat.example.org", "http://localhost:8000")


def test_choice_may_be_given_in_other_letters() -> None:
    env = read_env({**GOOD, "LOG_LEVEL": "debug", "ASGI_SERVER": "Uvicorn"})

    assert (env.log_level, env.asgi_server) == ("DEBUG", "uvicorn")


def test_all_problems_are_reported_together() -> None:
    text = problems_of({"SHARDS": "many", "PORT": "0", "ASGI_SERVER": "gunicorn", "DEBUG": "maybe"})

    for variable in (*GOOD, "SHARDS", "PORT", "ASGI_SERVER", "DEBUG"):
        assert re.search(rf"^  - {variable} ", text, re.MULTILINE), variable


def test_missing_connections_point_to_make_run() -> None:
    assert "make run" in problems_of({**GOOD, "LOG_REDIS_URL": ""})
    assert "make run" not in problems_of({**GOOD, "PORT": "x"})


def test_secrets_are_masked_wherever_the_settings_are_printed() -> None:
    env = read_env({**GOOD, "METRICS_TOKEN": "token-0123456789abcdef"})

    printed = f"{env!r} {env} {env.shown()}"

    for secret in ("pass-word", "log-word", "bus-word", GOOD["SECRET_KEY"], "token-0123"):
        assert secret not in printed
    assert "DATABASE_URL=***" in printed


def test_problems_do_not_repeat_a_secret_value() -> None:
    text = problems_of({**GOOD, "DATABASE_URL": "mysql://u:hidden@db/x", "SECRET_KEY": "hidden"})

    assert "hidden" not in text


def test_value_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"
    file.write_text(GOOD["SECRET_KEY"] + "\n")

    env = read_env({**GOOD, "SECRET_KEY": "", "SECRET_KEY_FILE": str(file)})

    assert env.secret_key == GOOD["SECRET_KEY"]


def test_unreadable_file_is_one_of_the_problems(tmp_path: Path) -> None:
    text = problems_of({**GOOD, "SECRET_KEY_FILE": str(tmp_path / "absent")})

    assert "SECRET_KEY_FILE cannot be read" in text


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, ["KAFKA_USERNAME", "KAFKA_PASSWORD"]),
        ({"KAFKA_PASSWORD": "hidden"}, ["KAFKA_PASSWORD"]),
        ({"KAFKA_USERNAME": "u", "KAFKA_SECURITY_PROTOCOL": "SSL"}, ["KAFKA_USERNAME"]),
        ({"KAFKA_CA_FILE": __file__}, ["KAFKA_CA_FILE"]),
        ({"KAFKA_CA_FILE": "/nowhere", "KAFKA_SECURITY_PROTOCOL": "SSL"}, ["KAFKA_CA_FILE"]),
        (
            {"KAFKA_CERTIFICATE_FILE": __file__, "KAFKA_SECURITY_PROTOCOL": "SSL"},
            ["KAFKA_CERTIFICATE_FILE"],
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, ["KAFKA_SECURITY_PROTOCOL"]),
    ],
)
def test_settings_of_kafka_that_do_not_fit_together_are_refused(
    given: dict[str, str], named: list[str]
) -> None:
    text = problems_of({**GOOD, **given})

    for variable in named:
        assert re.search(rf"^  - {variable} ", text, re.MULTILINE), text
    assert "hidden" not in text


def test_kafkas_password_can_come_from_a_file_and_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("broker-word\n")

    env = read_env(
        {
            **GOOD,
            "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "KAFKA_USERNAME": "veche",
            "KAFKA_PASSWORD_FILE": str(file),
        }
    )

    assert env.kafka_security == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "veche",
        "sasl_plain_password": "broker-word",
        "ssl_cafile": None,
        "ssl_certfile": None,
        "ssl_keyfile": None,
    }
    assert "broker-word" not in f"{env!r} {env.shown()}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHARDS", "0"),
        ("SHARDS", "1025"),
        ("REDIS_TIMEOUT_SECONDS", "nan"),
        ("SENDS_PER_SECOND", "inf"),
        ("UNSEEN_BYTES", "1"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 64),
        ("METRICS_TOKEN", "short"),
        ("BUS_REDIS_URL", "http://bus"),
        ("ALLOWED_ORIGINS", "https://chat.example.org/"),
        ("ALLOWED_ORIGINS", "chat.example.org"),
        ("ALLOWED_ORIGINS", "https://*.example.org"),
        ("ALLOWED_ORIGINS", "https://Chat.example.org"),
        ("ALLOWED_ORIGINS", "null"),
    ],
)
def test_value_out_of_range_is_refused(variable: str, value: str) -> None:
    assert variable in problems_of({**GOOD, variable: value})


def test_ranges_hold_for_settings_made_in_code_too() -> None:
    env = read_env(GOOD)

    with pytest.raises(BadValue):
        dataclasses.replace(env, shards=0)


def test_password_may_begin_with_a_dollar_sign() -> None:
    key = "$0123456789-abcdefghijklmnopqrstuvwxyz"

    assert read_env({**GOOD, "SECRET_KEY": key}).secret_key == key


def test_running_stack_lends_its_variables_and_an_ended_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "stack.json"
    file.write_text(json.dumps({"pid": os.getpid(), "environment": GOOD}))

    assert running_stack(file) == GOOD

    ended = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(ended, 0)
    file.write_text(json.dumps({"pid": ended, "environment": GOOD}))

    assert running_stack(file) == {}


def test_example_is_what_the_settings_say() -> None:
    assert (BASE_DIR / ".env.example").read_text() == example()


def test_compose_sets_only_variables_that_exist() -> None:
    known = {field.name.upper() for field in dataclasses.fields(Env)}
    compose = (BASE_DIR / "docker-compose.yml").read_text()
    block = compose.split("x-veche-environment:")[1].split("\n\n")[0]

    variables = {
        name.removesuffix("_FILE") for name in re.findall(r"^  ([A-Z_]+):", block, re.MULTILINE)
    }

    assert variables
    assert variables <= known
