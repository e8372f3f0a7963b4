"""docker-compose.yml is a Compose file, and all that it names is there.

No image is built or started here. The file is held against the schema of the Compose
specification, and every variable, command, mount, secret and service in it against the rest of
the repository. `make cluster` runs the gateway's configuration itself.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from jsonschema import Draft7Validator

from chatsite.env import BASE_DIR, Env, declaration
from chatsite.env_reader import read_env

TEXT = (BASE_DIR / "docker-compose.yml").read_text()
DOCKERFILE = (BASE_DIR / "Dockerfile").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == "veche:0.1.0"}
# They do one thing and end.
COME_AND_GO = {"migrate", "demo", "monitor-role"}
# For these the default is right in every container; whoever needs another value writes it into
# veche.env.
DEFAULT_SUFFICES = {
    "EVENT_STREAM_MB",  # there is a Kafka
    "KAFKA_SECURITY_PROTOCOL",  # it listens to Veche's containers alone
    "KAFKA_SASL_MECHANISM",
    "KAFKA_USERNAME",
    "KAFKA_PASSWORD",
    "KAFKA_CA_FILE",
    "KAFKA_CERTIFICATE_FILE",
    "KAFKA_KEY_FILE",
    "DEBUG",
    "STATIC_ROOT",  # the image sets it
    "ALLOW_WEAK_LOG",
    "ALLOW_WEAK_DATABASE",
    "REDIS_TIMEOUT_SECONDS",
    "REDIS_CONNECT_TIMEOUT_SECONDS",
    "DB_CONNECT_TIMEOUT_SECONDS",
    "DB_STATEMENT_TIMEOUT_MS",
    "DB_LOCK_TIMEOUT_MS",
    "DB_IDLE_IN_TRANSACTION_TIMEOUT_MS",
    "DB_POOL_MAX",
    "DRAIN_SECONDS",
    "SENDS_PER_SECOND",
    "SENDS_BURST",
    "ROOMS_PER_PERSON",
    "INVITATIONS_PER_DAY",
    "UNSEEN_BYTES",
    "HEARTBEAT_SECONDS",
    "MAX_SOCKETS_PER_USER",
    "MAX_SOCKETS",
    "LOG_FORMAT",  # json where there is no terminal
    "STAFF_MFA",  # staff need a second factor
    "PROBE_STAGE_SECONDS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",  # nothing is traced
    "TRACES_SAMPLE_RATIO",
    "SENTRY_DSN",  # nothing is reported
    "VECHE_CRASH_POINT",  # for tests
}
# These are for no installation.
NOT_FOR_OPERATORS = {"DEBUG", "STATIC_ROOT", "VECHE_CRASH_POINT"}
# Made by deploy/make-secrets, or by the person who has a certificate.
MADE_LATER = {"tls", "secrets"}


def interpolated(text: str, given: dict[str, str] | None = None) -> str:
    """`text` as Compose reads it when the variables of `given` are set."""
    given = given or {}

    def value(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        return given.get(name) or (default[2:] if default and default[1] == "-" else f"<{name}>")

    return re.sub(r"\$\{([A-Z_]+)(:[-?][^}]*)?\}", value, text).replace("$$", "$")


def environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: interpolated(str(value)) for name, value in service["environment"].items()}


def mounts() -> Iterator[tuple[str, str, str]]:
    """Service, source and target of every volume and bind mount."""
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target = interpolated(volume).split(":")[:2]
            yield name, source, target


def test_file_is_valid_by_the_schema_of_the_compose_specification() -> None:
    schema = json.loads((BASE_DIR / "tests/compose/compose-spec.json").read_text())
    document = yaml.safe_load(interpolated(TEXT))

    errors = [f"{list(e.path)}: {e.message}" for e in Draft7Validator(schema).iter_errors(document)]

    assert errors == []
    assert list(Draft7Validator(schema).iter_errors({"services": {"web": {"imagine": 1}}}))


def test_every_variable_that_is_set_is_a_setting_and_every_setting_is_decided_about() -> None:
    settings = {field.name.upper() for field in dataclasses.fields(Env)}

    for name, service in OURS.items():
        given = {variable.removesuffix("_FILE") for variable in service["environment"]}
        assert given - settings == set(), name
        assert given & DEFAULT_SUFFICES == set(), name
        without = DEFAULT_SUFFICES | ({"DATABASE_OWNER_URL"} - given)
        assert settings - given - without == set(), name


def test_secret_settings_come_from_files_only() -> None:
    secret = {f.name.upper() for f in dataclasses.fields(Env) if declaration(f).secret}

    for service in OURS.values():
        assert secret & service["environment"].keys() == set()
        for variable, value in service["environment"].items():
            if variable.endswith("_FILE"):
                assert Path(value).name in service["secrets"]


def test_settings_as_compose_gives_them_are_accepted(tmp_path: Path) -> None:
    values = {
        "database_url": "postgresql://veche:x@postgres:5432/veche",
        "log_redis_url": "redis://:x@log:6379/0",
        "bus_redis_url": "redis://:x@bus:6379/0",
        "secret_key": "0123456789abcdefghijklmnopqrstuvwxyz",
        "metrics_token": "0123456789abcdef0123456789abcdef",
        "email_url": "consolemail://",
    }
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    given = {"ALLOWED_ORIGINS": "https://chat.example.org"}

    env = read_env(
        {
            name: interpolated(str(value), given).replace("/run/secrets", str(tmp_path))
            for name, value in OURS["web"]["environment"].items()
        }
    )

    assert env.kafka_bootstrap_servers == ("kafka:9092",)
    assert env.trusted_proxies == 1
    assert env.metrics_token == values["metrics_token"]


def test_every_host_that_is_named_is_a_service() -> None:
    addresses = [value for one in OURS.values() for value in environment(one).values()]
    addresses += re.findall(r"@(\w+):\d+/", (BASE_DIR / "deploy/make-secrets").read_text())
    addresses += re.findall(
        r"server (\w+):", (BASE_DIR / "deploy/nginx/addresses.conf").read_text()
    )
    hosts = {
        found[1]
        for address in addresses
        if (found := re.fullmatch(r"([a-z]+)(?::\d+)?", address)) and ":" in address
    }

    assert hosts <= SERVICES.keys()
    assert "server web:8000 " in (BASE_DIR / "deploy/nginx/addresses.conf").read_text()


def test_every_file_that_is_mounted_exists_and_every_volume_is_declared() -> None:
    for name, source, _ in mounts():
        if source == "/":
            assert name == "node-exporter"
        elif not source.startswith("./"):
            assert source in FILE["volumes"], f"{name} mounts {source}"
        elif source[2:] not in MADE_LATER:
            assert (BASE_DIR / source).exists(), f"{name} mounts {source}"


@pytest.mark.parametrize("gateway", ["http", "https", "proxied"])
def test_gateway_has_every_file_that_its_configuration_includes(gateway: str) -> None:
    mounted = {}
    for volume in SERVICES["gateway"]["volumes"]:
        source, target = interpolated(volume, {"GATEWAY": gateway}).split(":")[:2]
        mounted[target] = BASE_DIR / source
    included = {"nginx.conf"}
    for target, path in mounted.items():
        if path.is_file():
            found = re.findall(r"^\s*include (\S+);", path.read_text(), re.MULTILINE)
            included |= {name for name in found if not name.startswith("/")}
            assert target.startswith("/etc/veche/")

    assert {f"/etc/veche/{name}" for name in included} | {"/etc/veche/tls"} == mounted.keys()


def test_gateway_believes_the_scheme_of_those_whose_address_it_believes() -> None:
    text = (BASE_DIR / "deploy/nginx/proxied.conf").read_text()
    believed = re.findall(r"^    (\S+) 1;", text, re.MULTILINE)

    assert believed
    assert believed == re.findall(r"^    set_real_ip_from (\S+);", text, re.MULTILINE)


def test_every_command_of_ours_exists() -> None:
    commands = set(get_commands())
    for name, service in OURS.items():
        command = service.get("command", ["python", "-m", "chatsite.server"])
        if command[:2] == ["python", "manage.py"]:
            assert command[2] in commands, name
        elif command[:2] == ["sh", "-c"]:
            assert set(re.findall(r"manage\.py (\w+)", command[2])) <= commands, name
        elif command[0] == "python":
            assert (BASE_DIR / f"{command[2].replace('.', '/')}.py").exists(), name
        else:
            assert command[:3] == ["celery", "-A", "chatsite"], name
            assert command[3] in {"worker", "beat"}, name


def test_number_of_processes_stands_in_the_env_file_where_every_up_finds_it() -> None:
    scales = {name: service["scale"] for name, service in SERVICES.items() if "scale" in service}
    documents = [*(BASE_DIR / "docs").rglob("*.md"), BASE_DIR / "README.md"]
    lines = [line for path in documents for line in path.read_text().splitlines()]

    assert scales == {"web": "${WEB_PROCESSES:-1}", "worker": "${WORKERS:-1}"}
    # An upgrade doubles them for one step.
    assert all("--no-recreate" in line for line in lines if re.search(r" up .*--scale", line))


def test_whoever_is_waited_for_says_when_it_is_ready() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"
            elif other == "kafka":
                assert how["condition"] == "service_started"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert other in COME_AND_GO


def test_nobody_of_ours_waits_for_a_kafka_that_answers() -> None:
    waiting = {
        name: how["condition"]
        for name, service in OURS.items()
        for other, how in service.get("depends_on", {}).items()
        if other == "kafka"
    }

    assert {"web", "worker", "analytics"} <= waiting.keys()
    assert set(waiting.values()) == {"service_started"}


def test_every_secret_is_declared_and_made() -> None:
    used = set()
    for service in SERVICES.values():
        for secret in service.get("secrets", []):
            used.add(secret if isinstance(secret, str) else secret["source"])

    assert used == FILE["secrets"].keys()


def test_secrets_are_made_once_and_readable_in_containers_whatever_the_umask(
    tmp_path: Path,
) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(BASE_DIR / "deploy/make-secrets", tmp_path / "deploy")
    command = ["sh", "-c", "umask 077 && sh deploy/make-secrets"]

    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    wanted = {Path(secret["file"]).name for secret in FILE["secrets"].values()}
    assert made.keys() == wanted
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    modes = {
        path.name: oct(stat.S_IMODE(path.stat().st_mode))
        for path in [tmp_path / "secrets", tmp_path / "tls", *(tmp_path / "secrets").iterdir()]
    }
    assert modes == {**dict.fromkeys(wanted, "0o644"), "secrets": "0o700", "tls": "0o755"}


def test_no_password_stands_in_the_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASS|SECRET|TOKEN|KEY", variable):
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"


def test_our_processes_run_without_rights_that_they_do_not_need() -> None:
    for name, service in {**OURS, "gateway": SERVICES["gateway"]}.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    stages = re.split(r"^FROM .* AS ", DOCKERFILE, flags=re.MULTILINE)[1:]
    users = {stage.split()[0]: re.findall(r"^USER (\d+):", stage, re.MULTILINE) for stage in stages}
    assert users["veche"] == ["10001"]
    assert users["gateway"] == ["101"]


def test_everything_that_stays_up_has_a_limit_of_memory() -> None:
    assert [name for name, service in SERVICES.items() if "mem_limit" not in service] == []


def test_log_server_refuses_to_write_before_the_kernel_ends_it() -> None:
    for name in ("log", "bus"):
        text = (BASE_DIR / f"deploy/valkey/{name}.conf").read_text()
        [(size, unit)] = re.findall(r"^maxmemory (\d+)(mb|gb)$", text, re.MULTILINE)
        limit = SERVICES[name]["mem_limit"]
        assert 2 * megabytes(size + unit[0]) <= megabytes(limit)


def megabytes(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


def test_gateway_that_is_replaced_does_not_wait_for_sockets() -> None:
    gateway = SERVICES["gateway"]

    # At SIGQUIT nginx stops to listen at once; what is left after this is cut.
    assert gateway["stop_signal"] == "SIGQUIT"
    assert int(gateway["stop_grace_period"].removesuffix("s")) <= 5


def test_only_the_gateway_is_open_to_the_world() -> None:
    published = {
        name: interpolated(port)
        for name, service in SERVICES.items()
        for port in service.get("ports", [])
    }

    assert published == {
        "gateway": "127.0.0.1:8080:8080",
        "grafana": "127.0.0.1:3000:3000",
        "prometheus": "127.0.0.1:9090:9090",
    }


def test_gateway_and_dashboards_reach_no_server_that_holds_data() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}

    assert FILE["networks"]["data"]["internal"] is True
    assert networks["gateway"] == networks["grafana"] == networks["nginx-exporter"] == {"edge"}
    for name in ("postgres", "log", "bus", "kafka"):
        assert networks[name] == {"data"}, name
    for name in OURS:
        assert networks[name] == {"edge", "data"}, name
    # A port of a service that is on an internal network alone is not published.
    assert all("edge" in networks[name] for name in SERVICES if SERVICES[name].get("ports"))


def test_who_asks_for_another_service_is_on_a_network_with_it() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    for name, service in SERVICES.items():
        for other in service.get("depends_on", {}):
            if name != "gateway" and other not in COME_AND_GO:
                assert networks[name] & networks[other], (name, other)
    for one in [name for name in SERVICES if name.endswith("exporter")]:
        assert networks["prometheus"] & networks[one], one


def test_prometheus_asks_services_that_are_there_at_ports_that_they_listen_on() -> None:
    asked: dict[str, str] = {}
    prometheus = yaml.safe_load((BASE_DIR / "deploy/prometheus/prometheus.yml").read_text())
    for job in prometheus["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            asked |= {name: str(found["port"]) for name in found["names"]}
        targets = [one for found in job.get("static_configs", []) for one in found["targets"]]
        replaced = [rule.get("replacement", "") for rule in job.get("relabel_configs", [])]
        for target in [*targets, *replaced]:
            if target and "$" not in target and "localhost" not in target:
                name, _, port = target.removeprefix("redis://").rpartition(":")
                asked[name] = port

    for name, port in asked.items():
        listens = {"log": "6379", "bus": "6379"}.get(name) or SERVICES[name].get("expose", [""])[0]
        if name in OURS and name != "web":
            listens = OURS[name]["environment"]["METRICS_PORT"]
        assert listens == port, name
    assert "web" in asked


def test_kafka_is_the_version_that_tests_run_against() -> None:
    pom = (BASE_DIR / "deploy/kafka/pom.xml").read_text()
    tested = re.findall(r"<version>(\d+\.\d+\.\d+)</version>", pom)[0]

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{tested}"


# What the documents tell an operator to write

OPERATIONS = (BASE_DIR / "docs/operations.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```$", OPERATIONS, re.DOTALL | re.MULTILINE)
DOT_ENV = [block for block in BLOCKS if re.fullmatch(r"(?:[A-Z_]+=\S*\n)+", block)]


@pytest.mark.parametrize("block", [block for block in DOT_ENV if "ALLOWED_ORIGINS" in block])
def test_env_file_of_an_installation_leads_people_and_probe_to_the_port_that_is_open(
    block: str,
) -> None:
    given = dict(line.split("=", 1) for line in block.split())
    proxied = given["GATEWAY"] == "proxied"

    assert (BASE_DIR / f"deploy/nginx/{given['GATEWAY']}.conf").exists()
    assert given["ALLOWED_ORIGINS"].startswith("https://")
    assert given["GATEWAY_PORT"] == ("127.0.0.1:8080" if proxied else "443")
    assert given["PROBE_URL"] == given["ALLOWED_ORIGINS"]
    assert given.keys() <= set(re.findall(r"\$\{([A-Z_]+)", TEXT))


def test_env_files_of_both_kinds_of_tls_are_shown_and_none_is_given_for_one_command() -> None:
    kinds = {line for block in DOT_ENV for line in block.split() if line.startswith("GATEWAY=")}

    assert kinds == {"GATEWAY=https", "GATEWAY=proxied"}
    assert re.findall(r"^[A-Z_]+=\S+ .*docker compose", OPERATIONS, re.MULTILINE) == []


def test_quick_start_of_the_readme_is_enough_to_start() -> None:
    readme = (BASE_DIR / "README.md").read_text()
    [block] = [one for one in re.findall(r"(?ms)^```\n(.*?)^```$", readme) if "up -d" in one]
    given = dict(re.findall(r"echo (\w+)=(\S+)", block))
    required = set(re.findall(r"\$\{([A-Z_]+):\?", TEXT))

    assert required <= given.keys()
    [port] = SERVICES["gateway"]["ports"]
    published = interpolated(port, given).split(":")[-2]
    assert given["ALLOWED_ORIGINS"] == f"http://localhost:{published}"


def test_settings_that_compose_does_not_pass_come_from_an_optional_file() -> None:
    for name, service in OURS.items():
        assert service["env_file"] == [{"path": "veche.env", "required": False}], name
    assert "veche.env" in (BASE_DIR / ".gitignore").read_text().split()


def test_operations_say_of_each_setting_in_which_file_it_goes() -> None:
    [section] = re.findall(r"^## Settings\n(.*?)^## ", OPERATIONS, re.DOTALL | re.MULTILINE)
    lists = {
        file: set(re.findall(r"`([A-Z_]+)`", text))
        for file, text in re.findall(r"(?ms)^- \*\*`(.+?)`\*\*(.*?)(?=^- |\Z)", section)
    }

    assert lists[".env"] == set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    assert lists["veche.env"] == DEFAULT_SUFFICES - NOT_FOR_OPERATORS


RUNBOOKS = {path.name: path.read_text() for path in (BASE_DIR / "docs/runbooks").glob("*.md")}


def test_commands_of_runbooks_work_where_no_port_is_published_and_no_file_can_be_written() -> None:
    """The image has no curl, and the file system of its containers is read-only."""
    for name, text in RUNBOOKS.items():
        commands = re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
        assert [line for line in commands if re.search(r"\b(?:curl|wget)\b", line)] == [], name
        assert [line for line in commands if "--output" in line] == [], name


def test_services_that_runbooks_name_are_there() -> None:
    named = re.compile(r"docker compose (?:up -d|ps|exec(?: -T)?|logs(?: --since \w+)?) ([a-z -]+)")
    for name, text in RUNBOOKS.items():
        for found in named.findall(re.sub(r" +#.*", "", text)):
            services = re.split(r" -| sh| python", found)[0].split()
            assert set(services) - {"df"} <= SERVICES.keys(), name


def test_whoever_reads_a_secret_is_started_anew_when_it_changes() -> None:
    rotation = {
        line.split("|")[1].strip(): line
        for line in OPERATIONS.splitlines()
        if line.startswith("|") and "recreate" in line
    }
    token = {name for name, one in SERVICES.items() if "metrics_token" in one.get("secrets", [])}
    password = {
        name for name, one in SERVICES.items() if "postgres_password" in one.get("secrets", [])
    }

    url = {name for name, one in SERVICES.items() if "database_url" in one.get("secrets", [])}

    row = rotation["`SECRET_KEY`"]
    assert all(name in row for name in OURS.keys() - COME_AND_GO)
    assert all(name in rotation["`METRICS_TOKEN`"] for name in token - COME_AND_GO)
    assert all(name in rotation["PostgreSQL's `veche_app`"] for name in url - COME_AND_GO)
    # PostgreSQL reads it once, when its volume is empty; and those who come and go as they come.
    assert password - COME_AND_GO == {"postgres"}


def test_owner_of_the_tables_is_known_to_migrate_alone() -> None:
    knowing = {
        name for name, one in SERVICES.items() if "database_owner_url" in one.get("secrets", [])
    }
    asking = {name for name, one in OURS.items() if "DATABASE_OWNER_URL_FILE" in one["environment"]}
    superuser = {
        name for name, one in SERVICES.items() if "postgres_password" in one.get("secrets", [])
    }

    assert knowing == asking == {"migrate"}
    assert superuser == {"postgres", "monitor-role"}
    migrate, web = SERVICES["migrate"], SERVICES["web"]
    assert {*migrate["secrets"]} - {*web["secrets"]} == {"database_owner_url"}
    assert migrate["environment"].keys() >= web["environment"].keys()


def test_operations_say_how_much_memory_the_limits_add_up_to() -> None:
    limits = {
        name: (megabytes(one["mem_limit"]), "ops" in one.get("profiles", []))
        for name, one in SERVICES.items()
        if name not in COME_AND_GO
    }

    always = sum(limit for limit, ops in limits.values() if not ops) / 1024
    with_ops = sum(limit for limit, _ in limits.values()) / 1024
    each = {megabytes(OURS[name]["mem_limit"]) / 1024 for name in ("web", "worker")}
    said = re.findall(r"(\d+\.\d+) GiB", OPERATIONS)
    readme = (BASE_DIR / "README.md").read_text()
    assert f"{always:.1f} GiB, with monitoring {with_ops:.1f}" in " ".join(readme.split())
    assert said[:3] == [f"{always:.1f}", f"{with_ops:.1f}", f"{each.pop():g}"]


# The images


def test_every_file_that_goes_into_the_image_exists_and_is_let_in() -> None:
    let_in = {
        line[1:] for line in (BASE_DIR / ".dockerignore").read_text().split() if line[0] == "!"
    }
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copied for source in shlex.split(line)[:-1]]

    assert sources
    for source in sources:
        assert (BASE_DIR / source).exists(), source
        assert source.split("/")[0] in let_in, source


def test_stages_copy_from_stages_before_them_and_compose_builds_what_there_is() -> None:
    stages: list[str] = []
    for line in DOCKERFILE.splitlines():
        if line.startswith("FROM "):
            stages.append(line.split(" AS ")[1])
        for source in re.findall(r"--from=(\S+)", line):
            assert source in stages[:-1]
    targets = {one["build"]["target"] for one in SERVICES.values() if "build" in one}

    assert targets == {"veche", "gateway"}
    assert targets <= set(stages)


def test_each_image_is_built_by_one_service_that_all_others_of_it_wait_for() -> None:
    builders: dict[str, list[str]] = {}
    for name, service in SERVICES.items():
        if "build" in service:
            builders.setdefault(service["image"], []).append(name)

    assert builders == {"veche:0.1.0": ["migrate"], "veche-gateway:0.1.0": ["gateway"]}
    for name in OURS.keys() - {"migrate"}:
        assert "migrate" in OURS[name]["depends_on"], name


def test_packages_are_installed_by_their_hashes() -> None:
    assert "--require-hashes -r requirements.txt" in DOCKERFILE
    requirements = (BASE_DIR / "requirements.txt").read_text()
    named = re.findall(r"^[a-z0-9][\w.-]*(?:\[[^\]]+\])?==", requirements, re.MULTILINE)
    assert len(named) == len(re.findall(r"==[^\n]*\\\n +--hash", requirements))
