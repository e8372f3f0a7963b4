"""Alerts are code: they are checked, tested, and lead to a page that helps."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from chatsite.env import BASE_DIR
from localstack.monitor import OURS, SOURCE, local_configuration
from localstack.targets import remove_targets, targets_folder, write_targets
from tests.monitoring.promql import unknown_labels, unknown_metrics

ALERTS = sorted((SOURCE / "alerts").glob("*.yml"))
TESTS = sorted((SOURCE / "tests").glob("*.yml"))
RUNBOOKS = BASE_DIR / "docs" / "runbooks"
PAGES = sorted(page for page in RUNBOOKS.glob("*.md") if page.name != "README.md")
SECTIONS = [
    "What it means",
    "What people notice",
    "What is safe",
    "Look",
    "Fix",
    "When it goes away",
]
Rule = dict[str, Any]


def rules() -> Iterator[Rule]:
    for path in ALERTS:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def page_of(alert: str) -> Path:
    words = re.findall(r"[A-Z][a-z]+", alert)
    return RUNBOOKS / ("-".join(words).lower() + ".md")


def promtool(program: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


RULES = list(rules())
NAMES = sorted({rule["alert"] for rule in RULES})


def test_prometheus_takes_the_configuration_of_compose(promtool_path: str) -> None:
    # The token is a secret that is made later.
    promtool(promtool_path, "check", "config", "--syntax-only", SOURCE / "prometheus.yml")


def test_prometheus_takes_the_local_configuration_and_its_rules(
    promtool_path: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a token of sixteen characters or more")
    configuration = local_configuration(tmp_path, {"node": ["127.0.0.1:9100"]}, token)
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))

    said = promtool(promtool_path, "check", "config", file)

    assert f"{len(ALERTS)} rule files found" in said


def test_local_configuration_asks_our_jobs_where_their_files_say(tmp_path: Path) -> None:
    with_token = local_configuration(tmp_path, token_file=Path("token"))
    without = local_configuration(tmp_path, {"node": ["127.0.0.1:9100"]})

    jobs = {job.pop("job_name"): job for job in with_token["scrape_configs"]}
    assert jobs == {
        name: {
            "authorization": {"credentials_file": "token"},
            "file_sd_configs": [
                {"files": [str(tmp_path / "targets" / f"{name}.json")], "refresh_interval": "10s"}
            ],
        }
        for name in OURS
    }
    jobs = {job.pop("job_name"): job for job in without["scrape_configs"]}
    assert jobs.keys() == {*OURS, "node"}
    assert jobs["node"] == {"static_configs": [{"targets": ["127.0.0.1:9100"]}]}
    assert "authorization" not in jobs["web"]


def test_targets_of_what_does_not_run_any_more_are_forgotten(tmp_path: Path) -> None:
    write_targets(tmp_path, {"web": ["127.0.0.1:1", "127.0.0.1:2"], "worker": ["127.0.0.1:3"]})

    write_targets(tmp_path, {"web": ["127.0.0.1:4"]})
    (left,) = targets_folder(tmp_path).iterdir()
    content = json.loads(left.read_text())
    remove_targets(tmp_path)

    assert left.name == "web.json"
    assert content == [{"targets": ["127.0.0.1:4"]}]
    assert list(targets_folder(tmp_path).iterdir()) == []


@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_otherwise(file: Path, promtool_path: str) -> None:
    promtool(promtool_path, "test", "rules", file)


@pytest.mark.parametrize("alert", NAMES)
def test_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    outcomes = {
        bool(expected.get("exp_alerts"))
        for path in TESTS
        for case in yaml.safe_load(path.read_text())["tests"]
        for expected in case["alert_rule_test"]
        if expected["alertname"] == alert
    }

    assert outcomes == {True, False}


def test_each_severity_of_an_alert_is_fired_by_a_test() -> None:
    fired = {
        (expected["alertname"], one["exp_labels"]["severity"])
        for path in TESTS
        for case in yaml.safe_load(path.read_text())["tests"]
        for expected in case["alert_rule_test"]
        for one in expected.get("exp_alerts", ())
    }

    assert fired == {(rule["alert"], rule["labels"]["severity"]) for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}")
def test_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on(rule: Rule) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    # A sentence, and what a pager shows of it.
    assert annotations["summary"].endswith((".", ")."))
    assert len(annotations["summary"]) <= 80
    page = page_of(rule["alert"])
    assert annotations["runbook_url"] == f"{{{{ $externalURL }}}}/user/runbooks/{page.name}"
    assert page.exists()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}")
def test_alert_asks_for_metrics_and_labels_that_are_defined(rule: Rule) -> None:
    assert unknown_metrics(rule["expr"]) == set()
    assert unknown_labels(rule["expr"]) == set()


def test_every_runbook_belongs_to_an_alert_and_is_listed_with_its_severities() -> None:
    severities: dict[str, set[str]] = {}
    for rule in RULES:
        severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    listed = re.findall(
        r"^\| \[(\w+)\]\(([\w-]+\.md)\) \| ([\w, ]+) \|",
        (RUNBOOKS / "README.md").read_text(),
        re.MULTILINE,
    )

    assert {name: set(given.split(", ")) for name, _, given in listed} == severities
    assert sorted(RUNBOOKS / page for _, page, _ in listed) == PAGES
    assert sorted(page_of(alert) for alert in NAMES) == PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_runbook_has_all_parts_and_names_commands_that_exist(page: Path) -> None:
    text = page.read_text()

    assert page_of(text.splitlines()[0].removeprefix("# ")) == page
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    for command in re.findall(r"python manage\.py ([^#\n`|>]+)", text):
        name, *arguments = shlex.split(command)
        # Raises, with the reason on the terminal, when it does not take these arguments.
        load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(
            arguments
        )
    services = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    for command in re.findall(r"docker compose (?:up -d|ps|exec|restart) ([^#\n`|]*)", text):
        words = command.split(" sh ")[0].split(" df ")[0].split(" python ")[0]
        words = re.sub(r"--scale (\w+)=\d+", r"\1", words)
        assert set(words.split()) <= services.keys(), command
