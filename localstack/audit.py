"""`python -m localstack.audit`: known vulnerabilities in the packages that Veche uses.

Asks pip-audit about requirements*.txt and npm about chat/ui/package-lock.json. Many mirrors do not
answer such questions, and pip-audit calls that "no known vulnerabilities". So this module counts
the packages for which there was an answer.

Exit code 0: there was an answer for all packages, and no vulnerability is known; 1: a vulnerability
is known; 3: an answer is missing, and no vulnerability is known in the others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
# In an environment of its own, so that it changes none of our versions.
PIP_AUDIT = ("uvx", "--quiet", "pip-audit@2.10.1")
PYTHON_LISTS = ("requirements.txt", "requirements-dev.txt", "requirements-node.txt")
NPM_FOLDER = "chat/ui"
SECONDS = 600.0

CLEAN, HOLES, UNANSWERED = 0, 1, 3

Answer = tuple[list[str], str | None]
"""The holes that are known, and why something is not known."""


def main() -> int:
    answers = {name: python_holes(PROJECT / name) for name in PYTHON_LISTS}
    answers[f"{NPM_FOLDER}/package-lock.json"] = npm_holes()
    return report(answers)


def report(answers: dict[str, Answer]) -> int:
    for name, (holes, unknown) in answers.items():
        for hole in holes:
            print(f"{name}: {hole}")
        if unknown is not None:
            print(f"{name}: UNKNOWN: {unknown}")
        elif not holes:
            print(f"{name}: no known vulnerability")
    if any(holes for holes, _ in answers.values()):
        return HOLES
    if any(unknown for _, unknown in answers.values()):
        print("Run it again where the registries answer: with PyPI and npm's own registry.")
        return UNANSWERED
    return CLEAN


def python_holes(requirements: Path) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "found.json"
        program, *arguments = PIP_AUDIT
        command = [str(Path(sys.executable).parent / program), *arguments]
        command += ["--requirement", str(requirements), "--require-hashes", "--disable-pip"]
        command += ["--format", "json", "--output", str(output), "--progress-spinner", "off"]
        said = _run(command)
        try:
            found = json.loads(output.read_text())
        except (OSError, ValueError):
            return [], f"pip-audit failed: {_last_line(said)}"
    return read_pip_audit(found)


def read_pip_audit(found: dict[str, Any]) -> Answer:
    packages = found["dependencies"]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}"
        + (f", fixed in {', '.join(hole['fix_versions'])}" if hole["fix_versions"] else "")
        for one in packages
        for hole in one.get("vulns", ())
    ]
    if not packages:
        return [], "pip-audit named no package"
    if skipped:
        return holes, f"no answer for {len(skipped)} of {len(packages)} packages"
    return holes, None


def npm_holes() -> Answer:
    said = _run(
        [sys.executable, "-m", "localstack.node", "--prefix", NPM_FOLDER, "audit", "--json"]
    )
    try:
        # Before this, the installation of Node may have printed something.
        found = json.loads(said[said.index("{") :])
    except ValueError:
        return [], f"npm audit failed: {_last_line(said)}"
    return read_npm_audit(found)


def read_npm_audit(found: dict[str, Any]) -> Answer:
    if "vulnerabilities" not in found:
        return [], str(found.get("message") or found.get("error") or "npm gave no answer")
    return [_npm_hole(one) for one in found["vulnerabilities"].values()], None


def _npm_hole(one: dict[str, Any]) -> str:
    sources = [via["title"] for via in one["via"] if isinstance(via, dict)]
    return f"{one['name']} {one['range']} ({one['severity']}): {'; '.join(_or_via(one, sources))}"


def _or_via(one: dict[str, Any], titles: list[str]) -> Iterable[str]:
    return titles or [f"through {via}" for via in one["via"]]


def _run(command: list[str]) -> str:
    """The program's output. Its exit code is ignored: vulnerabilities make it fail too."""
    try:
        done = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}"
    return done.stdout or done.stderr


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no output"


if __name__ == "__main__":
    sys.exit(main())
