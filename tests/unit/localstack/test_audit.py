"""`make audit` never takes silence for safety."""

from __future__ import annotations

import pytest

from localstack import audit

# As pip-audit 2.10 and npm 10 write them.
PYTHON_CLEAN = {"dependencies": [{"name": "amqp", "version": "5.4.2", "vulns": []}]}
PYTHON_HOLE = {
    "dependencies": [
        {"name": "amqp", "version": "5.4.2", "vulns": []},
        {
            "name": "daphne",
            "version": "4.2.1",
            "vulns": [{"id": "CVE-2026-44545", "fix_versions": ["4.2.2"], "aliases": []}],
        },
    ]
}
PYTHON_SKIPPED = {
    "dependencies": [
        {"name": "amqp", "skip_reason": "Dependency not found on PyPI and could not be audited"},
        {"name": "daphne", "version": "4.2.2", "vulns": []},
    ]
}
NPM_CLEAN = {"auditReportVersion": 2, "vulnerabilities": {}}
NPM_HOLE = {
    "auditReportVersion": 2,
    "vulnerabilities": {
        "dompurify": {
            "name": "dompurify",
            "severity": "moderate",
            "via": [{"title": "mutation XSS", "url": "https://github.com/advisories/x"}],
            "range": "<3.2.4",
        },
        "viewer": {"name": "viewer", "severity": "low", "via": ["dompurify"], "range": "*"},
    },
}
NPM_REFUSED = {"message": "405 Method Not Allowed - POST https://mirror/-/npm/v1/security"}


def test_package_without_an_answer_is_not_called_safe() -> None:
    assert audit.read_pip_audit(PYTHON_SKIPPED) == ([], "no answer for 1 of 2 packages")
    assert audit.read_pip_audit({"dependencies": []})[1] is not None
    assert audit.read_npm_audit(NPM_REFUSED) == ([], NPM_REFUSED["message"])


def test_holes_are_named_with_the_version_that_mends_them() -> None:
    python, unknown = audit.read_pip_audit(PYTHON_HOLE)
    npm, _ = audit.read_npm_audit(NPM_HOLE)

    assert (python, unknown) == (["daphne 4.2.1: CVE-2026-44545, fixed in 4.2.2"], None)
    assert npm == [
        "dompurify <3.2.4 (moderate): mutation XSS",
        "viewer * (low): through dompurify",
    ]


@pytest.mark.parametrize(
    ("python", "npm", "code"),
    [
        (PYTHON_CLEAN, NPM_CLEAN, audit.CLEAN),
        (PYTHON_HOLE, NPM_CLEAN, audit.HOLES),
        (PYTHON_CLEAN, NPM_HOLE, audit.HOLES),
        (PYTHON_SKIPPED, NPM_HOLE, audit.HOLES),
        (PYTHON_SKIPPED, NPM_CLEAN, audit.UNANSWERED),
        (PYTHON_CLEAN, NPM_REFUSED, audit.UNANSWERED),
    ],
)
def test_exit_code_tells_holes_from_silence(
    python: dict[str, object], npm: dict[str, object], code: int
) -> None:
    answers = {"python": audit.read_pip_audit(python), "npm": audit.read_npm_audit(npm)}

    assert audit.report(answers) == code
