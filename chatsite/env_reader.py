"""Reads the environment once: every setting is checked, and all problems are reported together.

If DATABASE_URL, LOG_REDIS_URL or BUS_REDIS_URL is absent, it is taken from `var/stack.json`, which
describes the stack that `make run` has started, so `manage.py` works in a second terminal.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from chatsite.env import BASE_DIR, Env, check_range, declaration
from chatsite.env_checks import BadValue

STACK_FILE = BASE_DIR / "var" / "stack.json"
CONNECTIONS = ("DATABASE_URL", "LOG_REDIS_URL", "BUS_REDIS_URL")


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
    lines = ["Veche's environment is incomplete:", *(f"  - {text}" for text in problems)]
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
